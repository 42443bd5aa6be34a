"""Reports of runs written for the test, over a small dataset of drawn rectangles."""

from __future__ import annotations

import os
import re
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.errors import PosenasError
from posenas.contract.goals import MetricLimit
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Metric, Predictions
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.data.coco.dataset import CocoDataset
from posenas.data.examples import Example, evenly_ranked, find_examples
from posenas.learning.inference import EvaluationSettings
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.report import ReportWriter, write_report
from posenas.reporting.report.caveats import caveats
from posenas.reporting.report.poses import poses_picture
from posenas.reporting.report.tables import metric_parts, metric_rows
from posenas.reporting.results import front_against, make_results
from posenas.runs.events import Events
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.remade import Remade
from toy_runs import (
    NAMES,
    PEOPLE,
    Grey,
    candidates,
    drawn_person,
    final,
    make_run,
    predictions_for,
    write_dataset,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    write_dataset(root)
    return root


@pytest.fixture
def finished(tmp_path: Path, dataset: Path) -> Path:
    trials = candidates()
    return make_run(tmp_path / "run", dataset, [*trials, final(trials)])


def text_of(page: Path) -> str:
    """What a reader sees, each run of white space one space."""
    body = re.sub(r"<script.*?</script>", "", page.read_text().partition("<body>")[2], flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def files_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "report").iterdir())}


def pixels_of(picture: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def results_of(trials: list[Trial], tables: Mapping[str, Any] | None = None, **metric: Any) -> Results:
    finished = bool(trials) and trials[-1].stage == "final"
    metrics = (Metric("oks.AP", **metric),)
    return make_results(recipe_from_tables(tables or {}), metrics, tuple(trials), finished=finished)


def test_page_tells_the_whole_run(finished: Path) -> None:
    page = write_report(finished)
    assert page == finished / "report" / "report.html"
    text, winner = text_of(page), final(candidates())
    assert "fixed × random × heatmap on coco" in text
    assert f"The winner is {winner.id} : oks.AP 0.765 at {winner.costs['gmacs']:#.4g} GMACs" in text
    assert f"val: {PEOPLE} people with labelled keypoints in {PEOPLE} images" in text
    assert "16 ranked by oks.AP on held-out training images (at most 0.1 of those" in text
    assert "Limits gmacs<=0.3 Seed 11" in text
    assert "oks.AP50 not a number higher" in text
    assert "RuntimeError: 3 <b> 4" in text
    assert "seed = 11" in text
    assert "not finished" not in text
    assert "Score by part" not in text
    assert "Not everything could be shown" not in text


def test_figures_of_parts_stand_by_part_and_by_kind() -> None:
    metrics = (
        Metric("mine.AP"),
        Metric("mine.people"),
        Metric("mine.face.AP", part="face"),
        Metric("mine.left_hand.AP", part="left_hand"),
        Metric("mine.left_hand.EPE@0.5", "px", higher_is_better=False, part="left_hand"),
    )
    scored = replace(final(candidates()), metrics={"mine.AP": 0.5, "mine.face.AP": 0.25, "mine.people": 2.0})
    tables = {
        "maximize": ["mine.face.AP"],
        "limits": ["mine.left_hand.AP>=0.1"],
        "evaluator": {"name": "mine"},
    }
    results = make_results(recipe_from_tables(tables), metrics, (scored,), finished=True)
    assert [row["name"] for row in metric_rows(scored, results)] == [
        "mine.AP",
        "mine.people",
        "mine.face.AP",
        "mine.left_hand.AP",
    ]
    assert metric_parts(scored, metrics) == {
        "whole": {"AP": "0.500", "EPE@0.5": "–"},
        "face": {"AP": "0.250", "EPE@0.5": "–"},
        "left hand": {"AP": "not a number", "EPE@0.5": "not a number"},
    }
    assert metric_parts(scored, metrics[:2]) == {}


def test_front_on_the_page_is_what_nothing_dominates(finished: Path) -> None:
    page = write_report(finished).read_text()
    scored = [trial for trial in candidates() if trial.metrics]
    for cost, name in (("gmacs", "GMACs"), ("parameters", "parameters")):
        expected = {
            trial.id
            for trial in scored
            if not any(
                other.metrics["oks.AP"] >= trial.metrics["oks.AP"]
                and other.costs[cost] <= trial.costs[cost]
                and (other.metrics["oks.AP"], other.costs[cost])
                != (trial.metrics["oks.AP"], trial.costs[cost])
                for other in scored
            )
        }
        rows = re.findall(
            r"<tr><th scope=\"row\"><a[^>]*><code[^>]*>(\w+)</code></a></th>(?:<td.*?</td>){3}<td>(.*?)</td>",
            page,
        )
        assert {identity for identity, fronts in rows if name in fronts} == expected
        assert 1 < len(expected) < len(scored)


def test_final_score_is_told_apart_from_the_candidates(finished: Path, tmp_path: Path, dataset: Path) -> None:
    other_people = "not comparable with the dots: the weights are others, and so are the people."
    assert other_people in text_of(write_report(finished))
    trials = [replace(trial, split="val") for trial in candidates()]
    same = make_run(tmp_path / "same", dataset, [*trials, final(trials)], evaluation={"held_out": 0.0})
    assert "not comparable with the dots: the weights are others." in text_of(write_report(same))


def test_same_run_elsewhere_and_again_is_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    write_report(finished)
    first = files_of(finished)
    assert set(first) == {"report.html", "pareto.png", "poses.png"}
    elsewhere = tmp_path / "another" / "place"
    shutil.copytree(finished, elsewhere, ignore=shutil.ignore_patterns("report"))
    write_report(elsewhere)
    write_report(finished)
    assert files_of(elsewhere) == first == files_of(finished)
    assert str(finished) not in first["report.html"].decode()


def test_page_needs_no_other_file(finished: Path) -> None:
    page = write_report(finished).read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {address.partition(",")[0] for address in addresses if address[0] != "#"} == {
        "data:image/jpeg;base64"
    }
    names = set(re.findall(r'id="([^"]*)"', page))
    assert {address[1:] for address in addresses if address[0] == "#"} <= names
    assert page.count("<script") == page.count("</script>") == 2
    assert "default-src 'none'; img-src data:;" in page
    assert "url(" not in page


def test_pictures_hold_nothing_but_pixels(finished: Path) -> None:
    write_report(finished)
    for name in ("pareto.png", "poses.png"):
        content = files_of(finished)[name]
        chunks, position = set(), 8
        while position < len(content):
            (length,) = struct.unpack(">I", content[position : position + 4])
            chunks.add(content[position + 4 : position + 8])
            position += 12 + length
        assert chunks <= {b"IHDR", b"IDAT", b"IEND", b"pHYs"}


def test_run_without_trials_says_so(tmp_path: Path, dataset: Path) -> None:
    run = make_run(tmp_path / "run", dataset, None)
    text = text_of(write_report(run))
    assert "not finished: it has no trial yet" in text
    assert "seed = 11" in text
    assert set(files_of(run)) == {"report.html"}


def test_unfinished_run_shows_its_candidates(tmp_path: Path, dataset: Path) -> None:
    run = make_run(tmp_path / "run", dataset, candidates())
    text = text_of(write_report(run))
    assert "This run is not finished. It has 17 candidates so far and no final network." in text
    assert f"The best candidate is {final(candidates()).id}" in text
    assert "winner is" not in text
    assert set(files_of(run)) == {"report.html", "pareto.png"}


def test_pictures_of_an_earlier_state_do_not_stay(finished: Path) -> None:
    write_report(finished)
    (finished / "trials.json").unlink()
    write_report(finished)
    assert set(files_of(finished)) == {"report.html"}


def test_failed_final_network(tmp_path: Path, dataset: Path) -> None:
    trials = candidates()
    failed = replace(
        final(trials), metrics={}, by_keypoint={}, predictions=None, failure="RuntimeError: no memory"
    )
    text = text_of(write_report(make_run(tmp_path / "run", dataset, [*trials, failed])))
    assert "The final network failed: RuntimeError: no memory." in text
    assert "The best candidate is" in text


def test_every_trial_failed(tmp_path: Path, dataset: Path) -> None:
    text = text_of(write_report(make_run(tmp_path / "run", dataset, candidates()[-1:])))
    assert "It has 1 candidate so far" in text
    assert "No trial has a score." in text
    assert "RuntimeError: 3 <b> 4" in text


def test_single_network_has_no_front(tmp_path: Path, dataset: Path) -> None:
    run = make_run(tmp_path / "run", dataset, [final(candidates())], strategy={"name": "single"})
    text = text_of(write_report(run))
    assert "The network is" in text
    assert "Score against cost" not in text
    assert "Ranking." not in text
    assert set(files_of(run)) == {"report.html", "poses.png"}


def test_missing_image_is_named_and_the_others_are_shown(finished: Path, dataset: Path) -> None:
    write_report(finished)
    complete = pixels_of(files_of(finished)["poses.png"])
    examples = find_examples(
        predictions_for(GroundTruth(COCO_17, CocoDataset(root=str(dataset)).split("val")), noise=6.0),
        GroundTruth(COCO_17, CocoDataset(root=str(dataset)).split("val")),
    )
    for example in evenly_ranked(examples, 12)[1:5]:
        (dataset / "images" / f"{example.sample.id}.png").unlink()
    text = text_of(write_report(finished))
    assert f"Image {evenly_ranked(examples, 12)[1].sample.id} cannot be shown: " in text
    assert text.count("cannot be shown") == 4
    assert pixels_of(files_of(finished)["poses.png"]).shape[0] < complete.shape[0]


def test_missing_dataset_loses_nothing_else(finished: Path, dataset: Path) -> None:
    shutil.rmtree(dataset)
    text = text_of(write_report(finished))
    assert "The dataset cannot be read: dataset coco: dataset.root" in text
    assert "oks.AP 0.765" in text
    assert "Scored on val " in text
    assert "left_wrist" in text
    assert set(files_of(finished)) == {"report.html", "pareto.png"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "predictions/predicted.json in the run cannot be read"),
        ("[1]", "predictions/predicted.json in the run cannot be read"),
        (
            '[{"image_id": 0, "keypoints": [1, 2, 3], "score": 1}]',
            "cannot be shown: predictions have 1 keypoints",
        ),
        (
            '[{"image_id": 99, "keypoints": [' + "0," * 50 + '0], "score": 1}]',
            "cannot be shown: predictions for 1",
        ),
    ],
)
def test_unusable_predictions(finished: Path, content: str | None, complaint: str) -> None:
    file = finished / "predictions" / "predicted.json"
    file.unlink() if content is None else file.write_text(content)
    text = text_of(write_report(finished))
    assert complaint in text
    assert "oks.AP 0.765" in text
    assert "poses.png" not in files_of(finished)


def test_damaged_trials_are_an_error_that_names_the_file(finished: Path) -> None:
    (finished / "trials.json").write_text('[{"genotype": {}}]')
    with pytest.raises(PosenasError, match=r"trials\.json: .*resume"):
        write_report(finished)


def test_keypoints_stand_under_their_parts(finished: Path) -> None:
    winner = final(candidates())
    text = text_of(write_report(finished))
    arm = [winner.by_keypoint[f"left_{joint}"] for joint in ("shoulder", "elbow", "wrist")]
    rows = " ".join(
        f"left_{joint} {value:.3f}" for joint, value in zip(("shoulder", "elbow", "wrist"), arm, strict=True)
    )
    assert f"left arm mean {sum(arm) / 3:.3f} {rows}" in text
    weakest = min(winner.by_keypoint, key=lambda name: winner.by_keypoint[name])
    assert f"Weakest: {weakest} {winner.by_keypoint[weakest]:.3f}," in text
    page = (finished / "report" / "report.html").read_text()
    assert [page.count(f'<th scope="row">{name}</th>') for name in NAMES] == [1] * len(NAMES)


def test_genotype_is_a_table_of_its_dotted_names(finished: Path) -> None:
    width = final(candidates()).genotype["stem.width"]
    text = text_of(write_report(finished))
    assert f"value depth width order a<b stage1 2 16 stem {width}" in text


def test_listener_writes_the_report_and_harms_no_run(finished: Path, tmp_path: Path) -> None:
    complaints: list[str] = []
    events = Events({"report": ReportWriter()}, complain=complaints.append)
    events.tell("run_finished", run=finished, trials=())
    assert (finished / "report" / "report.html").exists()
    events.tell("run_finished", run=tmp_path / "nowhere", trials=())
    assert len(complaints) == 1


def test_lower_is_better_turns_best_and_front() -> None:
    trials = candidates()
    lower = results_of(trials, higher_is_better=False)
    assert lower.shown == min(lower.ranked, key=lambda trial: trial.metrics["oks.AP"])
    assert front_against(lower, "gmacs")[-1] == lower.shown
    assert results_of(trials).shown != lower.shown


def statements(
    trials: list[Trial], settings: EvaluationSettings, *, remade: Sequence[Remade] = (), **tables: Any
) -> dict[str, str]:
    results, recipe = results_of(trials, tables), recipe_from_tables(tables)
    known = {"installed": installed_costs(), "evidence": Evidence(), "remade": remade}
    return dict(caveats(results, recipe, settings=settings, **known))


def test_weights_in_the_place_of_lost_ones_are_told() -> None:
    remade = Remade("aa.safetensors", "bb.safetensors", effect="train", steps=1)
    told = statements(candidates(), EvaluationSettings(), remade=[remade])["Lost weights"]
    assert "after 1 finished step bb.safetensors (train) took the place of aa.safetensors" in told
    assert "Lost weights" not in statements(candidates(), EvaluationSettings())


def test_limits_on_metrics_decide_what_is_shown_and_are_told() -> None:
    trials = candidates()
    scores = sorted(trial.metrics["oks.AP"] for trial in trials if trial.metrics)
    free, unkept = results_of(trials), results_of(trials, {"limits": ["AP>=0.9"]})
    assert free.shown == unkept.shown
    best = [trial for trial in unkept.ranked if trial.metrics["oks.AP"] == scores[-1]]
    assert front_against(unkept, "gmacs") == best
    least = replace(unkept, metric_limits=(MetricLimit("oks.AP", scores[0], higher_is_better=False),))
    assert [trial.metrics["oks.AP"] for trial in front_against(least, "gmacs")] == scores[:1]
    settings, all_trials = EvaluationSettings(), [*trials, final(trials)]
    said = statements(all_trials, settings, limits=["AP>=0.9"])["Limits"]
    assert said.startswith("None of 17 candidates keeps the limit on a metric: oks.AP>=0.9 (the nearest has ")
    assert "The final network misses oks.AP>=0.9 with 0.7654 on val." in said
    kept = statements(all_trials, settings, limits=[f"oks.AP>={scores[-2]}"])["Limits"]
    assert kept.startswith("The limits on metrics are kept by 2 of 17 candidates. The final network keeps ")
    assert "Limits" not in statements(all_trials, settings, limits=["gmacs<=100"])


def test_caveats_follow_the_recipe() -> None:
    trials = candidates()
    held_out = statements(trials, EvaluationSettings(held_out=0.25, ranking_people=77), seed=5)
    assert "0.25 of those" in held_out["Ranking"]
    assert "77 people" in held_out["Ranking"]
    by_share = statements(trials, EvaluationSettings())["Ranking"]
    assert "until they show 5% of the people, at least 256 and at most 3,000)" in by_share
    assert "(5)" in held_out["Spread"]
    assert "17 genotypes" in held_out["Search"]
    assert "annotated box" in held_out["Boxes"]
    assert "flip test" in held_out["Cost"]
    assert "photographs" in held_out["Data"]
    on_val = [replace(trial, split="val", weights=str(index)) for index, trial in enumerate(trials)]
    other = statements(
        on_val,
        EvaluationSettings(held_out=0, flip_test=False, boxes="boxes.json", box_threshold=0.25),
        dataset={"name": "coco"},
    )
    assert "ranked on val" in other["Ranking"]
    assert "that score is biased upward" in other["Ranking"]
    assert "at least 0.25" in other["Boxes"]
    assert "flip" not in other["Cost"]
    assert not {"Weights", "Data"} & set(other)


def test_examples_are_the_nearest_poses_by_the_definition_of_oks() -> None:
    rng = np.random.default_rng(3)
    samples = []
    for image in (7, 2, 5, 1):
        people = [drawn_person(rng, number) for number in range(3)]
        people[0].keypoints[4:, 2] = 0
        people[2].keypoints[:, 2] = 0
        crowd = Person((0.0, 0.0, 9.0, 9.0), people[1].keypoints, area=81.0, crowd=True)
        samples.append(Sample(image, Grey(), 100, 120, (*people, crowd)))
    truth = GroundTruth(COCO_17, samples)
    poses = 20 + 60 * rng.random((9, 17, 2))
    image_ids = np.array([5, 7, 7, 2, 5, 2, 7, 5, 2])  # nobody in image 1
    found = find_examples(Predictions(image_ids, poses, np.ones((9, 17)), rng.random(9)), truth)
    assert [example.sample.id for example in found] == [1, 1, 2, 2, 5, 5, 7, 7]
    for example in found:
        if example.sample.id == 1:
            assert (example.predicted, example.similarity) == (None, 0.0)
            continue
        similarities = [
            _oks(pose, example.person)
            for pose, image in zip(poses, image_ids, strict=True)
            if image == example.sample.id
        ]
        assert example.similarity == pytest.approx(max(similarities))
        assert example.predicted is not None
        assert _oks(example.predicted, example.person) == pytest.approx(max(similarities))


def _oks(pose: Any, person: Person) -> float:
    terms = [
        np.exp(-((x - true_x) ** 2 + (y - true_y) ** 2) / (2 * person.area * (2 * sigma) ** 2))
        for (x, y), (true_x, true_y, visibility), sigma in zip(
            pose, person.keypoints, COCO_17.sigmas, strict=True
        )
        if visibility > 0
    ]
    return float(np.mean(terms))


@pytest.mark.parametrize("number", [1, 11, 12, 13, 50])
def test_shown_people_span_the_ranks(number: int) -> None:
    rng = np.random.default_rng(number)
    person = drawn_person(rng, 0)
    sample = Sample(0, Grey(), 100, 120, (person,))
    examples = [Example(sample, person, None, float(value)) for value in rng.permutation(number)]
    shown = [example.similarity for example in evenly_ranked(examples, 12)]
    assert len(shown) == min(12, number)
    assert shown == sorted(set(shown), reverse=True)
    assert (shown[0], shown[-1]) == (number - 1, 0)
    assert -np.diff(shown).min(initial=0) <= 2 * max(1, number // 12)


def halves(person: Person, predicted: Any) -> tuple[Any, Any]:
    """The left and the right crop of a picture of one person."""
    example = Example(Sample(4, Grey(), 100, 120, (person,)), person, predicted, 1.0)
    picture = poses_picture([(example, Grey().read())], COCO_17)
    image = pixels_of(picture)
    left = next(column for column in range(image.shape[1]) if (image[60, column] < 250).any())
    top = next(row for row in range(20, 60) if (image[row, left + 96] < 250).any())
    crops = image[top : top + 256]
    return crops[:, left : left + 192], crops[:, left + 195 : left + 195 + 192]


def test_people_with_regions_are_drawn_larger() -> None:
    person = replace(drawn_person(np.random.default_rng(0), 0), box=(0.0, 0.0, 100.0, 120.0))
    example = Example(Sample(4, Grey(), 100, 120, (person,)), person, None, 1.0)
    plain, whole = (
        pixels_of(poses_picture([(example, Grey().read())], each))
        for each in (COCO_17, replace(COCO_17, regions={"head": (0, 1, 2)}))
    )
    assert whole.shape[0] == plain.shape[0] + 256
    assert whole.shape[1] == plain.shape[1] + 2 * 192


def test_both_poses_are_drawn_alike() -> None:
    person = replace(drawn_person(np.random.default_rng(0), 0), box=(0.0, 0.0, 100.0, 120.0))
    unlabelled = replace(person, keypoints=person.keypoints * [1, 1, 0])
    pose = person.keypoints[:, :2]
    np.testing.assert_array_equal(*halves(person, pose))
    assert (np.diff(halves(person, pose + 3), axis=0) != 0).any()
    plain = halves(unlabelled, None)
    np.testing.assert_array_equal(*plain)
    assert len(np.unique(plain[0][40:-40, 30:-30])) == 1
    np.testing.assert_array_equal(halves(person, pose + np.inf)[1], plain[1])


def test_coco_people_are_their_own_best_predictions() -> None:
    fallback = Path(__file__).resolve().parents[4] / "shared" / "data"
    root = Path(os.environ.get("POSENAS_TEST_DATA", fallback)) / "coco-mini"
    if not root.is_dir():
        pytest.skip("no real data: set POSENAS_TEST_DATA")
    truth = GroundTruth(COCO_17, CocoDataset(root=str(root)).split("val"))
    examples = find_examples(predictions_for(truth, noise=0.0), truth)
    assert len(examples) > 100
    assert min(example.similarity for example in examples) > 0.999


def test_latency_has_a_panel_and_a_caveat_where_it_is_known(tmp_path: Path, dataset: Path) -> None:
    def timed(trial: Trial) -> Trial:
        return replace(trial, costs={**trial.costs, "latency_ms": 20 * trial.costs["gmacs"]})

    trials = candidates()
    plain = make_run(tmp_path / "plain", dataset, [*trials, final(trials)])
    trials = [timed(trial) for trial in trials]
    known = make_run(
        tmp_path / "known", dataset, [*trials, final(trials)], maximize=["oks.AP"], minimize=["latency_ms"]
    )
    texts = {run.name: text_of(write_report(run)) for run in (plain, known)}
    widths = {run.name: pixels_of(files_of(run)["pareto.png"]).shape[1] for run in (plain, known)}
    assert widths["known"] == widths["plain"] * 3 // 2
    assert "not measured on any device" in texts["plain"]
    assert "Milliseconds were measured on this run's device" in texts["known"]
    assert "Objectives maximize oks.AP, minimize latency_ms; the winner is the knee" in texts["known"]
    assert "Objectives" not in texts["plain"]
