"""Targets: people's points and boxes in pixels of the view, and the Gaussians of maps in boxes.

Each network of a search crops boxes of its own, so that maps are encoded when a loss needs them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from posenas import Batch
from posenas.heatmaps import Encoding, HeatmapTargets, gaussians, in_view
from posenas.training import constant
from torch import Tensor

from head_zoom.boxes import around
from head_zoom.maps import MapsInBoxes, to_map
from head_zoom.parts import BOX_POINTS, Part


@dataclass(frozen=True)
class ZoomTargets:
    """What a batch's outputs are compared with; for P points see `Part`.

    Attributes:
        points: (N, P, 2) pixels of the view.
        counted: (N, P) 1.0 where the point counts, else 0.0.
        boxes: (N, R, 4) the true boxes of all regions, pixels of the view.
        known: (N, R) 1.0 where a box is known, else 0.0.
    """

    points: Tensor
    counted: Tensor
    boxes: Tensor
    known: Tensor


@dataclass(frozen=True)
class Coding:
    """How points and maps belong together.

    Attributes:
        encoding: how points become maps and maps points.
        distributions: whether maps are distributions over pixels, or images of values.
    """

    encoding: Encoding
    distributions: bool


def make_targets(batch: Batch, coding: Coding) -> ZoomTargets:
    """Return the targets of a batch, on its device.

    Of a box that the view cuts off, the part in the view is to be found. Distributions have no mass for a
    keypoint outside the view, so there it does not count.
    """
    assert batch.regions is not None
    assert batch.regions_known is not None
    height, width = batch.images.shape[2:]
    x, y = batch.regions.float().unbind(3)
    corners = torch.stack([x.clamp(0, width - 1), y.clamp(0, height - 1)], dim=3)
    known = batch.regions_known.float()
    labelled = batch.labelled.float()
    if coding.distributions:
        labelled = labelled * in_view(batch)
    return ZoomTargets(
        points=torch.cat([batch.keypoints.float(), corners.flatten(1, 2)], dim=1),
        counted=torch.cat([labelled, known.unsqueeze(2).expand(-1, -1, BOX_POINTS).flatten(1)], dim=1),
        boxes=around(corners),
        known=known,
    )


def encode(
    targets: ZoomTargets, part: Part, outputs: MapsInBoxes, *, coding: Coding, sigma: float
) -> HeatmapTargets:
    """Return the Gaussians of N x R maps of a part in the boxes of its outputs.

    In a distribution a point counts only in its box, or within a pixel outside it.

    Args:
        targets: of the batch.
        part: whose points are encoded.
        outputs: the maps that are compared with them.
        coding: how points and maps belong together.
        sigma: standard deviation of the Gaussians, pixels of the maps.
    """
    size = outputs.size
    rows = constant(part.points, targets.points, dtype=torch.int64)
    places = to_map(targets.points[:, rows], outputs.boxes, size).flatten(0, 1)
    counted = targets.counted[:, rows].flatten(0, 1)
    encoded = gaussians(places, counted, size, encoding=coding.encoding, sigma=sigma)
    if not coding.distributions:
        return encoded
    inside = ((places >= -1) & (places <= constant([size[1], size[0]], places))).all(2)
    return replace(encoded, weights=encoded.weights * inside)
