"""The real values of a relaxed space's genotype, in a pose network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from posenas.contract.components import Relaxed
from posenas.contract.genotype import Genotype


def relax(space: object, network: Any) -> Mapping[str, nn.Parameter]:
    """The architecture's values in the network, which are parameters from now on, by their dimensions."""
    values = cast(Relaxed, space).relax(network.backbone)
    return cast(Mapping[str, nn.Parameter], values)


def restore(space: object, network: Any, genotype: Genotype) -> None:
    """Puts the genotype's real values into the network, where the space has any; the weights stay."""
    if isinstance(space, Relaxed):
        space.set_values(network.backbone, genotype)
