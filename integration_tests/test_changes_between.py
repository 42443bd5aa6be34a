"""Data, code or machine that change between a kill and the resuming are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from posenas.composing import plugins
from posenas.composing.compose import compose
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run, open_journal
from posenas.standard.synthetic.dataset import SyntheticDataset
from running import Answer

Posenas = Callable[..., Answer]
Change = Callable[[Path], None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few drawn people in COCO's format, and a detector's boxes of them."""
    root = tmp_path / "data"
    drawn = SyntheticDataset(train_images=8, val_images=4, height=64, width=64)
    for split in drawn.splits():
        (root / split).mkdir(parents=True)
        samples = drawn.split(split)
        for sample in samples:
            cv2.imwrite(str(root / split / f"{sample.id}.png"), sample.source.read())
        annotations = [
            {
                "id": person.id,
                "image_id": sample.id,
                "category_id": 1,
                "bbox": list(person.box),
                "area": person.area,
                "keypoints": person.keypoints.ravel().tolist(),
            }
            for sample in samples
            for person in sample.people
        ]
        images = [
            {"id": sample.id, "file_name": f"{sample.id}.png", "width": 64, "height": 64}
            for sample in samples
        ]
        categories = [{"id": 1, "name": "person", "keypoints": list(drawn.keypoints().names)}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(content))
        boxes = [{**each, "score": 0.9} for each in annotations]
        (root / "boxes.json").write_text(json.dumps(boxes))  # in the end those of val
    return root


def edited(path: Path, edit: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def moved(content: Any) -> None:
    for annotation in content["annotations"]:
        points = annotation["keypoints"]
        annotation["keypoints"] = [
            value + 5 if index % 3 < 2 and points[index - index % 3 + 2] else value
            for index, value in enumerate(points)
        ]


def halved(content: Any) -> None:
    del content["annotations"][::2]


def a_box_moved(content: Any) -> None:
    content["annotations"][0]["bbox"][0] += 0.01


def another_name(content: Any) -> None:
    content["categories"][0]["keypoints"][0] = "tip"


def another_picture(root: Path) -> None:
    cv2.imwrite(str(root / "train" / "3.png"), np.full((64, 64, 3), 90, np.uint8))


def names_changed(root: Path) -> None:
    for split in ("train", "val"):
        edited(root / f"{split}.json", another_name)


DATA: dict[str, tuple[Change, str]] = {
    "keypoints moved by 5 pixels": (lambda root: edited(root / "train.json", moved), "annotations of train"),
    "half of the people gone": (lambda root: edited(root / "val.json", halved), "annotations of val"),
    "a box moved": (lambda root: edited(root / "train.json", a_box_moved), "annotations of train"),
    "a picture replaced": (another_picture, "image files of train"),
    "a picture lost": (lambda root: (root / "val" / "2.png").unlink(), "image files of val"),
    "boxes dropped": (lambda root: edited(root / "boxes.json", list.pop), "evaluation.boxes"),
    "another keypoint name": (names_changed, "keypoints"),
}
QUICK_DATA = ("keypoints moved by 5 pixels", "a picture replaced", "boxes dropped")
"""Those of the fast session: annotations, images, boxes."""


def tables(root: Path) -> dict[str, Any]:
    return {
        "dataset": {"name": "coco", "root": str(root)},
        "space": {"name": "fixed", "width": 0.125},
        "strategy": {"name": "single", "genotype": {"name": "mobilenetv2"}, "epochs": 1},
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "training": {"batch_size": 8, "workers": 0},
        "evaluation": {"boxes": str(root / "boxes.json")},
        "precision": "32",
    }


def opened(run: Path, root: Path, **how: Any) -> list[str]:
    """Begins or continues the run as far as its journal; returns the warnings."""
    told: list[str] = []
    composition = compose(recipe_from_tables(tables(root)))
    open_journal(
        create_run(run, composition.recipe),
        composition.recipe,
        provenance_of(composition),
        warn=told.append,
        **how,
    )
    return told


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(*each, id=name, marks=() if name in QUICK_DATA else pytest.mark.slow)
        for name, each in DATA.items()
    ],
)
def test_other_data_is_refused_in_one_line(tmp_path: Path, data: Path, change: Change, named: str) -> None:
    run = tmp_path / "run"
    assert opened(run, data) == []
    assert opened(run, data) == []
    change(data)
    with pytest.raises(PosenasError, match=rf"{named} \(.*--accept-changes") as refused:
        opened(run, data)
    assert "\n" not in str(refused.value)
    (told,) = opened(run, data, accept_changes=True)
    assert named in told
    assert opened(run, data) == []  # it is known now


@pytest.fixture(params=["posenas", "torch", "nas-ofa-elastic"])
def upgraded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Gives a package another version when it is called, and returns its name."""

    def upgrade() -> str:
        if request.param == "posenas":
            monkeypatch.setattr("posenas.__version__", "9.9.9")
        elif request.param == "torch":
            monkeypatch.setattr(torch, "__version__", "9.9.9")
        else:
            offered = plugins.offered
            monkeypatch.setattr(
                plugins,
                "offered",
                lambda kinds, **named: tuple(
                    replace(one, version="9.9.9") for one in offered(kinds, **named)
                ),
            )
        return str(request.param)

    return upgrade


def test_other_code_is_refused_in_one_line(tmp_path: Path, upgraded: Callable[[], str]) -> None:
    recipe = recipe_from_tables({"dataset": {"name": "synthetic", "train_images": 4, "val_images": 2}})
    composition = compose(recipe)
    run = create_run(tmp_path / "run", composition.recipe)
    open_journal(run, composition.recipe, provenance_of(composition), warn=print)
    name = upgraded()
    with pytest.raises(PosenasError, match=rf"{name} \(.*, now 9\.9\.9\).*--accept-changes"):
        open_journal(run, composition.recipe, provenance_of(composition), warn=print)


def test_another_machine_is_one_warning(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    opened(run, data)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS")
    (told,) = opened(run, data)
    assert "now 77" in told
    assert "now ABACUS" in told


def test_commands_that_continue_a_run_refuse_and_accept(posenas: Posenas, data: Path) -> None:
    command = (
        *("compose", "--run", "run", "--dataset", "coco", "-o", f"dataset.root={data}"),
        *("--space", "fixed", "-o", "space.width=0.125", "-o", "head.input_size=64,64"),
        *("--strategy", "random", "-o", "strategy.candidates=2", "-o", "strategy.epochs=1"),
        *("-o", "strategy.final_epochs=1", "-o", "training.workers=0"),
    )
    assert posenas(*command).status == 0
    edited(data / "train.json", halved)
    for again in (command, ("resume", "run"), ("compare", "run", "--trained", "0", "--random", "1")):
        answer = posenas(*again)
        assert answer.status == 2
        (line,) = (line for line in answer.err.splitlines() if not line.startswith("note: "))
        assert "annotations of train" in line
    page = Path("run", "report", "report.html")
    assert "While the run was stopped" not in page.read_text()
    assert "goes on with what changed" in posenas("resume", "run", "--accept-changes").err
    assert "While the run was stopped its data or code changed" in page.read_text()
    assert "annotations of train (" in page.read_text()
