"""Whether space, head and strategy fit together; and what would, where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import cast

import torch
from torch import nn

from posenas.composing.building import build_head, make, outline_network
from posenas.composing.joined import holding_head, join
from posenas.composing.plugins import find_plugins
from posenas.contract.components import Head, Relaxed, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, Real
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.contract.problem import Demanding, Strategy
from posenas.networks.reach import reached
from posenas.runs.recipe import ComponentChoice, Recipe

_NETWORKS_TO_REACH = 16
"""The networks that are drawn before a dimension counts as one without effect."""


def check_strategy(
    recipe: Recipe, strategy: Strategy, space: SearchSpace, head: Head, keypoints: KeypointSet
) -> None:
    """Check that each capability that the strategy requires is the space's or the head module's.

    Args:
        recipe: names the components.
        strategy: requires the capabilities.
        space: has some.
        head: builds a module that has others.
        keypoints: what the head finds.

    Raises:
        PosenasError: where one is missing, the strategy refuses the space, or nothing can be learnt that it
            learns.
    """
    missing = [need for need in strategy.requires() if not offers(need, space, head, keypoints)]
    if missing:
        words = " and ".join(capability.__name__ for capability in missing)
        fitting = partial(_fitting, keypoints=keypoints)
        raise PosenasError(
            f"strategy {recipe.strategy.name!r} needs {words}, which space {recipe.space.name!r} with head "
            f"{recipe.head.name!r} does not offer; spaces for it: {fitting('space', strategy, None, head)}; "
            f"heads for it: {fitting('head', strategy, space, None)}; "
            f"strategies for them: {fitting('strategy', None, space, head)}"
        )
    if isinstance(strategy, Demanding):
        strategy.check_space(join(space, head))
    if Relaxed in strategy.requires():
        _check_learnable(recipe, space, head, keypoints)


def _check_learnable(recipe: Recipe, space: SearchSpace, head: Head, keypoints: KeypointSet) -> None:
    """Raise PosenasError where there is no real dimension, or one without effect on the head's outputs."""
    if not any(isinstance(dimension, Real) for dimension in space.dimensions().values()):
        raise PosenasError(
            f"strategy {recipe.strategy.name!r} learns real dimensions, and space {recipe.space.name!r} has "
            f"none with these options; see `posenas show space {recipe.space.name}`, or take another strategy"
        )
    missing = _unreached(space, head, keypoints)
    if missing:
        raise PosenasError(
            f"nothing that the head reads depends on {', '.join(missing)}, so they cannot be learnt; choose "
            "another head, or change the space's options"
        )


def _unreached(space: SearchSpace, head: Head, keypoints: KeypointSet) -> list[str]:
    """Return the dimensions that have no effect in any of some networks: one may lack what another has.

    Networks of the same choices and tensors are asked once: real values do not exist on the meta device.
    """
    rng = Random(0)
    unreached: dict[str, None] = {}
    effective: set[str] = set()
    asked = set()
    for _ in range(_NETWORKS_TO_REACH):
        genotype = space.sample(rng)
        network = outline_network(space, genotype, head=head, keypoints=keypoints)
        kind = _choices_and_tensors(space, genotype, network)
        if kind in asked:
            continue
        asked.add(kind)
        with torch.device("meta"):
            values = cast(Relaxed, space).relax(network.backbone)
        effective |= reached(network, values, (head.view().height, head.view().width))
        unreached = {name: None for name in (*unreached, *values) if name not in effective}
        if not unreached:
            break
    return list(unreached)


def _choices_and_tensors(space: SearchSpace, genotype: Genotype, network: nn.Module) -> str:
    real = {name for name, dimension in space.dimensions().items() if isinstance(dimension, Real)}
    choices = {name: value for name, value in genotype.items() if name not in real}
    return repr((choices, {name: tensor.shape for name, tensor in network.state_dict().items()}))


def offers(capability: type, space: SearchSpace, head: Head, keypoints: KeypointSet) -> bool:
    """Tell whether the space, or the module that the head builds, has the capability.

    Args:
        capability: a protocol of the contract.
        space: builds the backbone that the head is for.
        head: builds the module.
        keypoints: what the head finds.
    """
    joined = join(space, head)
    return isinstance(joined, capability) or isinstance(build_head(joined, head, keypoints), capability)


def _fitting(
    kind: str,
    strategy: Strategy | None,
    space: SearchSpace | None,
    head: Head | None,
    *,
    keypoints: KeypointSet,
) -> str:
    """Name the installed components of this kind that the other two (those not None) work with."""
    names = []
    for plugin in find_plugins((kind,)):
        try:
            component = make(kind, ComponentChoice(plugin.name))
            trio = (strategy or component, space or component, head or component)
            if all(offers(need, trio[1], trio[2], keypoints) for need in trio[0].requires()):
                if isinstance(trio[0], Demanding):
                    trio[0].check_space(join(trio[1], trio[2]))
                names.append(plugin.name)
        except PosenasError:
            continue  # what does not load, or does not fit otherwise, is no suggestion
    return ", ".join(names) or "none installed"


def check_head(recipe: Recipe, space: SearchSpace, head: Head) -> None:
    """Check that the head, or every choice of a searched one, can read the levels of the space's networks.

    Args:
        recipe: names both.
        space: builds the networks.
        head: selects levels.

    Raises:
        PosenasError: where it cannot; it names heads that can.
    """
    with torch.device("meta"):
        backbone = space.build(space.sample(Random(0)))
    try:
        holding_head(head).select(backbone.levels)
    except PosenasError as error:
        raise PosenasError(
            f"head {recipe.head.name!r} does not fit space {recipe.space.name!r}: {error}; "
            f"heads that fit it: {', '.join(_fitting_heads(backbone.levels)) or 'none installed'}"
        ) from error


def _fitting_heads(levels: Sequence[Level]) -> list[str]:
    fitting = []
    for plugin in find_plugins(("head",)):
        try:
            holding_head(make("head", ComponentChoice(plugin.name))).select(levels)
            fitting.append(plugin.name)
        except PosenasError:
            continue  # what does not load or fit is no suggestion
    return fitting
