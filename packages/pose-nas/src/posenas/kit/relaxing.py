"""Checks of spaces whose real dimensions are learnt."""

from __future__ import annotations

from typing import Any

import torch

from posenas.composing.checks.gradients import pictures, weighted_sum
from posenas.contract.components import Relaxed
from posenas.contract.genotype import Genotype, Real, middle
from posenas.kit.check import Check, require
from posenas.kit.networks_of_spaces import fresh, samples

_LEARNING_RATE = 0.1
_NEAR = 1e-5


def relaxed_values_move(space: Relaxed) -> None:
    """Check that each real dimension is a parameter of a relaxed network, and that training changes it."""
    genotype = _undecided(space)
    backbone = fresh(space, genotype).train()
    values = space.relax(backbone)
    real = {name for name, dimension in space.dimensions().items() if isinstance(dimension, Real)}
    require(set(values) == real, f"relax gives {sorted(values)}, and the real dimensions are {sorted(real)}")
    before = {name: value.detach().clone() for name, value in values.items()}
    optimizer = torch.optim.SGD(values.values(), lr=_LEARNING_RATE)
    weighted_sum(backbone(pictures())).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    still = [name for name, value in values.items() if torch.equal(value, before[name])]
    require(not still, f"no step of training changes {', '.join(still[:3])}")


def values_are_put_in(space: Relaxed) -> None:
    """Check that after set_values the network has the genotype's values, relaxed or not."""
    genotype = samples(space)[0]
    for relaxed_before in (False, True):
        backbone: Any = fresh(space, _undecided(space))
        if relaxed_before:
            space.relax(backbone)
        space.set_values(backbone, genotype)
        for name, value in space.relax(backbone).items():
            expected = torch.tensor(genotype[name], dtype=value.dtype)
            same = value.shape == expected.shape and float((value.detach() - expected).abs().max()) <= _NEAR
            require(same, f"set_values leaves other values of {name!r} than the genotype's")


def _undecided(space: Relaxed) -> Genotype:
    """Return a genotype whose real values are zeros, so that every alternative weighs the same."""
    zeros = middle(space.dimensions())
    real = {name for name, dimension in space.dimensions().items() if isinstance(dimension, Real)}
    return {**samples(space)[0], **{name: zeros[name] for name in real}}


RELAXING_CHECKS = (
    Check(
        relaxed_values_move, "let the maps depend on the values that relax returns, by their softmax", Relaxed
    ),
    Check(values_are_put_in, "copy the genotype's values into the tensors that relax returns", Relaxed),
)
