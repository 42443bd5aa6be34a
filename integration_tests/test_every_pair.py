"""Every combination of the installed components composes or says why not; the sensible ones search."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import cv2
import pytest
from installed_matrix import installed_matrix
from label_files import write_collected, write_labels, write_videos
from posenas.composing.loading import load
from posenas.composing.plugins import find_plugins
from posenas.contract.components import WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.samples import Sample
from posenas.runs.journal import Journal
from posenas.standard.synthetic.dataset import SyntheticDataset
from running import Answer, refusal
from whole_body_files import write_whole_bodies

Posenas = Callable[..., Answer]

NAMES = {
    kind: [plugin.name for plugin in find_plugins((kind,)) if plugin.status == "ok"]
    for kind in COMPONENT_KINDS
}


def covering(combinations: Iterable[tuple[str, ...]], together: int = 2) -> list[tuple[str, ...]]:
    """So many of them that every pair of components that occurs in one occurs, or every component."""
    chosen, covered = [], set[tuple[tuple[int, str], ...]]()
    for combination in combinations:
        groups = set(itertools.combinations(enumerate(combination), together))
        if not groups <= covered:
            chosen.append(combination)
            covered |= groups
    return chosen


POSSIBLE = list(itertools.product(*NAMES.values()))
OF_FACES_AND_HANDS = ("hand", "nme", "wholebody")
"""Evaluators that need keypoints of faces and hands; the drawn people have them by an option."""
OF_HEADS = ("pckh", "posetrack")
"""Evaluators that need the size of heads."""
ZOOMING = ("zoom",)
"""Heads that need them."""

NOT_FOR: dict[str, tuple[str, ...]] = {
    "coco": OF_FACES_AND_HANDS,
    "posetrack18": OF_FACES_AND_HANDS,
    "sleap": (*OF_FACES_AND_HANDS, *OF_HEADS),
    "yolo": (*OF_FACES_AND_HANDS, *OF_HEADS),
    "synthetic": OF_HEADS,
    "cocowholebody": OF_HEADS,
    "wbf": ("hand", "pck", "wholebody", *OF_HEADS),
    "wbh": ("nme", "pck", "wholebody", *OF_HEADS),
}
"""The evaluators that lack keypoints or boxes that they need, by the dataset."""

REFUSED: dict[str, str] = (
    {
        " ".join(each): f"evaluator {evaluator!r} does not fit this dataset"
        for each in POSSIBLE
        for dataset, evaluators in NOT_FOR.items()
        for evaluator in evaluators
        if each[-2:] == (dataset, evaluator)
    }
    | {
        " ".join(each): "strategy 'sandwich' needs WeightSharing"
        for each in POSSIBLE
        if "sandwich" in each and {"cnf", "evo", "fixed"} & set(each)
    }
    | {
        " ".join(each): f"strategy {strategy!r} needs Relaxed"
        for each in POSSIBLE
        for strategy in ("first-order", "second-order", "synchronous", "gumbel")
        if strategy in each and not {"cnf", "autopose"} & set(each)
    }
    | {
        " ".join(each): "strategy 'bilevel' needs "
        for each in POSSIBLE
        if "bilevel" in each and "autopose" not in each
    }
    | {
        " ".join(each): "a controller decides discrete dimensions, and the space has none"
        for each in POSSIBLE
        if "reinforce" in each and "cnf" in each and "zoom" not in each
    }
    | {
        " ".join(each): "does not train the network of key frames first, which a space for videos needs"
        for each in POSSIBLE
        if each[0] == "ofa-video" and each[1] != "sandwich"
    }
    | {
        " ".join(each): "strategy 'sandwich' needs Guiding"
        for each in POSSIBLE
        if each[:2] == ("ofa-video", "sandwich") and each[2] != "heatmap"
    }
    | {
        " ".join(each): "head zoom looks closely at regions face and hand"
        for each in POSSIBLE
        if "zoom" in each and each[-2] in ("coco", "posetrack18", "sleap", "wbf", "wbh", "yolo")
    }
    | {
        " ".join(each): "space 'yolo': no level at 1/4 of the image or finer"
        for each in POSSIBLE
        if each[0] == "yolo" and {"heatmap", "vector", "zoom"} & set(each)
    }
)
"""Combinations that cannot work, by their names joined with spaces, and what the refusal says."""

SMALLER: dict[str, dict[str, float]] = {"autopose": {"stages": 1}, "fixed": {"width": 0.25}}
"""Options of spaces whose networks take seconds to compose."""

COMBINATIONS = covering(sorted(POSSIBLE, key=lambda each: (" ".join(each) in REFUSED, each[0] in SMALLER)))
QUICKLY = covering(COMBINATIONS, together=1)
"""The combinations that are composed in the fast session: each component in one of them."""

QUICK = (
    "-o", "head.input_size=64,64", "-o", "training.batch_size=8", "-o", "training.workers=0",
    "-o", "strategy.epochs=1",
)  # fmt: skip
QUICK_RANKING = (
    "-o", "strategy.candidates=2", "-o", "strategy.final_epochs=1", "-o", "strategy.calibration_people=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def roots(coco: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folders of the datasets that read files."""
    whole_bodies = tmp_path_factory.mktemp("whole_bodies")
    write_whole_bodies(whole_bodies)
    yolo = tmp_path_factory.mktemp("yolo")
    write_labels(yolo, train_images=16, val_images=6)
    sleap = tmp_path_factory.mktemp("sleap")
    write_collected(sleap, images=16)
    videos = tmp_path_factory.mktemp("videos")
    write_videos(videos, frames=16)
    return {"coco": coco, "posetrack18": videos, "sleap": sleap, "yolo": yolo} | dict.fromkeys(
        ("cocowholebody", "wbf", "wbh"), whole_bodies
    )


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn people as files in COCO's format, under its usual names."""
    root = tmp_path_factory.mktemp("coco")
    drawn = SyntheticDataset(train_images=16, val_images=6)
    (root / "annotations").mkdir()
    for split in drawn.splits():
        folder = root / "images" / f"{split}2017"
        folder.mkdir(parents=True)
        samples = drawn.split(split)
        for sample in samples:
            cv2.imwrite(
                str(folder / f"{sample.id}.png"), cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR)
            )
        file = root / "annotations" / f"person_keypoints_{split}2017.json"
        file.write_text(json.dumps(_annotations(samples, drawn.keypoints().names)))
    return root


def _annotations(samples: Sequence[Sample], names: tuple[str, ...]) -> dict[str, object]:
    return {
        "categories": [{"id": 1, "name": "person", "keypoints": list(names), "skeleton": []}],
        "images": [
            {"id": sample.id, "file_name": f"{sample.id}.png", "width": sample.width, "height": sample.height}
            for sample in samples
        ],
        "annotations": [
            {
                "id": sample.id * 100 + number,
                "image_id": sample.id,
                "category_id": 1,
                "bbox": list(person.box),
                "bbox_head": [*person.box[:2], person.box[2] / 4, person.box[3] / 6],
                "area": person.area,
                "iscrowd": 0,
                "keypoints": person.keypoints.ravel().tolist(),
                "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
            }
            for sample in samples
            for number, person in enumerate(sample.people)
        ],
    }


def small_genotype(space: str) -> str:
    """As a value of `-o strategy.genotype`."""
    component = load("space", space)(**SMALLER.get(space, {}))
    small = component.smallest() if isinstance(component, WeightSharing) else component.sample(Random(0))
    return "{" + ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in small.items()) + "}"


def flags(combination: tuple[str, ...], roots: Mapping[str, Path]) -> list[str]:
    """Those that name the five, and the options without which one of them cannot work at all."""
    chosen = dict(zip(COMPONENT_KINDS, combination, strict=True))
    words = [word for kind, name in chosen.items() for word in (f"--{kind}", name)]
    for name, value in SMALLER.get(chosen["space"], {}).items():
        words += ["-o", f"space.{name}={value}"]
    if chosen["strategy"] == "single":
        words += ["-o", f"strategy.genotype={small_genotype(chosen['space'])}"]
        words += ["-o", "head.searched=false"] if chosen["head"] == "zoom" else []
    if chosen["dataset"] in roots:
        words += ["-o", f"dataset.root={roots[chosen['dataset']]}"]
    if chosen["dataset"] == "sleap":
        words += ["-o", "dataset.val_share=0.3"]
    if (chosen["space"], chosen["head"]) == ("cnf", "zoom"):
        words += ["-o", "head.stages=0"]
    if chosen["dataset"] == "synthetic":
        words += ["-o", "dataset.train_images=24", "-o", "dataset.val_images=8"]
        if chosen["evaluator"] in OF_FACES_AND_HANDS or chosen["head"] in ZOOMING:
            words += ["-o", "dataset.points=133"]
    return words


def test_nothing_installed_is_left_out() -> None:
    assert {"ofa"} <= set(NAMES["space"])
    assert {"sandwich", "single"} <= set(NAMES["strategy"])
    assert {"coco", "synthetic"} <= set(NAMES["dataset"])
    assert {"oks", "pck"} <= set(NAMES["evaluator"])
    for kind, position in zip(COMPONENT_KINDS, range(5), strict=True):
        fitting = {each[position] for each in COMBINATIONS if " ".join(each) not in REFUSED}
        assert fitting == set(NAMES[kind]), f"a {kind} fits nothing"


@pytest.mark.parametrize(
    "combination",
    [each if each in QUICKLY else pytest.param(each, marks=pytest.mark.slow) for each in COMBINATIONS],
    ids=" ".join,
)
def test_a_combination_composes_or_is_refused_in_one_line(
    posenas: Posenas, roots: Mapping[str, Path], combination: tuple[str, ...]
) -> None:
    answer = posenas("compose", "--dry-run", "--json", *flags(combination, roots))
    expected = REFUSED.get(" ".join(combination))
    if expected is None:
        assert answer.status == 0, answer.err
        assert answer.json == {"fits": True}
        assert not matrix_reason(combination)
    else:
        line = refusal(answer)
        assert expected in line
        assert matrix_reason(combination) in line or combination[3] in ("wbf", "wbh")


def matrix_reason(combination: tuple[str, ...]) -> str:
    """Return why the matrix says that the first three and the keypoints of the dataset do not work.

    Datasets of faces and of hands have other keypoints than the matrix, whose names some reasons quote.
    """
    space, strategy, head, dataset, _ = combination
    whole = dataset == "cocowholebody" or (dataset == "synthetic" and head in ZOOMING)
    key = (space, strategy, head, "coco-wholebody-133" if whole else "coco-17")
    (cell,) = [
        each
        for each in installed_matrix().cells
        if (each.space, each.strategy, each.head, each.keypoints) == key
    ]
    return "" if cell.works else cell.refusals[0].reason


def test_people_without_hips_cannot_be_measured_in_torsos(
    posenas: Posenas, coco: Path, tmp_path: Path
) -> None:
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    for file in (coco / "annotations").iterdir():
        (annotations / file.name).write_text(file.read_text().replace("_hip", "_fin"))
    (tmp_path / "images").symlink_to(coco / "images")
    words = ("compose", "--dry-run", "--dataset", "coco", "-o", f"dataset.root={tmp_path}")
    assert posenas(*words, "--evaluator", "oks").status == 0
    answer = posenas(*words, "--evaluator", "pck")
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert "evaluator 'pck' does not fit this dataset" in line
    assert "choose another evaluator, such as oks" in line


@pytest.mark.parametrize("encoding", ["gaussian", "udp", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", [pytest.param("mse", marks=pytest.mark.slow), "cross-entropy"])
def test_the_published_space_composes_with_every_encoding(posenas: Posenas, encoding: str, loss: str) -> None:
    answer = posenas(
        "compose", "--dry-run", "-o", "space.backbone=resnet50", "-o", "head.input_size=256,192",
        "-o", f"head.encoding={encoding}", "-o", f"head.loss={loss}", "-o", "dataset.val_images=8",
        "--limit", "parameters<=8e6",
    )  # fmt: skip
    assert answer.status == 0, answer.err


SEARCHES = {
    "as ViPNAS": (("ofa", "sandwich", "heatmap", "synthetic", "oks"), "gaussian", "mse", ()),
    "as by default": (("ofa", "sandwich", "heatmap", "synthetic", "oks"), "udp", "cross-entropy", ()),
    "dark, without a teacher": (
        ("ofa", "sandwich", "heatmap", "synthetic", "pck"),
        "dark",
        "mse",
        ("-o", "strategy.distillation=off"),
    ),
    "ranked on val": (
        ("ofa", "sandwich", "heatmap", "coco", "pck"),
        "gaussian",
        "cross-entropy",
        ("-o", "evaluation.held_out=0"),
    ),
    "one network": (("ofa", "single", "heatmap", "coco", "oks"), "udp", "mse", ()),
    "one network by pck": (("ofa", "single", "heatmap", "synthetic", "pck"), "dark", "cross-entropy", ()),
    "whole body": (
        ("ofa", "sandwich", "heatmap", "synthetic", "oks"),
        "udp",
        "cross-entropy",
        ("-o", "dataset.points=133"),
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_small_search(posenas: Posenas, roots: Mapping[str, Path], tmp_path: Path, name: str) -> None:
    combination, encoding, loss, more = SEARCHES[name]
    searches = combination[1] == "sandwich"
    answer = posenas(
        "compose", *flags(combination, roots), *QUICK, *(QUICK_RANKING if searches else ()),
        "-o", f"head.encoding={encoding}", "-o", f"head.loss={loss}", *more, "--run", "run", "--json",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err
    result = answer.last_json
    assert result["trials"] == (3 if searches else 1)
    objective = "oks.AP" if combination[4] == "oks" else "pck.PCK@0.2"
    assert 0 <= result["best"]["metrics"][objective] <= 1
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    ranked_on = "val" if "evaluation.held_out=0" in more else "ranking"
    assert [trial["split"] for trial in trials] == [ranked_on] * (len(trials) - 1) + ["val"]
    assert (tmp_path / "run" / "report" / "report.html").exists()


@pytest.mark.parametrize("strategy", ["synchronous", "first-order"])
def test_a_space_without_anything_to_learn_is_refused(posenas: Posenas, strategy: str) -> None:
    answer = posenas("compose", "--space", "cnf", "--strategy", strategy, "-o", "space.parts=0", "--dry-run")
    assert answer.status == 2
    assert f"strategy {strategy!r} learns real dimensions, and space 'cnf' has none" in answer.err


def test_whole_images_reach_every_fabric(posenas: Posenas) -> None:
    """A gradient that does not arrive at an architecture is an error."""
    answer = posenas(
        "compose", "--space", "cnf", "--strategy", "synchronous", "--head", "kapao", "-o", "space.parts=2",
        "-o", "dataset.train_images=8", "-o", "dataset.val_images=2", "-o", "training.batch_size=4",
        "-o", "training.workers=0", "-o", "strategy.epochs=1", "-o", "head.input_size=128,128",
    )  # fmt: skip
    assert answer.status == 0, answer.err


SMALLEST = (
    "-o", "dataset.train_images=5", "-o", "dataset.val_images=2", "-o", "dataset.max_people=1",
    "-o", "evaluation.held_out=0.2", "-o", "head.input_size=64,64", "-o", "training.batch_size=2",
    "-o", "training.workers=0",
)  # fmt: skip
"""Two steps an epoch: four drawn people in batches of two."""

OF_STRATEGIES: dict[str, dict[str, int]] = {
    "bilevel": {"epochs": 1, "networks": 1, "controller_from": 1, "updates": 1, "candidates": 1},
    "evolution": {"epochs": 1, "candidates": 2, "population": 2, "tournament": 1},
    "neuroevolution": {
        "ancestor_epochs": 1,
        "child_epochs": 1,
        "generations": 1,
        "children": 1,
        "parents": 1,
    },
    "predictor": {"epochs": 1, "candidates": 3, "first": 2, "batch": 1, "proposals": 2},
    "random": {"epochs": 1, "candidates": 1},
    "reinforce": {"epochs": 1, "updates": 1, "controller_batch": 1},
    "sandwich": {"epochs": 1, "candidates": 1, "random_networks": 0},
    **{name: {"epochs": 1} for name in ("first-order", "gumbel", "second-order", "single", "synchronous")},
}
"""The options with which each strategy searches least."""


def pairs_to_run() -> Mapping[tuple[str, str], str]:
    """Return a head for each space and strategy that work together: another one with each strategy."""
    chosen: dict[tuple[str, str], str] = {}
    for space, strategy in itertools.product(NAMES["space"], NAMES["strategy"]):
        working = {
            cell.head
            for cell in installed_matrix().cells
            if (cell.space, cell.strategy) == (space, strategy) and cell.works
        }
        heads = [head for head in NAMES["head"] if head in working]
        if heads:
            done = sum(each == space for each, _ in chosen)
            chosen[space, strategy] = heads[done % len(heads)]
    return chosen


def test_every_pair_that_works_is_run() -> None:
    assert set(OF_STRATEGIES) == set(NAMES["strategy"])
    pairs = pairs_to_run()
    working = [cell for cell in installed_matrix().cells if cell.works]
    assert set(pairs) == {(cell.space, cell.strategy) for cell in working}
    run = {(space, head) for (space, _), head in pairs.items()}
    assert run == {(cell.space, cell.head) for cell in working}


def smallest_search(space: str, strategy: str, head: str) -> list[str]:
    words = flags((space, strategy, head, "synthetic", "oks"), {})
    known = {field.name for field in fields(load("strategy", strategy))}
    always = {"calibration_people": 2, "final_epochs": 1}
    options = OF_STRATEGIES[strategy] | {name: each for name, each in always.items() if name in known}
    for name, value in options.items():
        words += ["-o", f"strategy.{name}={value}"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("strategy", NAMES["strategy"])
@pytest.mark.parametrize("space", NAMES["space"])
def test_a_pair_trains_is_stopped_and_goes_on(
    posenas: Posenas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, space: str, strategy: str
) -> None:
    head = pairs_to_run().get((space, strategy))
    if head is None:
        pytest.skip("the matrix says that they do not work together")
    append = Journal.append

    def append_or_stop(journal: Journal, effect: str, key: str, **content: Any) -> None:
        if journal.records:
            raise PosenasError("stopped before the second result")
        append(journal, effect, key, **content)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", append_or_stop)
        stopped = posenas("compose", *smallest_search(space, strategy, head), *SMALLEST, "--run", "run")
    assert stopped.status == 2, stopped.err
    assert stopped.err.splitlines()[-1] == "posenas: stopped before the second result"
    answer = posenas("resume", "run", "--json")
    assert answer.status == 0, answer.err
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert 0 <= trials[-1]["metrics"]["oks.AP"] <= 1
    assert (tmp_path / "run" / "report" / "report.html").exists()
