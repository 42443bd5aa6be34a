"""An imitation of COCO's keypoint files in a folder: as many images, people and boxes, all drawn.

A few hundred distinct JPEG files stand for all images, as hard links, so that the folder needs little room.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from posenas.contract.keypoint_sets import COCO_17

SEGMENTS = 500


@dataclass(frozen=True)
class Size:
    """How large the imitation is; the defaults are COCO's.

    Attributes:
        images: of `train`.
        people: of `train`, all with labelled keypoints.
        val_images: of `val`.
        val_people: of `val`.
        boxes: a detector's in `val`.
        segment: characters of a person's segmentation.
        width: pixels of each image.
        height: pixels of each image.
        distinct: pictures that are really drawn.
    """

    images: int = 57_000
    people: int = 150_000
    val_images: int = 5_000
    val_people: int = 6_352
    boxes: int = 104_125
    segment: int = 1_150
    width: int = 160
    height: int = 120
    distinct: int = 300


def imitate(folder: Path, size: Size) -> None:
    """Make the files that are not there yet, in the places that dataset coco looks for them."""
    splits = {"train": (size.images, size.people), "val": (size.val_images, size.val_people)}
    for split, (images, people) in splits.items():
        _draw(folder / "images" / f"{split}2017", images, size)
        path = folder / "annotations" / f"person_keypoints_{split}2017.json"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            _write(path, _annotations(images, people, size))
    if not boxes_of(folder).exists():
        _write(boxes_of(folder), _detections(size))


def boxes_of(folder: Path) -> Path:
    """The file of a detector's boxes in an imitation."""
    return folder / "boxes.json"


def _write(path: Path, parts: Iterator[str]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        file.writelines(parts)
    partial.replace(path)


def _draw(folder: Path, images: int, size: Size) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(images):
        path, drawn = folder / _file_name(number), folder / _file_name(number % size.distinct)
        if path.exists():
            continue
        if number < size.distinct:
            noise = rng.integers(0, 256, (size.height, size.width, 3)).astype(np.uint8)
            cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 1.5))
        else:
            os.link(drawn, path)


def _file_name(number: int) -> str:
    return f"{number + 1:012d}.jpg"


def _annotations(images: int, people: int, size: Size) -> Iterator[str]:
    """Yield the text of an annotation file piece by piece; the people are spread over the images."""
    entries = (
        {"id": each + 1, "file_name": _file_name(each), "width": size.width, "height": size.height}
        for each in range(images)
    )
    yield '{"images": ['
    yield from _separated(json.dumps(each) for each in entries)
    yield '], "annotations": ['
    yield from _separated(_people(images, people, size))
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.names), "skeleton": []}
    yield f'], "categories": [{json.dumps(category)}]}}'


def _people(images: int, people: int, size: Size) -> Iterator[str]:
    rng = np.random.default_rng(1)
    numbers = max(1, size.segment // 8)
    segments = [
        json.dumps([rng.uniform(100, 600, numbers).round(2).tolist()]) for _ in range(min(people, SEGMENTS))
    ]
    for number in range(people):
        x, y, width, height = _box(rng, size)
        places = rng.uniform((x, y), (x + width, y + height), (17, 2)).astype(int)
        pose = np.column_stack([places, np.full(17, 2)]).ravel().tolist()
        yield (
            f'{{"segmentation": {segments[number % SEGMENTS]}, "num_keypoints": 17, "area": '
            f'{width * height / 2:.2f}, "iscrowd": 0, "keypoints": {pose}, '
            f'"image_id": {number % images + 1}, '
            f'"bbox": [{x:.2f}, {y:.2f}, {width:.2f}, {height:.2f}], "category_id": 1, "id": {number + 1}}}'
        )


def _detections(size: Size) -> Iterator[str]:
    rng = np.random.default_rng(2)
    yield "["
    rows = (
        {
            "image_id": number % size.val_images + 1,
            "category_id": 1,
            "bbox": [round(float(value), 2) for value in _box(rng, size)],
            "score": round(float(rng.random()), 4),
        }
        for number in range(size.boxes)
    )
    yield from _separated(json.dumps(row) for row in rows)
    yield "]"


def _box(rng: np.random.Generator, size: Size) -> tuple[float, float, float, float]:
    width, height = rng.uniform(0.15, 0.5) * size.width, rng.uniform(0.3, 0.8) * size.height
    return rng.uniform(0, size.width - width), rng.uniform(0, size.height - height), width, height


def _separated(parts: Iterator[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield f", {part}" if number else part
