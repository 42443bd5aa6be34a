"""Drawn people with 133 keypoints as files of COCO-WholeBody, under its usual names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from posenas import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.standard.synthetic.dataset import SyntheticDataset

PARTS = {"foot": (17, 23), "face": (23, 91), "lefthand": (91, 112), "righthand": (112, 133)}
"""The first keypoint of each part, and the one after its last."""


def write_whole_bodies(root: Path, *, train_images: int = 16, val_images: int = 6) -> None:
    drawn = SyntheticDataset(points=133, train_images=train_images, val_images=val_images)
    (root / "annotations").mkdir()
    for split in drawn.splits():
        folder = root / f"{split}2017"
        folder.mkdir()
        samples = drawn.split(split)
        for sample in samples:
            picture = cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f"{sample.id}.png"), picture)
        file = root / "annotations" / f"coco_wholebody_{split}_v1.0.json"
        file.write_text(json.dumps(whole_body_annotations(samples)))


def whole_body_annotations(samples: Sequence[Sample]) -> dict[str, Any]:
    """The content of a file. A part is valid where half of its keypoints are labelled."""
    return {
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names), "skeleton": []}],
        "images": [
            {"id": sample.id, "file_name": f"{sample.id}.png", "width": sample.width, "height": sample.height}
            for sample in samples
        ],
        "annotations": [
            {"id": sample.id * 100 + number, "image_id": sample.id} | _fields(person)
            for sample in samples
            for number, person in enumerate(sample.people)
        ],
    }


def _fields(person: Person) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "category_id": 1,
        "bbox": list(person.box),
        "area": person.area,
        "iscrowd": 0,
        "keypoints": person.keypoints[:17].ravel().tolist(),
        "num_keypoints": int((person.keypoints[:17, 2] > 0).sum()),
    }
    for part, (first, last) in PARTS.items():
        pose = person.keypoints[first:last]
        valid = bool((pose[:, 2] > 0).mean() >= 0.5)
        fields[f"{part}_valid"] = valid
        fields[f"{part}_kpts"] = (pose if valid else np.zeros_like(pose)).ravel().tolist()
        if part != "foot":
            fields[f"{part}_box"] = _box_around(pose) if valid else [0.0, 0.0, 0.0, 0.0]
    return fields


def _box_around(pose: NDArray[np.float64]) -> list[float]:
    points = pose[pose[:, 2] > 0, :2]
    return [*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist()]
