"""Predicted poses as the text files that ultralytics' pose models are trained on."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml  # type: ignore[import-untyped]

from posenas.prediction.pre_labels import VISIBLE, chosen_poses
from posenas.runs.files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Predictions
    from posenas.prediction.frames import Frame

_IMAGES = "./images"
"""Tools that look for labels beside the pictures replace `/images` by `/labels`, with the stroke."""


class YoloLabels:
    """A folder of ultralytics' form without the pictures, which is written at the end.

    It holds `data.yaml`, for each picture `labels/NAME.txt` with a line for each pose, and `scores.csv`,
    since a line of labels has no place for a score. Keypoints outside their picture are not labelled:
    ultralytics leaves out a picture with such a label.
    """

    def __init__(self, path: Path, keypoints: KeypointSet, *, threshold: float, category: str) -> None:
        """Begin without a picture.

        Args:
            path: the folder.
            keypoints: the keypoint set of the poses.
            threshold: poses of a lower score are left out.
            category: the name of the people's class.
        """
        self.path = path
        self._keypoints = keypoints
        self._threshold = threshold
        self._category = category
        self._labels: dict[str, list[str]] = {}
        self._scores: list[tuple[str, int, float]] = []
        self._low = self._outside = self._nowhere = 0

    def add(self, frame: Frame, predictions: Predictions) -> None:
        """Add a picture and its poses."""
        height, width = frame.pixels.shape[:2]
        name = f"labels/{label_name(frame.file_name)}"
        lines = self._labels.setdefault(name, [])
        for points, score in chosen_poses(predictions, self._threshold):
            inside: NDArray[np.bool_] = np.all((points >= 0) & (points <= (width, height)), axis=1)
            self._outside += int((np.isfinite(points).all(axis=1) & ~inside).sum())
            if inside.any():
                lines.append(_line(points.round(3) / (width, height), inside))
                self._scores.append((name, len(lines), score))
            else:
                self._nowhere += 1
        self._low += int((predictions.scores < self._threshold).sum())

    def told(self) -> list[str]:
        """Return what was left out, and where the pictures belong."""
        counts = {
            f"poses are not in the annotations: they score below {self._threshold:g}": self._low,
            "poses are not in the annotations: none of their keypoints lies in the picture": self._nowhere,
            "keypoints lie outside their picture and are not labelled": self._outside,
        }
        told = [f"{count} {what}" for what, count in counts.items() if count]
        return [
            *told,
            f"the pictures belong into {self.path / 'images'}; scores are in {self.path / 'scores.csv'}",
        ]

    def close(self) -> None:
        """Write the files."""
        for name, lines in self._labels.items():
            write_atomically(self.path / name, "".join(f"{line}\n" for line in lines).encode())
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([("labels", "line", "score"), *self._scores])
        write_atomically(self.path / "scores.csv", table.getvalue().encode())
        write_atomically(self.path / "data.yaml", self._description().encode())

    def _description(self) -> str:
        """Return the text of `data.yaml`, in which both splits are the one folder."""
        names = self._keypoints.names
        told: dict[str, Any] = {
            "train": _IMAGES,
            "val": _IMAGES,
            "kpt_shape": [len(names), 3],
            **({} if self._keypoints.unpaired else {"flip_idx": list(self._keypoints.mirrored)}),
            "names": {0: self._category},
            "kpt_names": {0: list(names)},
        }
        text: str = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, default_flow_style=None)
        return text


def label_name(file_name: str) -> str:
    """Return the name of a picture's label file."""
    return f"{Path(file_name).stem}.txt"


def _line(shares: NDArray[np.float64], inside: NDArray[np.bool_]) -> str:
    """Return a line of labels: class 0, the box around the keypoints inside, and the keypoints.

    Args:
        shares: (K, 2) of the picture's width and height.
        inside: (K,) whether the keypoint lies in the picture; the others are written as 0 0 0.
    """
    first, last = shares[inside].min(axis=0), shares[inside].max(axis=0)
    points = np.column_stack([np.where(inside[:, None], shares, 0), VISIBLE * inside])
    values = [*(first + last) / 2, *(last - first), *points.ravel()]
    return " ".join(["0", *(f"{value:.9g}" for value in values)])
