"""Checks of spaces that share weights."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from posenas.composing.checks.backbones import listening, looks, rehearse_nesting, shared_backbone
from posenas.composing.checks.gradients import pictures
from posenas.composing.plugins import Owner
from posenas.contract.components import Relaxed, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.kit.check import Check, require
from posenas.kit.networks_of_spaces import samples, seeded, without_values

_NEAR = 1e-4


def networks_nest(space: WeightSharing) -> None:
    """Check that every tensor of every network is a slice of the largest one's of that name."""
    genotypes = (space.largest(), space.smallest(), *samples(space))
    rehearse_nesting(space, genotypes, owner=Owner("space", type(space).__name__))


def cut_out_equals_active(space: WeightSharing) -> None:
    """Check that an active network, the one cut out, and one that loads its weights give the same maps."""
    with seeded():
        shared = shared_backbone(space)
    genotype = space.smallest()
    active = _restored(space, shared.activate(without_values(space, genotype)), genotype)
    cut = _restored(space, shared.derive(without_values(space, genotype)), genotype)
    with seeded(1):
        loaded: Any = listening(space.build(genotype))
    loaded.load_state_dict(cut.state_dict())
    outputs = [_maps(network) for network in (active, cut, loaded)]
    for name, maps in outputs[0].items():
        for other, words in ((outputs[1], "cut out"), (outputs[2], "cut out, saved and loaded")):
            distance = float((maps - other[name]).abs().max())
            require(
                distance <= _NEAR * max(1.0, float(maps.abs().max())),
                f"level {name.partition('.')[2]!r} of an active network and of the one {words} differ by "
                f"{distance:.3g}",
            )


def _restored(space: WeightSharing, network: nn.Module, genotype: Genotype) -> nn.Module:
    if isinstance(space, Relaxed):
        space.set_values(network, genotype)
    return network


@torch.no_grad()
def _maps(network: nn.Module) -> dict[str, Tensor]:
    with seeded():
        return {
            f"{number}.{name}": maps
            for number, look in enumerate(looks(cast(Any, network.train())))
            for name, maps in look(pictures()).items()
        }


NESTING_CHECKS = (
    Check(
        networks_nest,
        "name a layer alike in all networks and let it grow at its end; or give the space a holder()",
        WeightSharing,
    ),
    Check(
        cut_out_equals_active,
        "keep what a network computes with in parameters and buffers, so that weights hold all of it",
        WeightSharing,
    ),
)
