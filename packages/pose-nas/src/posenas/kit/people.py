"""The built-in people as batches, and what can happen to people in them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from posenas.composing.loading import load
from posenas.composing.options import make_component
from posenas.contract.batches import Batch, View
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Sample
from posenas.data.kinds_of_view import views_of
from posenas.data.views import Reading

_IMAGES = 8
_BEYOND = 16
"""The keypoint that lies beyond the view: an ankle."""
_CPU = torch.device("cpu")


@lru_cache(maxsize=4)
def drawn_samples(keypoints: int) -> tuple[Sample, ...]:
    """Return the built-in dataset's first eight pictures.

    Args:
        keypoints: how many a person has, 17 or 133.
    """
    options = {"points": keypoints, "train_images": _IMAGES, "val_images": 1, "max_people": 1}
    dataset = make_component(load("dataset", "synthetic"), options, where="dataset synthetic")
    return tuple(dataset.split("train"))


def people(view: View, keypoints: KeypointSet) -> Batch:
    """Return one batch of eight views of the built-in people, as a search reads them for evaluation.

    Args:
        view: the head's.
        keypoints: a set of 17 or 133 keypoints in the order of COCO's.
    """
    samples = drawn_samples(len(keypoints))
    kind = views_of(view)
    views = kind.evaluated(samples, Reading(keypoints, 0, _refuse))
    return next(views.batches(kind.batch_of(_IMAGES), device=_CPU))


def _refuse(message: str) -> None:
    raise RuntimeError(f"a picture of the built-in people cannot be read: {message}")


def at_the_border(batch: Batch, view: View) -> Batch:
    """Return the batch with each person pushed into the lower left corner; in crops one keypoint lies beyond.

    Args:
        batch: somebody in each view.
        view: its size.
    """
    hidden = batch.labelled[:, :, None] == 0
    left = batch.keypoints[..., :1].masked_fill(hidden, float("inf")).amin((1, 2))
    bottom = batch.keypoints[..., 1:].masked_fill(hidden, -float("inf")).amax((1, 2))
    push = torch.stack([-left, view.height - 1 - bottom], dim=1)
    keypoints, labelled = batch.keypoints + push[:, None], batch.labelled.clone()
    if batch.views is None:  # crops
        keypoints[:, _BEYOND], labelled[:, _BEYOND] = torch.tensor([-10.0, view.height + 10.0]), 1.0
    boxes = None if batch.boxes is None else batch.boxes + push.repeat(1, 2)
    regions = None if batch.regions is None else batch.regions + push[:, None, None]
    return replace(batch, keypoints=keypoints, labelled=labelled, boxes=boxes, regions=regions)


def without_labels(batch: Batch, *, indices: slice, place: float) -> Batch:
    """Return the batch with some keypoints unlabelled, all of them at one place.

    Args:
        batch: any.
        indices: of the keypoints.
        place: both coordinates, in pixels of the view.
    """
    keypoints, labelled = batch.keypoints.clone(), batch.labelled.clone()
    keypoints[:, indices], labelled[:, indices] = place, 0.0
    return replace(batch, keypoints=keypoints, labelled=labelled)


def mirrored(batch: Batch, view: View, keypoints: KeypointSet) -> Batch:
    """Return the batch as it would be read from mirrored views.

    Args:
        batch: any.
        view: its size.
        keypoints: tells what is left and right.
    """
    order = list(keypoints.mirrored)
    regions = batch.regions
    if regions is not None:
        regions = _flipped(regions[:, list(keypoints.mirrored_regions)], view)[:, :, [1, 0, 3, 2, 4]]
    known = batch.regions_known
    return replace(
        batch,
        images=batch.images.flip(3),
        keypoints=_flipped(batch.keypoints, view)[:, order],
        labelled=batch.labelled[:, order],
        boxes=None if batch.boxes is None else _flipped_boxes(batch.boxes, view),
        regions=regions,
        regions_known=None if known is None else known[:, list(keypoints.mirrored_regions)],
    )


def _flipped(places: Tensor, view: View) -> Tensor:
    return torch.stack([view.width - 1 - places[..., 0], places[..., 1]], dim=-1)


def _flipped_boxes(boxes: Tensor, view: View) -> Tensor:
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([view.width - 1 - right, top, view.width - 1 - left, bottom], dim=1)
