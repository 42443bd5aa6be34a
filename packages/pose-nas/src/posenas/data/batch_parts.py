"""Batches that are cut into parts or joined."""

from __future__ import annotations

import torch

from posenas.contract.batches import Batch


def part(batch: Batch, start: int, stop: int) -> Batch:
    """Return some of a batch's views, with the people in them.

    Args:
        batch: N views.
        start: the first view's position.
        stop: the position behind the last view.
    """
    views = slice(start, stop)
    if batch.views is None or batch.boxes is None or batch.pitch is None:
        return Batch(batch.images[views], batch.keypoints[views], batch.labelled[views])
    shown = (batch.views >= start) & (batch.views < stop)
    return Batch(
        images=batch.images[views],
        keypoints=batch.keypoints[shown],
        labelled=batch.labelled[shown],
        boxes=batch.boxes[shown],
        views=batch.views[shown] - start,
        pitch=batch.pitch[views],
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
