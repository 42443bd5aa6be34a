"""Checks of every space."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from posenas.composing.checks.backbones import looks, rehearse_backbone
from posenas.composing.checks.conformity import json_problem
from posenas.composing.checks.gradients import gradient_problem, pictures, weighted_sum
from posenas.composing.loading import load
from posenas.composing.options import make_component
from posenas.composing.plugins import Owner
from posenas.composing.tailoring import made_for
from posenas.contract.batches import View
from posenas.contract.components import SearchSpace, Tailored
from posenas.contract.genotype import check_genotype
from posenas.kit.check import Check, require
from posenas.kit.networks_of_spaces import cheapest, fresh, samples, seeded
from posenas.learning.settings import TrainingSettings

_VIEWS = (View("person", 128, 192), View("person", 256, 128))
_STEPS = 12
_LEARNING_RATE = 0.01
_FALL = 0.95
"""The share of the first loss that the last one must be below."""


def genotypes_are_json(space: SearchSpace) -> None:
    """Check that genotypes are plain JSON data: written and read again they are the same."""
    for genotype in samples(space):
        require(isinstance(genotype, Mapping), f"sample gives {type(genotype).__name__}, expected a mapping")
        problem = json_problem("sample", genotype)
        require(not problem, problem)


def samples_lie_inside(space: SearchSpace) -> None:
    """Check that samples have one value of each dimension and nothing else."""
    for genotype in samples(space):
        check_genotype(genotype, space.dimensions())


def samples_depend_on_the_rng_alone(space: SearchSpace) -> None:
    """Check that the same rng draws the same genotype, whatever other generators did before."""
    drawn = []
    for seed in (1, 2):
        with _other_generators(seed):
            drawn.append([dict(genotype) for genotype in samples(space)])
    require(drawn[0] == drawn[1], "sample draws different genotypes from two generators of the same seed")


@contextmanager
def _other_generators(seed: int) -> Iterator[None]:
    """Seed the generators of Python, numpy and torch within, and put them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with seeded(seed):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def levels_are_true(space: SearchSpace) -> None:
    """Check that levels have the strides and channels of the real feature maps, at two input sizes."""
    owner = Owner("space", type(space).__name__)
    for genotype in (cheapest(space), space.sample(Random(1))):
        for view in _VIEWS:
            rehearse_backbone(space, genotype, view, owner=owner)


def what_it_is_made_for_can_be_taken(space: Tailored) -> None:
    """Check that a recipe can have the settings of `made_for`: names and values are those of options."""
    owner = Owner("space", type(space).__name__)
    made = made_for(space, owner=owner)
    if made is not None:
        options = {name: value for name, value in made.head.items() if name != "name"}
        make_component(load("head", made.head["name"]), options, where=f"head {made.head['name']}")
        make_component(TrainingSettings, made.training, where="table [training]")


def weights_come_from_torchs_generator(space: SearchSpace) -> None:
    """Check that the same seed of torch gives a network the same fresh weights."""
    genotype = cheapest(space)
    first, second = (fresh(space, genotype).state_dict() for _ in range(2))
    wrong = [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]
    require(not wrong, f"{', '.join(wrong[:3])} differ between two networks built under one seed")


def every_parameter_gets_a_gradient(space: SearchSpace) -> None:
    """Check that each parameter of a network changes some of its feature maps."""
    for network in looks(fresh(space, cheapest(space)).train()):
        weighted_sum(network(pictures())).backward()  # type: ignore[no-untyped-call]
        problem = gradient_problem(cast(nn.Module, network))
        require(not problem, problem)


def the_loss_falls_on_eight_pictures(space: SearchSpace) -> None:
    """Check that a network learns to give the colours of eight pictures in a few steps of Adam."""
    network, images = fresh(space, cheapest(space)).train(), pictures()
    readers = _readers(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    losses = []
    for _ in range(_STEPS):
        loss = _distance(network(images), images, readers)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    require(
        losses[-1] < _FALL * losses[0],
        f"the loss goes from {losses[0]:.3g} to {losses[-1]:.3g} in {_STEPS} steps, expected a fall",
    )


def _readers(network: Any) -> dict[str, Tensor]:
    """Return fixed random (3, C) weights that read colours from each level's channels."""
    generator = torch.Generator().manual_seed(1)
    return {
        level.name: torch.randn(3, level.channels, generator=generator) / level.channels**0.5
        for level in network.levels
    }


def _distance(features: Mapping[str, Tensor], images: Tensor, readers: Mapping[str, Tensor]) -> Tensor:
    """Return the mean squared difference of the colours that are read and those of the picture, by level."""
    terms = []
    for name, reader in readers.items():
        read = torch.einsum("oc,nchw->nohw", reader, features[name])
        colours = nn.functional.adaptive_avg_pool2d(images, (read.shape[2], read.shape[3]))
        terms.append((read - colours).square().mean())
    return torch.stack(terms).mean()


SPACE_CHECKS = (
    Check(genotypes_are_json, "use numbers, words and lists for values, no tuples and no objects"),
    Check(samples_lie_inside, "draw with posenas.sample_uniform, or let dimensions name every value"),
    Check(samples_depend_on_the_rng_alone, "draw everything from the rng that sample is given"),
    Check(levels_are_true, "give each Level the stride and channels of its map, for any input size"),
    Check(
        what_it_is_made_for_can_be_taken,
        "let made_for return posenas.MadeFor with options that `posenas show` lists",
        Tailored,
    ),
    Check(
        weights_come_from_torchs_generator,
        "initialise weights by torch.nn.init, with no generator of your own",
    ),
    Check(every_parameter_gets_a_gradient, "leave out modules that forward does not use, and detach nothing"),
    Check(
        the_loss_falls_on_eight_pictures,
        "look for a layer that stops or turns gradients, or for huge outputs",
    ),
)
