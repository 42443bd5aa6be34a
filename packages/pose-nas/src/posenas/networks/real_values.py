"""The real values of a relaxed space's genotype, in a pose network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from posenas.contract.components import Relaxed
from posenas.contract.genotype import Genotype


def relax(space: object, network: Any) -> Mapping[str, nn.Parameter]:
    """Make the architecture's values in the network parameters, in place.

    Returns:
        The parameters, by their dimensions' names.
    """
    values = cast(Relaxed, space).relax(network.backbone)
    return cast(Mapping[str, nn.Parameter], values)


def restore(space: object, network: Any, genotype: Genotype) -> None:
    """Put the genotype's real values into the network, if the space has any; the weights stay.

    Args:
        space: the space that built the network.
        network: a pose network, changed in place.
        genotype: one value of each dimension of the space.
    """
    if isinstance(space, Relaxed):
        space.set_values(network.backbone, genotype)
