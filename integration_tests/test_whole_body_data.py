"""COCO-WholeBody's files from the command line: bodies, faces and hands are checked and learnt."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Answer
from whole_body_files import write_whole_bodies

Posenas = Callable[..., Answer]

QUICK = (
    "--space", "ofa", "-o", "space.backbone=tiny", "--strategy", "sandwich", "-o", "strategy.epochs=1",
    "-o", "strategy.candidates=2", "-o", "strategy.final_epochs=1", "-o", "strategy.calibration_people=8",
    "-o", "head.input_size=64,64", "-o", "training.batch_size=8", "-o", "training.workers=0",
    "-o", "evaluation.held_out=0.5", "--json",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole_bodies")
    write_whole_bodies(folder)
    return folder


@pytest.fixture
def photographs() -> Path:
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("POSENAS_TEST_DATA", beside)) / "samples" / "coco"
    if not folder.is_dir():
        pytest.skip(f"no {folder}; set POSENAS_TEST_DATA to the folder of real data")
    return folder


def of_photographs(folder: Path) -> tuple[str, ...]:
    annotations = "test_coco_wholebody.json"
    options = f"dataset.root={folder}", f"dataset.train={annotations}", f"dataset.val={annotations}"
    return tuple(word for option in options for word in ("-o", option))


@pytest.mark.parametrize(
    ("dataset", "evaluator", "objective"),
    [
        ("cocowholebody", "wholebody", "wholebody.AP"),
        ("wbf", "nme", "nme.NME"),
        ("wbh", "hand", "hand.PCK@0.2"),
    ],
)
def test_a_search_on_drawn_people(
    posenas: Posenas, root: Path, dataset: str, evaluator: str, objective: str
) -> None:
    answer = posenas(
        *("compose", "--dataset", dataset, "-o", f"dataset.root={root}", "--evaluator", evaluator),
        *(*QUICK, "--run", "run"),
    )
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err
    assert answer.last_json["trials"] == 3
    assert answer.last_json["best"]["metrics"][objective] >= 0


def test_a_search_on_photographs(posenas: Posenas, photographs: Path) -> None:
    answer = posenas(
        "compose", "--dataset", "cocowholebody", *of_photographs(photographs), *QUICK, "--run", "run"
    )
    assert answer.status == 0, answer.err
    assert answer.last_json["best"]["metrics"]["oks.AP"] >= 0


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        (
            "cocowholebody",
            "val: 4 images (4 opened), 14 people, 12 of them with 701 labelled keypoints, 0 crowds",
        ),
        ("wbf", "val: 4 images (4 opened), 4 people, 4 of them with 272 labelled keypoints, 0 crowds"),
        ("wbh", "val: 4 images (4 opened), 10 people, 10 of them with 210 labelled keypoints, 0 crowds"),
    ],
)
def test_photographs_are_counted(
    posenas: Posenas, photographs: Path, tmp_path: Path, dataset: str, line: str
) -> None:
    answer = posenas(
        "data", "check", dataset, *of_photographs(photographs), "--out", tmp_path / "picture.png"
    )
    assert answer.status == 0, answer.err
    assert line in answer.out
    assert "visibility" not in answer.out
    assert (tmp_path / "picture.png").stat().st_size > 0


@pytest.mark.parametrize("dataset", ["cocowholebody", "wbf", "wbh"])
def test_the_files_that_are_needed_are_told(posenas: Posenas, tmp_path: Path, dataset: str) -> None:
    answer = posenas("data", "check", dataset)
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    for words in ("coco_wholebody_train_v1.0.json", "https://github.com/jin-s13/COCO-WholeBody", "train2017"):
        assert words in line
    answer = posenas("data", "check", dataset, "-o", f"dataset.root={tmp_path}")
    assert answer.status == 2
    assert "there is no annotations/coco_wholebody_val_v1.0.json" in answer.err


@pytest.mark.parametrize("dataset", ["cocowholebody", "wbf", "wbh"])
def test_plain_coco_is_refused_in_one_line(
    posenas: Posenas, root: Path, tmp_path: Path, dataset: str
) -> None:
    content = json.loads((root / "annotations" / "coco_wholebody_val_v1.0.json").read_text())
    for annotation in content["annotations"]:
        for name in [name for name in annotation if name.endswith(("_kpts", "_valid", "_box"))]:
            del annotation[name]
    (tmp_path / "val.json").write_text(json.dumps(content))
    answer = posenas("compose", "--dry-run", "--dataset", dataset, "-o", f"dataset.root={tmp_path}")
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert "as in COCO's own files; set dataset.val to coco_wholebody_val_v1.0.json" in line
