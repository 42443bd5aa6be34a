"""Layers that weights lack, begun so that the network computes what it did without them.

The largest HRNet of a super-network has convolutions where a published one keeps a branch as it is, and gates
on every block. As identities and open gates they leave the published network's maps as they were.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn

from posenas.networks.layers.attention import SqueezeExcitation, linear_gate
from posenas.networks.layers.multi_resolution import Transition


@torch.no_grad()
def begin_as_identity(
    network: nn.Module, *, known: Collection[str], fresh: Collection[str]
) -> frozenset[str]:
    """Make kept branches' convolutions identities, and linear gates open; return their parameters' names.

    Args:
        network: changed in place.
        known: names of the tensors that the weights have. They lack a branch where they have none of its.
        fresh: names of parameters that took nothing. Gates are opened where all of theirs are.
    """
    begun: set[str] = set()
    for path, module in network.named_modules():
        if isinstance(module, Transition):
            for index, branch in enumerate(module.branches[:-1]):
                names = _names(branch, f"{path}.branches.{index}")
                if isinstance(branch, nn.Sequential) and names.isdisjoint(known) and _begin_branch(branch):
                    begun |= names
        elif isinstance(module, SqueezeExcitation) and module.gate is linear_gate:
            names = _names(module, path)
            if names.issubset(fresh):
                nn.init.zeros_(module.expand.weight)
                nn.init.ones_(_bias(module.expand))
                begun |= names
    return frozenset(begun)


def _begin_branch(branch: nn.Sequential) -> bool:
    """Make a convolution and its batch norm the identity of what is not below 0; not where widths differ."""
    convolution, normalisation = branch[0], branch[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    if convolution.in_channels != convolution.out_channels:
        return False
    nn.init.dirac_(convolution.weight)
    nn.init.constant_(normalisation.weight, math.sqrt(1 + normalisation.eps))
    nn.init.zeros_(normalisation.bias)
    normalisation.reset_running_stats()
    return True


def _bias(convolution: nn.Conv2d) -> torch.Tensor:
    assert convolution.bias is not None
    return convolution.bias


def _names(module: nn.Module, path: str) -> set[str]:
    return {f"{path}.{name}" for name, _ in module.named_parameters()}
