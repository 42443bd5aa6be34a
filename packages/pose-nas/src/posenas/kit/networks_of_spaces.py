"""Networks of a space for the checks: cheap ones, with and without values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import torch
from torch import nn

from posenas.composing.checks.backbones import listening
from posenas.contract.components import SearchSpace, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.networks.without_values import WithoutValues

SAMPLES = 8
"""The genotypes that are drawn from a space."""


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
        return cast(nn.Module, listening(space.build(genotype)))


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
