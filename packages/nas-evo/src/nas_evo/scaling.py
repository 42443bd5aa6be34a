"""Compound scaling: deeper and wider networks for larger inputs, all by one exponent.

Source: McNally, thesis (2022), section 3.3.5, Eq. 3.5, after EfficientNet (Tan and Le, ICML 2019). The thesis
rounds blocks to the nearest number, but only rounding up gives its parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from posenas import Genotype

from nas_evo.genes import Quartet, quartets_of

SEARCHED_SIZE = (256, 192)
"""The height and width, in pixels, that a genotype stands for as it is."""

_RESOLUTION, _DEPTH, _WIDTH = 1.15, 1.2, 1.1
"""The growth of each for one more unit of the exponent: EfficientNet's gamma, alpha and beta."""
_STEM_CHANNELS = 32
_DECONV_CHANNELS = 128


@dataclass(frozen=True)
class Blueprint:
    """The modules that are built, the channels before them, and those of the deconvolutions after."""

    stem: int
    modules: tuple[Quartet, ...]
    deconv: int


def scale(genotype: Genotype, input_size: tuple[int, int], *, width: float = 1.0) -> Blueprint:
    """Return the network of a genotype, scaled from 256x192 to another height and width.

    Args:
        genotype: a member of the space.
        input_size: the height and width in pixels.
        width: a factor for all channels, beside that of the scaling.
    """
    exponent = math.log(sum(input_size) / sum(SEARCHED_SIZE), _RESOLUTION)
    depth, channels = _DEPTH**exponent, width * _WIDTH**exponent
    modules = (
        replace(
            quartet,
            blocks=math.ceil(quartet.blocks * depth),
            channels=rounded(quartet.channels * channels),
        )
        for quartet in quartets_of(genotype)
    )
    return Blueprint(rounded(_STEM_CHANNELS * channels), tuple(modules), rounded(_DECONV_CHANNELS * channels))


def rounded(channels: float) -> int:
    """Round to the nearest multiple of 8, at least 8; to the next one if that takes away over a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def drop_connect_limit(input_size: tuple[int, int]) -> float:
    """Return EfficientNet's drop-connect rate for inputs of this height and width."""
    side = sum(input_size) / 2
    for largest, rate in ((240, 0.2), (300, 0.3), (456, 0.4)):
        if side <= largest:
            return rate
    return 0.5
