"""Networks of a space for the checks: cheap ones, with and without values, and pictures to feed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import torch
from torch import Tensor, nn

from posenas.contract.components import SearchSpace, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.networks.without_values import WithoutValues

SAMPLES = 8
"""The genotypes that are drawn from a space."""
PICTURES = 8
SIDE = 64
"""Height and width of the pictures that networks really run on, in pixels."""


def samples(space: SearchSpace) -> list[Genotype]:
    """Return some genotypes of the space, the same ones each time."""
    rng = Random(0)
    return [space.sample(rng) for _ in range(SAMPLES)]


def cheapest(space: SearchSpace) -> Genotype:
    """Return the genotype with the fewest parameters among some of the space."""
    if isinstance(space, WeightSharing):
        return space.smallest()
    return min(samples(space), key=lambda each: _parameters(without_values(space, each)))


def without_values(space: SearchSpace, genotype: Genotype) -> nn.Module:
    """Return a genotype's network on the meta device."""
    with torch.device("meta"), WithoutValues():
        return cast(nn.Module, space.build(genotype))


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's generator within, and put it back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fresh(space: SearchSpace, genotype: Genotype, *, seed: int = 0) -> Any:
    """Return a genotype's network with fresh weights.

    Args:
        space: builds the network.
        genotype: one of the space's.
        seed: of torch's generator, which draws the weights.
    """
    with seeded(seed):
        return space.build(genotype)


def pictures() -> Tensor:
    """Return (8, 3, 64, 64) fixed pictures: noise in two sizes, so that every level sees some."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.randn(PICTURES, 3, SIDE, SIDE, generator=generator)
    coarse = torch.randn(PICTURES, 3, 2, 2, generator=generator)
    return 0.5 * fine + nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear", align_corners=False)


def weighted_sum(features: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of all maps with fixed random weights, which depends on each value of each map."""
    generator = torch.Generator().manual_seed(0)
    terms = [(each * torch.randn(each.shape, generator=generator)).sum() for each in features.values()]
    return torch.stack(terms).sum()
