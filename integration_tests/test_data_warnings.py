"""What is wrong with data is told before it is trained on, and what its files call things comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from posenas.runs.recipe import read_recipe
from running import Answer

Posenas = Callable[..., Answer]
NAMES = ("neck", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
PEOPLE = np.array([(48, 20, 2), (60, 30, 2), (36, 30, 2), (56, 70, 2), (40, 70, 2)])
TRAIN = (
    "train", "mobilenetv2-pose", "-o", "space.width=0.125", "--epochs", "1", "--run", "run",
    "-o", "head.input_size=64,64", "-o", "training.batch_size=4", "-o", "training.workers=0",
)  # fmt: skip


def annotations(first: int, *, names: Sequence[str] = NAMES, category: Any = 1) -> dict[str, Any]:
    """Six images of 96 x 96 pixels with one person each."""
    numbers = range(first, first + 6)
    poses = [np.add(PEOPLE, (number % 5, number % 7, 0)) for number in numbers]
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 96} for n in numbers],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": category,
                "bbox": [30, 15, 40, 65],
                "area": 1500,
                "keypoints": pose.ravel().tolist(),
            }
            for number, pose in zip(numbers, poses, strict=True)
        ],
        "categories": [{"id": category, "name": "puppet", "keypoints": list(names)}],
    }


def write(root: Path, train: dict[str, Any], val: dict[str, Any]) -> tuple[str, ...]:
    """The options that choose this data."""
    root.mkdir()
    for name, content in (("train", train), ("val", val)):
        (root / f"{name}.json").write_text(json.dumps(content))
        for image in content["images"]:
            cv2.imwrite(str(root / str(image["file_name"])), np.full((96, 96, 3), 90, np.uint8))
    return "--dataset", "coco", "-o", f"dataset.root={root}"


def warnings(answer: Answer) -> list[str]:
    assert answer.status == 0, answer
    return [line.removeprefix("warning: ") for line in answer.err.splitlines() if line.startswith("warning")]


@pytest.fixture
def doubtful(tmp_path: Path) -> tuple[str, ...]:
    """One file for both splits, in which the first person is labelled at (0, 0), far from the box."""
    content = annotations(1)
    content["annotations"][0] |= {"bbox": [40, 40, 40, 50]}
    content["annotations"][0]["keypoints"][:2] = 0, 0
    return write(tmp_path / "data", content, content)


SAID = [
    "6 images are in more than one split",
    "train: 1 labelled keypoints lie at exactly (0, 0)",
    "train: 1 people have labelled keypoints far outside their box",
    "val: 1 labelled keypoints lie at exactly (0, 0)",
    "val: 1 people have labelled keypoints far outside their box",
]


def same(found: Sequence[str], expected: Sequence[str]) -> bool:
    return all(one.startswith(other) for one, other in zip(found, expected, strict=True))


def test_findings_are_told_before_and_after_training(posenas: Posenas, doubtful: tuple[str, ...]) -> None:
    assert same(warnings(posenas("compose", *doubtful, "--dry-run")), SAID)
    trained = posenas(*TRAIN, *doubtful)
    assert same(warnings(trained), SAID)
    assert trained.err.index(f"warning: {SAID[-1]}") < trained.err.index("epoch 1 of 1")
    assert same(warnings(posenas("evaluate", "run")), SAID)


def test_strict_ends_with_2_where_something_is_found(
    posenas: Posenas, tmp_path: Path, doubtful: tuple[str, ...]
) -> None:
    check = ("data", "check", "coco", "-o")
    assert posenas(*check, doubtful[-1]).status == 0
    strict = posenas(*check, doubtful[-1], "--strict")
    assert strict.status == 2
    assert [
        line[2 : 2 + len(says)] for line, says in zip(strict.out.splitlines()[3:], SAID, strict=False)
    ] == SAID
    good = write(tmp_path / "good", annotations(1), annotations(11))
    assert posenas(*check, good[-1], "--strict").status == 0
    report = posenas(*check, doubtful[-1], "--json", "--strict")
    assert report.status == 2
    assert len(report.json["findings"]) == len(SAID)


NUMBERS = ("1", "2", "3", "4", "5")


def test_nothing_is_mirrored_until_the_pairs_are_known(posenas: Posenas, tmp_path: Path) -> None:
    data = write(tmp_path / "data", annotations(1, names=NUMBERS), annotations(11, names=NUMBERS))
    compose = ("compose", *data, "--dry-run", "--save", "recipe.toml")

    def mirrors(*options: str) -> tuple[float, bool]:
        posenas(*compose, *options)
        recipe = read_recipe(tmp_path / "recipe.toml")
        return recipe["augmentation"]["flip"], recipe["evaluation"]["flip_test"]

    (warning,) = warnings(posenas(*compose))
    assert warning.startswith("5 keypoints have no known mirror image")
    assert "dataset.pairs=" in warning
    assert mirrors("-o", "augmentation.flip=0.5") == (0.0, False)
    assert mirrors("-o", "dataset.pairs=2:3,4:5") == (0.5, True)
    assert read_recipe(tmp_path / "recipe.toml")["dataset"]["pairs"] == ["2:3", "4:5"]
    assert warnings(posenas("compose", "--recipe", "recipe.toml", "--dry-run")) == []
    assert mirrors("-o", "dataset.pairs=none") == (0.5, True)
    wrong = posenas(*compose, "-o", "dataset.pairs=2:9")
    assert wrong.status == 2
    assert "pairs: '2:9' is no pair" in wrong.err


def test_a_run_keeps_its_pairs_category_and_ids(posenas: Posenas, tmp_path: Path) -> None:
    """As far as `predict`, which sees no annotations; a detector's boxes are of the data's category."""
    train, val = (annotations(first, names=NUMBERS, category=0) for first in (1, 11))
    huge = 2**127
    for image, annotation in zip(val["images"], val["annotations"], strict=True):
        image["id"] = annotation["image_id"] = huge + image["id"]
        annotation["id"] = f"a{annotation['id']}"
    data = write(tmp_path / "data", train, val)
    assert warnings(posenas(*TRAIN, *data, "-o", "dataset.pairs=2:3,4:5")) == []
    (results,) = (tmp_path / "run" / "predictions").glob("*.json")
    rows = json.loads(results.read_text())
    assert {row["category_id"] for row in rows} == {0}
    assert sorted(row["image_id"] for row in rows) == [huge + number for number in range(11, 17)]
    kept = json.loads((tmp_path / "run" / "best" / "keypoints.json").read_text())
    assert kept == {"names": list(NUMBERS), "pairs": ["2:3", "4:5"], "categories": [0]}

    box = {"category_id": 0, "bbox": [30, 15, 40, 65], "score": 1}
    images = (str(huge + 11), 7)
    (tmp_path / "val_boxes.json").write_text(json.dumps([box | {"image_id": each} for each in images]))
    evaluated = posenas("evaluate", "run", "-o", "evaluation.boxes=val_boxes.json")
    assert evaluated.status == 0
    says = "1 of 2 boxes in val_boxes.json are of other images than val's 6 and are left out: image_id 7"
    assert warnings(evaluated) == [says]
    (tmp_path / "boxes.json").write_text(json.dumps([box | {"file_name": "11.png"}]))
    image = tmp_path / "data" / "11.png"
    assert posenas("predict", "run", image, "--boxes", "boxes.json", "--output", "found").status == 0
    (row,) = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert row["category_id"] == 0


def test_people_left_out_as_crowds_are_not_denied(posenas: Posenas, tmp_path: Path) -> None:
    content = annotations(1)
    for annotation in content["annotations"]:
        annotation["iscrowd"] = "1"
    answer = posenas("compose", *write(tmp_path / "data", content, annotations(11)), "--dry-run")
    assert answer.status == 2
    assert (
        "6 people are left out because iscrowd is 1, though 30 keypoints of theirs are labelled" in answer.err
    )


def test_numbers_beyond_all_measure_are_told_and_do_no_harm(posenas: Posenas, tmp_path: Path) -> None:
    content = annotations(1)
    content["annotations"][0]["keypoints"][0] = 1e300
    content["annotations"][1]["bbox"] = [0, 0, 1e150, 1e150]
    content["annotations"][2]["area"] = 1e300
    data = write(tmp_path / "data", content, annotations(11))
    said = warnings(posenas(*TRAIN, *data))
    assert any("1 people have labelled keypoints outside their image" in line for line in said)
    assert any("1 people have a box that reaches beyond their image" in line for line in said)
    assert any("people have an area larger than their image" in line for line in said)
    assert max(map(len, said)) <= 400
