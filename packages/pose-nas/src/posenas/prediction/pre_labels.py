"""Predicted poses as annotations that labelling tools load, to be corrected there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from posenas.contract.file_ids import FileId
from posenas.runs.files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Predictions
    from posenas.prediction.frames import Frame

Points: TypeAlias = "NDArray[np.float64]"
VISIBLE = 2
"""The visibility of every predicted keypoint."""


class PreLabels:
    """A file of COCO's form with images, categories and annotations, which is written at the end.

    A pose has visibility 2 everywhere, the box around it, and its score, as `score` and among the
    `attributes`: tools keep one or the other.
    """

    def __init__(
        self,
        path: Path,
        keypoints: KeypointSet,
        *,
        threshold: float,
        category: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin without an image.

        Args:
            path: the file.
            keypoints: the keypoint set of the poses; its first category is theirs.
            threshold: poses of a lower score are left out.
            category: the entry of the people's category in the file that the images are annotated in; None
                for one called `person`.
        """
        self.path = path
        self._threshold = threshold
        self._keypoints = keypoints
        self._category: FileId = keypoints.categories[0]
        self._entry = category_entry(keypoints, category)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._left_out = 0

    def add(self, frame: Frame, predictions: Predictions) -> None:
        """Add an image and its poses."""
        height, width = frame.pixels.shape[:2]
        self._images.append(
            {"id": frame.written_id, "file_name": frame.file_name, "width": width, "height": height}
        )
        for points, score in chosen_poses(predictions, self._threshold):
            number = len(self._annotations) + 1
            pose = {"id": number, "image_id": frame.written_id, "category_id": self._category}
            self._annotations.append(pose | _annotation(points) | _scored(score))
        self._left_out += int((predictions.scores < self._threshold).sum())

    def told(self) -> list[str]:
        """Return how many poses were left out."""
        words = f"poses are not in the annotations: they score below {self._threshold:g}"
        return [f"{self._left_out} {words}"] if self._left_out else []

    def close(self) -> None:
        """Write the file."""
        content = {"images": self._images, "categories": [self._entry], "annotations": self._annotations}
        write_atomically(self.path, json.dumps(content).encode())


def chosen_poses(predictions: Predictions, threshold: float) -> Iterator[tuple[Points, float]]:
    """Yield the (K, 2) points and the score of poses that score enough and have a place.

    Args:
        predictions: poses in one image.
        threshold: poses of a lower score are left out.
    """
    for points, score in zip(predictions.keypoints, predictions.scores.tolist(), strict=True):
        if score >= threshold and np.isfinite(points).all(axis=1).any():
            yield points, score


def category_entry(keypoints: KeypointSet, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the entry of `categories` for a keypoint set.

    Args:
        keypoints: the set; its limbs become the skeleton, which counts from 1.
        known: an entry whose name and skeleton are kept; None for a category called `person`.
    """
    known = known or {}
    skeleton = [[first + 1, second + 1] for first, second in keypoints.limbs]
    return {
        "id": keypoints.categories[0],
        "name": str(known.get("name", "person")),
        "supercategory": str(known.get("supercategory") or ""),
        "keypoints": list(keypoints.names),
        "skeleton": _lines(known.get("skeleton")) or skeleton,
    }


def _lines(skeleton: object) -> list[list[int]]:
    """Return those lines of a skeleton that are pairs of whole numbers."""
    lines = skeleton if isinstance(skeleton, list) else []
    pairs = (line for line in lines if isinstance(line, list) and len(line) == 2)
    return [line for line in pairs if all(type(end) is int for end in line)]


def _annotation(points: Points) -> dict[str, Any]:
    """Return keypoints, box and area of (K, 2) points; those that are no numbers are not labelled."""
    finite: NDArray[np.bool_] = np.all(np.isfinite(points), axis=1)
    rows = np.column_stack([np.where(finite[:, None], points, 0).round(3), VISIBLE * finite])
    first, last = points[finite].min(axis=0).round(3), points[finite].max(axis=0).round(3)
    width, height = (last - first).round(3).tolist()
    values = [int(value) if place % 3 == 2 else value for place, value in enumerate(rows.ravel().tolist())]
    return {
        "keypoints": values,
        "num_keypoints": int(finite.sum()),
        "bbox": [*first.tolist(), width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [],
    }


def _scored(score: float) -> dict[str, Any]:
    return {"score": score, "attributes": {"score": score}}
