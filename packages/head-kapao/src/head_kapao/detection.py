"""The rows of a batch to everybody's pose: suppression, then fusion, image by image."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from posenas.batches import Poses
from torch import Tensor

from head_kapao.decoding import Rows
from head_kapao.fusion import fuse
from head_kapao.suppression import select_objects

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """How rows become poses; see the head's options."""

    pose_overlap: float
    keypoint_overlap: float
    limit: int
    fusion: bool
    fusion_confidence: float
    fusion_distance: float

    def __call__(self, rows: Rows, *, pitch: Tensor, seconds: MutableMapping[str, float]) -> Poses:
        """Best first, view by view.

        Args:
            pitch: (N,) pixels of the image to one of the view, for the fusion's distance.
            seconds: the time of `suppression` and `fusion` is added to these.
        """
        arrays = _Arrays.of(rows)
        found = [
            self._in_view(arrays, np.flatnonzero(arrays.image == view), float(pixels), seconds)
            for view, pixels in enumerate(pitch.tolist())
        ]
        keypoints, scores, poses = (np.concatenate(parts) for parts in zip(*found, strict=True))
        views = np.repeat(np.arange(len(found)), [len(part[2]) for part in found])
        device, kind = rows.boxes.device, rows.boxes.dtype
        return Poses(
            keypoints=torch.from_numpy(keypoints).to(device, kind),
            keypoint_scores=torch.from_numpy(scores).to(device, kind),
            views=torch.from_numpy(views).to(device),
            scores=torch.from_numpy(poses).to(device, kind),
        )

    def _in_view(
        self, arrays: _Arrays, rows: NDArray[np.intp], pixels: float, seconds: MutableMapping[str, float]
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Keypoints in pixels of the view, their scores, and those of the poses."""
        started = time.perf_counter()
        poses, objects = (
            rows[kept]
            for kept in select_objects(
                arrays.boxes[rows],
                arrays.scores[rows],
                arrays.category[rows],
                pose_overlap=self.pose_overlap,
                keypoint_overlap=self.keypoint_overlap,
                limit=self.limit,
            )
        )
        suppressed = time.perf_counter()
        seconds["suppression"] += suppressed - started
        keypoints, scores = arrays.keypoints[poses], np.zeros(arrays.keypoints[poses].shape[:2])
        if self.fusion:
            boxes = arrays.boxes[objects]
            keypoints, scores = fuse(
                keypoints,
                arrays.scores[poses],
                centres=(boxes[:, :2] + boxes[:, 2:]) / 2,
                parts=arrays.category[objects] - 1,
                scores=arrays.scores[objects],
                distance=self.fusion_distance / pixels,
                confidence=self.fusion_confidence,
            )
            seconds["fusion"] += time.perf_counter() - suppressed
        if arrays.confidences is not None:
            scores = np.where(scores > 0, scores, arrays.confidences[poses])
        return keypoints, scores, arrays.scores[poses]


@dataclass(frozen=True)
class _Arrays:
    """Rows in the main memory, in double precision."""

    image: NDArray[np.int64]
    boxes: Doubles
    category: NDArray[np.int64]
    scores: Doubles
    keypoints: Doubles
    confidences: Doubles | None

    @classmethod
    def of(cls, rows: Rows) -> _Arrays:
        values = (rows.boxes, rows.scores, rows.keypoints)
        boxes, scores, keypoints = (value.detach().cpu().double().numpy() for value in values)
        return cls(
            image=rows.image.cpu().numpy(),
            boxes=boxes,
            category=rows.category.cpu().numpy(),
            scores=scores,
            keypoints=keypoints,
            confidences=None
            if rows.confidences is None
            else rows.confidences.detach().cpu().double().numpy(),
        )
