"""The targets of a batch, made on the host: how many there are depends on the people.

A device would have to tell each of these numbers, and the host would wait for it. So people come to the host
in one copy, and the targets of all grids go back in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from posenas import Batch
from posenas.training import in_one_copy
from torch import Tensor

from head_kapao.assignment import Assignment, assign
from head_kapao.objects import Objects, make_objects


@dataclass(frozen=True)
class Targets:
    """The targets on one grid, and which of them each loss is about.

    Attributes:
        assigned: all M of them.
        last: (L,) int64, those that no later one shares its place with.
        visible: (V, 2) int64, target and keypoint of the visible keypoints.
        judged: (J,) int64, those that teach the confidences.
    """

    assigned: Assignment
    last: Tensor
    visible: Tensor
    judged: Tensor


def make_targets(
    batch: Batch,
    *,
    anchors: Sequence[Sequence[Sequence[float]]],
    strides: Sequence[int],
    keypoint_size: float,
) -> list[Targets]:
    """Return the targets of each grid on the batch's device. The host waits for the device once.

    Args:
        batch: N views with people.
        anchors: of each grid, width and height of its anchors, pixels.
        strides: of each grid.
        keypoint_size: the side of a keypoint's square, as a share of the view's longer side.
    """
    height, width = batch.images.shape[2:]
    objects = _objects(batch, view=(height, width), keypoint_size=keypoint_size)
    targets = [
        chosen(
            assign(
                objects,
                anchors=objects.sizes.new_tensor(sizes),
                stride=stride,
                grid=(height // stride, width // stride),
            )
        )
        for stride, sizes in zip(strides, anchors, strict=True)
    ]
    return _moved(targets, batch.keypoints.device)


def chosen(assigned: Assignment) -> Targets:
    """Return targets with those that each loss is about; on a device the host waits for it."""
    return Targets(
        assigned,
        last=_last(assigned),
        visible=assigned.visible.nonzero(),
        judged=assigned.judged.nonzero()[:, 0],
    )


def _objects(batch: Batch, *, view: tuple[int, int], keypoint_size: float) -> Objects:
    """Return the objects of a batch on the host."""
    assert batch.views is not None
    assert batch.boxes is not None
    image, boxes, keypoints, visibility = in_one_copy(
        (batch.views, batch.boxes, batch.keypoints, batch.labelled), torch.device("cpu")
    )
    return make_objects(
        image, boxes, keypoints=keypoints, visibility=visibility, view=view, keypoint_size=keypoint_size
    )


def _last(assigned: Assignment) -> Tensor:
    """Return, as (L,) int64, the last target of each place, in the order of the places."""
    place = torch.zeros_like(assigned.image)
    if len(place):
        for index in assigned.place:
            place = place * (index.max() + 1) + index
    ordered, order = place.sort(stable=True)
    return order[torch.cat([ordered.diff() != 0, ordered.new_ones(min(1, len(place)), dtype=torch.bool)])]


def _moved(targets: Sequence[Targets], device: torch.device) -> list[Targets]:
    """Return targets on a device, brought there in one copy."""
    names = [each.name for each in fields(Assignment)]
    flat = [
        tensor
        for each in targets
        for tensor in (
            *(getattr(each.assigned, name) for name in names),
            each.last,
            each.visible,
            each.judged,
        )
    ]
    tensors = iter(in_one_copy(flat, device))
    return [
        Targets(Assignment(**{name: next(tensors) for name in names}), *(next(tensors) for _ in range(3)))
        for _ in targets
    ]
