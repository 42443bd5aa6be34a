"""Anchor slots: how many keypoint objects have one of their own.

A slot is a grid's anchor in a cell, which says one class. If two objects share all their slots, the network
can say one of them at most; the other keypoint is found by its pose alone. That happens to eyes and noses
where the input is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from posenas import Person, Sample, View
from posenas.geometry import fitted_size, scaling, transform

from head_kapao.anchors import ANCHORS, scaled_anchors
from head_kapao.assignment import assign
from head_kapao.objects import Objects, make_objects

MUCH = 0.05
"""The share of keypoint objects without a slot that is worth a warning."""

_FARTHEST = 1e6
"""A number of pixels that no image reaches; beyond it numbers become infinite."""


def slot_warning(
    samples: Sequence[Sample], names: Sequence[str], *, view: View, keypoint_size: float
) -> str | None:
    """Return a warning if many keypoint objects have no anchor slot of their own.

    Args:
        samples: the training images with their people.
        names: the keypoints' names.
        view: the head's.
        keypoint_size: the side of a keypoint's square, as a share of the view's longer side.

    Returns:
        One line with the share, the keypoints it is highest for, and the share at twice the input size. None
        if nearly every keypoint object has a slot of its own.
    """
    found, shared = count_shared(samples, len(names), view=view, keypoint_size=keypoint_size)
    if _share(found, shared) <= MUCH:
        return None
    larger = View("image", 2 * view.height, 2 * view.width, view.stride)
    then = _share(*count_shared(samples, len(names), view=larger, keypoint_size=keypoint_size))
    rates = shared / np.maximum(found, 1)
    worst = ", ".join(f"{names[index]} {rates[index]:.0%}" for index in np.argsort(-rates, kind="stable")[:3])
    return (
        f"{_share(found, shared):.0%} of the keypoint objects of {len(samples)} training images have no "
        f"anchor slot of their own at head.input_size={view.height},{view.width} ({worst}) and cannot be "
        f"told from others there; with {larger.height},{larger.width} it would be {then:.1%}"
    )


def _share(found: NDArray[np.int64], shared: NDArray[np.int64]) -> float:
    return float(shared.sum() / max(found.sum(), 1))


def count_shared(
    samples: Sequence[Sample], keypoints: int, *, view: View, keypoint_size: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the keypoint objects of each keypoint, and those that have no slot of their own.

    Args:
        samples: images with their people; each is letterboxed into the view.
        keypoints: K.
        view: the head's.
        keypoint_size: the side of a keypoint's square, as a share of the view's longer side.

    Returns:
        (K,) the keypoint objects, and (K,) those of them that have no slot, or none that is not another
        object's too.
    """
    found, shared = (np.zeros(keypoints + 1, np.int64) for _ in range(2))
    for sample in samples:
        people = [person for person in sample.people if not person.crowd]
        if people:
            objects = _objects(sample, people, view, keypoint_size)
            category = objects.category.numpy()
            found += np.bincount(category, minlength=keypoints + 1)
            shared += np.bincount(category[~_have_own(objects, view)], minlength=keypoints + 1)
    return found[1:], shared[1:]


def _objects(sample: Sample, people: Sequence[Person], view: View, keypoint_size: float) -> Objects:
    width, height = fitted_size(sample.width, sample.height, view)
    corner = (view.width - width) // 2, (view.height - height) // 2
    matrix = scaling((sample.height, sample.width), (height, width), corner)
    boxes = np.array([person.box for person in people]).clip(-_FARTHEST, _FARTHEST)
    boxes[:, 2:] += boxes[:, :2]
    poses = np.array([person.keypoints for person in people]).clip(-_FARTHEST, _FARTHEST)
    return make_objects(
        torch.zeros(len(people), dtype=torch.int64),
        torch.from_numpy(transform(matrix, boxes.reshape(-1, 2, 2)).reshape(-1, 4)),
        keypoints=torch.from_numpy(transform(matrix, poses[..., :2])),
        visibility=torch.from_numpy(poses[..., 2]),
        view=(view.height, view.width),
        keypoint_size=keypoint_size,
    )


def _have_own(objects: Objects, view: View) -> NDArray[np.bool_]:
    """Tell, as (O,) bool, which objects have a slot that no other one has."""
    own = torch.zeros(len(objects.image), dtype=torch.bool)
    anchors = scaled_anchors(tuple(ANCHORS), input_size=max(view.height, view.width))
    # With each object's place for its image's, targets tell whose they are.
    numbered = replace(objects, image=torch.arange(len(objects.image)))
    for stride, sizes in zip(ANCHORS, anchors, strict=True):
        targets = assign(
            numbered, anchors=sizes, stride=stride, grid=(view.height // stride, view.width // stride)
        )
        place = torch.stack([targets.anchor, targets.row, targets.column], dim=1)
        _, slot, takers = torch.unique(place, dim=0, return_inverse=True, return_counts=True)
        own[targets.image[takers[slot] == 1]] = True
    return own.numpy()
