"""Test-time augmentation: rows found in a scaled or mirrored view, back in the view itself.

Rows of all passes are joined before the suppression. Coordinates count from the centre of the first pixel, so
a mirror takes x to W - 1 - x, and a scale acts on x + 0.5.

Source: KAPAO's public code, as facts only; the thesis reports the results in table 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from posenas.training import constant

from head_kapao.decoding import Rows


class Pass(NamedTuple):
    """One look at the view, which is scaled first."""

    scale: float
    mirrored: bool


PASSES = (Pass(0.8, False), Pass(1.0, True), Pass(1.2, False))


def undo_scale(rows: Rows, *, scaled: tuple[int, int], view: tuple[int, int]) -> Rows:
    """Return the rows of a resized view in the view itself.

    Args:
        rows: the objects found in the resized view.
        scaled: the height and width that the view was resized to, without padding.
        view: the view's height and width before.
    """
    factors = constant([view[1] / scaled[1], view[0] / scaled[0]], rows.boxes)
    corners = (rows.boxes.reshape(-1, 2, 2) + 0.5) * factors - 0.5
    return replace(rows, boxes=corners.flatten(1), keypoints=(rows.keypoints + 0.5) * factors - 0.5)


def undo_mirror(rows: Rows, *, width: int, mirrored: Sequence[int]) -> Rows:
    """Return the rows of a mirrored view in the view itself; left and right keypoints change places.

    Args:
        rows: the objects found in the mirrored view.
        width: the view's, in pixels.
        mirrored: K indices, as of `KeypointSet.mirrored`.
    """
    order = constant(mirrored, rows.category)
    categories = torch.cat([order.new_zeros(1), order + 1])
    left, top, right, bottom = rows.boxes.unbind(1)
    x, y = rows.keypoints[:, order].unbind(2)
    return replace(
        rows,
        boxes=torch.stack([width - 1 - right, top, width - 1 - left, bottom], dim=1),
        category=categories[rows.category],
        keypoints=torch.stack([width - 1 - x, y], dim=2),
        confidences=None if rows.confidences is None else rows.confidences[:, order],
    )
