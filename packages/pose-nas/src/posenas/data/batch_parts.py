"""Batches that are cut into parts or joined."""

from __future__ import annotations

import torch
from torch import Tensor

from posenas.contract.batches import Batch


def part(batch: Batch, start: int, stop: int) -> Batch:
    """Return some of a batch's views, with the people in them.

    Args:
        batch: N views.
        start: the first view's position.
        stop: the position behind the last view.
    """
    views = slice(start, stop)
    shown: slice | Tensor = views
    if batch.views is not None:
        shown = ((batch.views >= start) & (batch.views < stop)).nonzero()[:, 0]  # the host waits once
    return Batch(
        images=batch.images[views],
        keypoints=batch.keypoints[shown],
        labelled=batch.labelled[shown],
        boxes=_rows(batch.boxes, shown),
        views=None if batch.views is None else batch.views[shown] - start,
        pitch=_rows(batch.pitch, views),
        regions=_rows(batch.regions, shown),
        regions_known=_rows(batch.regions_known, shown),
    )


def joined(first: Batch, second: Batch) -> Batch:
    """Return all views of two batches, which are of one kind and size."""
    tensors = {
        name: None if value is None else torch.cat([value, getattr(second, name)])
        for name, value in vars(first).items()
    }
    if first.views is not None and second.views is not None:
        tensors["views"] = torch.cat([first.views, second.views + len(first.images)])
    return Batch(**tensors)  # type: ignore[arg-type]  # images is no None


def _rows(tensor: Tensor | None, chosen: slice | Tensor) -> Tensor | None:
    return None if tensor is None else tensor[chosen]
