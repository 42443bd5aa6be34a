"""What the page's script is given to explore: candidates, their genotypes, scores and poses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.scores import Metric
from posenas.contract.trial import Trial
from posenas.reporting.explorer.entries import choose_entries, kept_poses
from posenas.reporting.explorer.skeletons import skeleton
from posenas.reporting.report import write_report
from posenas.reporting.results import front_against, make_results
from posenas.reporting.together import write_report_of_runs
from posenas.runs.recipe import recipe_from_tables
from toy_runs import NAMES, candidates, final, make_run, with_poses, write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset")
    return tmp_path / "dataset"


def data_of(page: Path) -> Any:
    return json.loads(re.findall(r'id="candidates">(.*?)</script>', page.read_text(), re.DOTALL)[0])


def test_every_candidate_has_its_figures_genotype_and_poses(tmp_path: Path, dataset: Path) -> None:
    trials = with_poses(candidates(), dataset)
    page = write_report(
        make_run(tmp_path / "run", dataset, [*trials, final(trials)], evaluation={"held_out": 0.0})
    )
    data = data_of(page)
    (run,), entries = data["runs"], data["entries"]
    ranked = [trial for trial in trials if trial.metrics]
    winner = final(trials)
    assert set(entries) == {f"candidate-{trial.id}" for trial in ranked} | {f"candidate-{winner.id}-final"}
    assert run["winner"] == f"candidate-{winner.id}"
    assert run["keypoints"] == list(NAMES)
    for trial in ranked:
        entry = entries[f"candidate-{trial.id}"]
        assert dict(zip(run["dimensions"], entry["genotype"], strict=True)) == {
            name: str(value) for name, value in trial.genotype.items()
        }
        assert entry["metrics"][0] == f"{trial.metrics['oks.AP']:.3f}"
        assert entry["keypoints"] == [round(trial.by_keypoint[name], 3) for name in NAMES]
        assert [pose[0] for pose in entry["poses"]] == [f"person-{number}" for number in (1, 2, 3, 4)]
    best, worst = (entries[f"candidate-{trial.id}"]["poses"] for trial in (ranked[0], ranked[-1]))
    assert [pose[1] for pose in best] == [1.0] * 4
    assert max(pose[1] for pose in worst) < 1.0
    assert len(entries[f"candidate-{winner.id}-final"]["poses"]) == 4
    text = page.read_text()
    assert text.count('<image id="person-') == 4
    assert text.count('class="point ') == 2 * len(entries)
    assert "a<b" not in text.partition('id="candidates">')[2].partition("</script>")[0]


def test_the_true_pose_and_a_perfect_one_are_drawn_alike(tmp_path: Path, dataset: Path) -> None:
    trials = with_poses(candidates(), dataset)
    page = write_report(make_run(tmp_path / "run", dataset, trials, evaluation={"held_out": 0.0}))
    drawn = data_of(page)["entries"][f"candidate-{trials[0].id}"]["poses"]
    truths = re.findall(r'-truth".*?class="left" d="(.*?)"/>.*?"right" d="(.*?)"/>', page.read_text())
    assert len(truths) == len(drawn) == 4
    for truth, (_, _, left, right, _) in zip(truths, drawn, strict=True):
        for true, predicted in zip(truth, (left, right), strict=True):
            assert numbers_of(predicted) == pytest.approx(numbers_of(true), abs=1)


def numbers_of(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def test_a_page_without_kept_poses_has_candidates_and_no_people(tmp_path: Path, dataset: Path) -> None:
    page = write_report(make_run(tmp_path / "run", dataset, candidates()))
    assert {len(entry["poses"]) for entry in data_of(page)["entries"].values()} == {0}
    assert "Example people" not in page.read_text()


def test_poses_of_somebody_who_is_gone_are_told(tmp_path: Path, dataset: Path) -> None:
    trials = with_poses(candidates(), dataset)
    lost = [{"image": 3, "person": 7, "keypoints": None}, {"image": 99, "person": 0, "keypoints": None}]
    trials[0] = replace(trials[0], notes={"example_poses": lost})
    trials[1] = replace(trials[1], notes={"example_poses": "mine"})
    page = write_report(make_run(tmp_path / "run", dataset, trials, evaluation={"held_out": 0.0}))
    text = page.read_text()
    assert "Image 3 of val lacks the person whose poses were kept." in text
    assert "Image 99 of val lacks the person whose poses were kept." in text
    assert f"The poses of candidate {trials[1].id} cannot be shown: example_poses is no list of poses" in text
    assert len(data_of(page)["entries"][f"candidate-{trials[2].id}"]["poses"]) == 4


def test_notes_say_where_a_person_is_found() -> None:
    (pose,) = ({"image": 3, "person": 1, "keypoints": [[1.0, 2.0], None]},)
    trial = replace(candidates()[0], notes={"example_poses": [pose]})
    ((name, places),) = kept_poses(trial).items()
    assert (name.split, name.image, name.person) == ("train", 3, 1)
    assert places is not None
    assert places.tolist() == [[1.0, 2.0], [np.inf, np.inf]]


def many(number: int) -> list[Trial]:
    first = candidates()[0]
    return [
        replace(
            first,
            genotype={"width": index},
            metrics={"oks.AP": (index * 7919 % number) / number},
            costs={"gmacs": 1.0 + index, "parameters": 10.0 * (number - index)},
        )
        for index in range(number)
    ]


def test_of_many_candidates_the_fronts_and_the_best_are_shown() -> None:
    results = make_results(recipe_from_tables({}), (Metric("oks.AP"),), tuple(many(700)), finished=False)
    shown = [entry.trial.id for entry in choose_entries(results)]
    assert len(shown) == len(set(shown)) == 500
    assert {trial.id for trial in front_against(results, "parameters")} <= set(shown)
    by_score = sorted(results.ranked, key=lambda trial: -trial.metrics["oks.AP"])
    assert {trial.id for trial in by_score[:450]} <= set(shown)


def test_trials_of_one_genotype_have_names_of_their_own() -> None:
    trial = candidates()[0]
    results = make_results(recipe_from_tables({}), (Metric("oks.AP"),), (trial, trial), finished=False)
    assert [entry.key for entry in choose_entries(results)] == [trial.id, f"{trial.id}-2"]


def test_limbs_are_drawn_on_their_sides_and_lone_keypoints_as_dots() -> None:
    places = np.arange(34.0).reshape(17, 2)
    shown = np.zeros(17, np.bool_)
    shown[[5, 7, 16]] = True  # left shoulder and elbow, right ankle
    drawn = skeleton(places, shown, keypoints=COCO_17)
    assert drawn.left in ("M10 11L14 15", "M14 15L10 11")
    assert drawn.right == "M32 33h0"
    assert drawn.middle == ""


def test_several_runs_stand_in_one_chart(tmp_path: Path, dataset: Path) -> None:
    trials = with_poses(candidates(), dataset)
    first = make_run(tmp_path / "first", dataset, [*trials, final(trials)], evaluation={"held_out": 0.0})
    second = make_run(tmp_path / "second", dataset, trials[3:9], evaluation={"held_out": 0.0})
    page = write_report_of_runs([first, second], tmp_path / "page.html")
    text, data = page.read_text(), data_of(page)
    assert [run["name"] for run in data["runs"]] == ["first", "second"]
    assert {name.split("-")[1] for name in data["entries"]} == {"1", "2"}
    assert text.count('<image id="person-') == 4  # each picture once
    assert text.count('<path class="front run-1"') == 2
    names = set(re.findall(r'id="([^"]*)"', text))
    assert set(re.findall(r'href="#([^"]*)"', text)) <= names
    assert "did not all rank" not in text
    assert write_report_of_runs([first, second], tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_runs_ranked_on_other_people_are_told(tmp_path: Path, dataset: Path) -> None:
    runs = [make_run(tmp_path / name, dataset, candidates(), seed=seed) for seed, name in enumerate("ab")]
    text = write_report_of_runs(runs, tmp_path / "page.html").read_text()
    assert "did not all rank their candidates on the same people" in text


def test_runs_that_do_not_compare_are_refused_in_one_line(tmp_path: Path, dataset: Path) -> None:
    run = make_run(tmp_path / "run", dataset, candidates())
    timed = [replace(trial, costs={**trial.costs, "latency_ms": 1.0}) for trial in candidates()]
    others = {
        "by oks.AR, those of": make_run(tmp_path / "recall", dataset, candidates(), maximize=["oks.AR"]),
        "by gmacs, parameters, latency_ms, those of": make_run(
            tmp_path / "timed", dataset, timed, maximize=["oks.AP"], minimize=["latency_ms"]
        ),
        "no candidate has a score": make_run(tmp_path / "empty", dataset, candidates()[-1:]),
        "is named 2 times": run,
    }
    for words, other in others.items():
        with pytest.raises(PosenasError, match=words) as refusal:
            write_report_of_runs([run, other], tmp_path / "page.html")
        assert "\n" not in str(refusal.value)
    assert not (tmp_path / "page.html").exists()
