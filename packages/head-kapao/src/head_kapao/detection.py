"""Detection: from the rows of a batch to everybody's pose, by suppression, then fusion, image by image."""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from posenas import Poses, PosesWithout
from posenas.training import in_one_copy
from torch import Tensor

from head_kapao.decoding import Rows
from head_kapao.fusion import fuse
from head_kapao.suppression import select_objects

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """The rules by which rows become poses; see the head's options."""

    pose_overlap: float
    keypoint_overlap: float
    limit: int
    fusion: bool
    fusion_confidence: float
    fusion_distance: float

    def __call__(self, rows: Rows, *, pitch: Tensor, seconds: MutableMapping[str, float]) -> Poses:
        """Return the poses of all views, best first, view by view.

        Args:
            rows: the detected objects of a batch of views.
            pitch: (N,) pixels of the image to one of the view, for the fusion's distance.
            seconds: the time of `suppression` and `fusion` is added to these.
        """
        return _poses([found.fused for found in self._views(rows, pitch, seconds)], like=rows.boxes)

    def compare(
        self, rows: Rows, *, pitch: Tensor, seconds: MutableMapping[str, float]
    ) -> tuple[Poses, PosesWithout]:
        """Return the poses of all views, and the same poses without their fusion.

        Args:
            rows: the detected objects of a batch of views.
            pitch: (N,) pixels of the image to one of the view, for the fusion's distance.
            seconds: the time of `suppression` and `fusion` is added to these.
        """
        views = self._views(rows, pitch, seconds)
        replaced = np.sum([found.replaced.sum(axis=0) for found in views], axis=0)
        like = rows.boxes
        without = _poses([found.unfused for found in views], like=like)
        return (
            _poses([found.fused for found in views], like=like),
            PosesWithout(without, torch.from_numpy(replaced).to(like.device, non_blocking=True)),
        )

    def _views(self, rows: Rows, pitch: Tensor, seconds: MutableMapping[str, float]) -> list[_Found]:
        arrays = _Arrays.of(rows)
        return [
            self._in_view(arrays, np.flatnonzero(arrays.image == view), float(pixels), seconds)
            for view, pixels in enumerate(pitch.tolist())
        ]

    def _in_view(
        self, arrays: _Arrays, rows: NDArray[np.intp], pixels: float, seconds: MutableMapping[str, float]
    ) -> _Found:
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
        unfused = arrays.keypoints[poses]
        keypoints, scores = unfused, np.zeros(unfused.shape[:2])
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
        replaced = scores > 0
        confidences = np.zeros_like(scores) if arrays.confidences is None else arrays.confidences[poses]
        return _Found(
            fused=_InView(keypoints, np.where(replaced, scores, confidences), arrays.scores[poses]),
            unfused=_InView(unfused, confidences, arrays.scores[poses]),
            replaced=replaced,
        )


class _InView(NamedTuple):
    """P poses of one view, best first.

    They are keypoints in pixels of the view, the keypoints' scores, and the poses' scores.
    """

    keypoints: Doubles
    keypoint_scores: Doubles
    scores: Doubles


class _Found(NamedTuple):
    """The poses of one view with and without fusion, and (P, K) whether it replaced a keypoint."""

    fused: _InView
    unfused: _InView
    replaced: NDArray[np.bool_]


def _poses(found: Sequence[_InView], *, like: Tensor) -> Poses:
    """Return the poses of all views, on the device and of the type of another tensor."""
    keypoints, keypoint_scores, scores = (
        torch.from_numpy(np.concatenate(parts)).to(like.device, like.dtype, non_blocking=True)
        for parts in zip(*found, strict=True)
    )
    views = np.repeat(np.arange(len(found)), [len(each.scores) for each in found])
    return Poses(
        keypoints, keypoint_scores, torch.from_numpy(views).to(like.device, non_blocking=True), scores
    )


@dataclass(frozen=True)
class _Arrays:
    """Rows in main memory, in double precision."""

    image: NDArray[np.int64]
    boxes: Doubles
    category: NDArray[np.int64]
    scores: Doubles
    keypoints: Doubles
    confidences: Doubles | None

    @classmethod
    def of(cls, rows: Rows) -> _Arrays:
        names = [name for name, value in vars(rows).items() if value is not None]
        values = [getattr(rows, name).detach() for name in names]
        read = dict(zip(names, in_one_copy(values, torch.device("cpu")), strict=True))
        confidences = read.get("confidences")
        return cls(
            image=read["image"].numpy(),
            boxes=read["boxes"].double().numpy(),
            category=read["category"].numpy(),
            scores=read["scores"].double().numpy(),
            keypoints=read["keypoints"].double().numpy(),
            confidences=None if confidences is None else confidences.double().numpy(),
        )
