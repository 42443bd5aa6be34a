"""Rows of a head's tensors, one for each keypoint, brought from one keypoint set to another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_HEAD = "head."


def with_own_rows(
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    *,
    theirs: Sequence[str],
    ours: Sequence[str],
) -> tuple[dict[str, Tensor], int]:
    """Return weights whose head has this network's keypoints, and how many values are the network's own.

    Rows meet by the keypoints' names; a keypoint that the weights lack keeps the network's row. What is of
    another length and has no rows by keypoint is left out, so that no keypoint begins as another one. Where
    nobody knows the weights' keypoints, their rows are taken in order if there are as many.

    Args:
        tensors: the weights by name.
        own: the network's tensors by name.
        theirs: the names of the weights' keypoints; empty where nobody knows them.
        ours: the names of the network's keypoints.
    """
    found, kept = dict(tensors), 0
    if tuple(theirs) == tuple(ours):
        return found, kept
    for name in tensors.keys() & own.keys():
        rows, place = tensors[name], own[name]
        if not name.startswith(_HEAD) or not rows.ndim or rows.ndim != place.ndim:
            continue
        by_keypoint = len(place) == len(ours)
        if theirs and by_keypoint and len(rows) == len(theirs) and rows.shape[1:] == place.shape[1:]:
            found[name], fresh = _by_name(rows, place, theirs=theirs, ours=ours)
            kept += fresh
        elif len(rows) != len(place) and (theirs or by_keypoint):
            del found[name]
    return found, kept


def _by_name(rows: Tensor, own: Tensor, *, theirs: Sequence[str], ours: Sequence[str]) -> tuple[Tensor, int]:
    """Return rows in our order, and how many values of them are the network's own."""
    made = torch.zeros(own.shape, dtype=rows.dtype) if own.is_meta else own.detach().to(rows.dtype, copy=True)
    known = [name for name in ours if name in theirs]
    for name in known:
        made[ours.index(name)] = rows[theirs.index(name)]
    return made, (len(ours) - len(known)) * rows[0].numel()
