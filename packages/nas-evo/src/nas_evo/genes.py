"""The genotype of EvoPose2D: blocks, kernel, channels and stride of seven modules.

Source: McNally, thesis (2022), section 3.3.1 and table 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from posenas import Choice, Genotype

KERNELS = (3, 5)
MOST_BLOCKS = 4
MOST_HALVINGS = 4
"""How often the modules together may halve the resolution.

The stem halves it too, so nothing is coarser than 1/32.
"""


@dataclass(frozen=True)
class Quartet:
    """The genes of a module. Its first block takes the stride; the later ones have stride 1."""

    blocks: int
    kernel: int
    channels: int
    stride: int


ANCESTOR = (
    Quartet(1, 3, 16, 1),
    Quartet(2, 3, 24, 2),
    Quartet(2, 5, 40, 2),
    Quartet(3, 3, 80, 2),
    Quartet(3, 5, 112, 1),
    Quartet(4, 5, 192, 2),
    Quartet(1, 3, 320, 1),
)
"""EfficientNet-B0 without its 1280 channels at the top. No network of the space has more channels."""

FREE_STRIDES = (5, 6, 7)
"""Modules that may have either stride; the others have their ancestor's."""


def dimensions() -> dict[str, Choice]:
    """Return the 28 dimensions in the thesis's order, each from cheap to dear.

    A stride of 2 comes first: it leaves less to compute after it.
    """
    choices = {}
    for number, quartet in enumerate(ANCESTOR, 1):
        choices[f"module{number}.blocks"] = Choice(tuple(range(1, MOST_BLOCKS + 1)))
        choices[f"module{number}.kernel"] = Choice(KERNELS)
        choices[f"module{number}.channels"] = Choice(tuple(range(8, quartet.channels + 1, 8)))
        choices[f"module{number}.stride"] = Choice((2, 1) if number in FREE_STRIDES else (quartet.stride,))
    return choices


def genotype_of(quartets: Sequence[Quartet]) -> Genotype:
    """Return the genotype of the seven modules' genes."""
    return {
        f"module{number}.{gene}": value
        for number, quartet in enumerate(quartets, 1)
        for gene, value in asdict(quartet).items()
    }


def quartets_of(genotype: Genotype) -> tuple[Quartet, ...]:
    """Return the modules that are built.

    A stride of 2 beyond the fourth one stands for 1, so that every combination of values makes a network that
    works on the same inputs.
    """
    quartets: list[Quartet] = []
    for number in range(1, len(ANCESTOR) + 1):
        quartet = Quartet(**{gene: genotype[f"module{number}.{gene}"] for gene in Quartet.__annotations__})
        excessive = halvings([*quartets, quartet]) > MOST_HALVINGS
        quartets.append(replace(quartet, stride=1) if excessive else quartet)
    return tuple(quartets)


def halvings(quartets: Sequence[Quartet]) -> int:
    """Count how often modules halve the resolution."""
    return sum(quartet.stride - 1 for quartet in quartets)
