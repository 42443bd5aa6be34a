"""The anchor boxes: three for each output grid, and the grids' weights.

Source: KAPAO (McNally, thesis, 2022), table 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from posenas import PosenasError
from torch import Tensor

REFERENCE_SIZE = 1280
"""The input size, in pixels, that the anchors are meant for."""

ANCHORS: Mapping[int, tuple[tuple[int, int], ...]] = {
    8: ((19, 27), (44, 40), (38, 94)),
    16: ((96, 68), (86, 152), (180, 137)),
    32: ((140, 301), (303, 264), (238, 542)),
    64: ((436, 615), (739, 380), (925, 792)),
}
"""The width and height of each anchor, in pixels, by stride."""

BALANCE: Mapping[int, float] = {8: 4.0, 16: 1.0, 32: 0.25, 64: 0.06}
"""The weight of a grid in the objectness loss, by stride."""


def scaled_anchors(strides: Sequence[int], *, input_size: int, scale: float = 1.0) -> Tensor:
    """Return the anchors' widths and heights for an input size.

    Args:
        strides: those of the L grids.
        input_size: the longer side of the input, pixels.
        scale: the anchors' size, relative to the published ones.

    Returns:
        (L, 3, 2) float32 pixels of the input.

    Raises:
        PosenasError: if a stride has no anchors.
    """
    missing = [stride for stride in strides if stride not in ANCHORS]
    if missing:
        known = ", ".join(map(str, ANCHORS))
        raise PosenasError(f"head kapao: no anchors for stride {missing[0]}; choose levels of stride {known}")
    anchors = torch.tensor([ANCHORS[stride] for stride in strides], dtype=torch.float32, device="cpu")
    return anchors * (scale * input_size / REFERENCE_SIZE)
