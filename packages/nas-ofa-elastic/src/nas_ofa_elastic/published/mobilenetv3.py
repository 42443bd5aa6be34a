"""MobileNetV3-large by torchvision, timm and mmpose: known, and refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from posenas import ImportedWeights, PosenasError
from posenas.weights import has

if TYPE_CHECKING:
    from torch import Tensor

_LARGE = (
    {"features.0.0.weight": (16, 3, 3, 3), "features.4.block.2.fc1.weight": (24, 72, 1, 1)},
    {"conv_stem.weight": (16, 3, 3, 3), "blocks.2.0.se.conv_reduce.weight": (24, 72, 1, 1)},
    {"conv1.conv.weight": (16, 3, 3, 3), "layer4.se.conv1.conv.weight": (None, 72, 1, 1)},
)
"""The stem and the first gate, by torchvision, timm and mmpose."""


def import_mobilenetv3(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Refuse a MobileNetV3-large, which is no network of the space `ofa`.

    Raises:
        PosenasError: where it is one.
    """
    if not any(has(published, names) for names in _LARGE):
        return None
    raise PosenasError(
        "is a MobileNetV3-large for ImageNet, and no network here computes what it does: a block of "
        "ofa's mobilenetv3 expands by a multiple of its output's width, the same in a whole stage, and its "
        "gates are (x + 1) / 2; begin with a network of ofa, or without initial weights"
    )
