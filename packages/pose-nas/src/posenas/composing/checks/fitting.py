"""Whether space, head and strategy fit together, as the contract tells; and why not, in a few words.

The words are those of every refusal: composing adds advice to them, and the matrix prints them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from random import Random
from typing import cast

import torch
from torch import nn

from posenas.composing.building import build_head, levels_of, make, outline_network
from posenas.composing.checks.conformity import blamed
from posenas.composing.checks.remedies import Change, Parts, first_remedy
from posenas.composing.joined import chosen_head, holding_head, join, own_space
from posenas.composing.plugins import Owner, find_plugins
from posenas.contract.components import Guiding, Head, HeadModule, Propagating, Relaxed, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, Real
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.contract.problem import Demanding, Strategy, Supporting
from posenas.networks.reach import reached
from posenas.networks.without_values import WithoutValues
from posenas.runs.recipe import ComponentChoice, Recipe

_NETWORKS_TO_REACH = 16
"""The networks that are drawn before a dimension counts as one without effect."""

_NO_KEY_FRAMES = "does not train the network of key frames first, which a space for videos needs"
_LEARNS = "learns real dimensions"
"""What a strategy for relaxed spaces does, where there is nothing to learn."""


@dataclass(frozen=True)
class Unmet:
    """What a strategy asks for and does not get.

    Attributes:
        reason: in words; empty where nothing is missing.
        missing: the capabilities that neither the space nor the head's module has.
    """

    reason: str = ""
    missing: tuple[type, ...] = ()


def unread(levels: Sequence[Level], head: Head) -> str:
    """Say why a head, or a choice of a searched one, cannot read the levels; "" where it can."""
    try:
        holding_head(head).select(levels)
    except PosenasError as error:
        return str(error)
    return ""


def module_for(
    levels: Sequence[Level], space: SearchSpace, head: Head, *, keypoints: KeypointSet
) -> HeadModule:
    """Return the module that a head builds for one of the space's networks, without values.

    Args:
        levels: those of the network.
        space: joined with the head's dimensions where the head has some.
        head: builds the module.
        keypoints: what the head finds.

    Raises:
        PosenasError: where the head cannot find them; in its own words.
    """
    chosen = chosen_head(head, space.sample(Random(0)))
    with torch.device("meta"), WithoutValues():
        return chosen.build(chosen.select(levels), keypoints)


def unmet(strategy: Strategy, space: SearchSpace, module: Callable[[], HeadModule]) -> Unmet:
    """Return what a strategy lacks in a space and a head.

    Args:
        strategy: requires capabilities, and may refuse the space in words of its own.
        space: joined with the head's dimensions where the head has some.
        module: gives the head's module, if the space alone lacks a capability.
    """
    clips = isinstance(own_space(space), Propagating)
    if clips and not (isinstance(strategy, Supporting) and Propagating in strategy.supports()):
        return Unmet(_NO_KEY_FRAMES)
    needs = (*strategy.requires(), *((Guiding,) if clips else ()))
    missing = tuple(need for need in needs if not isinstance(space, need) and not isinstance(module(), need))
    if missing:
        return Unmet(f"needs {' and '.join(need.__name__ for need in missing)}", missing)
    if clips and space is not own_space(space):
        return Unmet("searches no dimensions of a head beside a space for videos")
    if isinstance(strategy, Demanding):
        try:
            strategy.check_space(space)
        except PosenasError as error:
            return Unmet(str(error))
    if Relaxed in needs and not any(isinstance(each, Real) for each in space.dimensions().values()):
        return Unmet(_LEARNS)
    return Unmet()


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


def check_head(recipe: Recipe, space: SearchSpace, head: Head) -> None:
    """Check that the head, or every choice of a searched one, can read the levels of the space's networks.

    Args:
        recipe: names both.
        space: builds the networks.
        head: selects levels.

    Raises:
        PosenasError: where it cannot; it names an option that helps, and heads that can.
    """
    with blamed(Owner("space", recipe.space.name), "levels"):
        levels = levels_of(space)
    with blamed(Owner("head", recipe.head.name), "select"):
        reason = unread(levels, head)
    if reason:
        found = first_remedy(Parts(space, levels, head), ("head", "space"), reads)
        advice = f"set {found}; " if found else ""
        raise PosenasError(
            f"head {recipe.head.name!r} does not fit space {recipe.space.name!r}: {reason}; {advice}"
            f"heads that fit it: {', '.join(_heads_for(levels)) or 'none installed'}"
        )


def reads(parts: Parts) -> bool:
    """Tell whether the head can read the levels of the space's networks."""
    return not unread(parts.levels, parts.head)


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
            learns; it names an option that helps, if there is one.
    """
    joined = join(space, head)
    with blamed(Owner("strategy", recipe.strategy.name), "check_space"):
        found = unmet(strategy, joined, cache(partial(build_head, joined, head, keypoints)))
    if found.reason:
        parts = Parts(own_space(space), levels_of(own_space(space)), head, strategy)
        remedy = strategy_remedy(parts, found, keypoints)
        advice = f"; set {remedy}" if remedy else ""
        raise PosenasError(_refusal(recipe, parts, found, keypoints, advice=advice))
    if Relaxed in strategy.requires():
        _check_learnable(joined, head, keypoints)


def strategy_remedy(parts: Parts, found: Unmet, keypoints: KeypointSet) -> Change | None:
    """Return the first change of one option with which a strategy gets what it asks for; None without one.

    A missing capability is a method that a class lacks, so only another demand of the strategy helps there.

    Args:
        parts: the strategy, and what it is to search.
        found: what is missing.
        keypoints: what the head finds.
    """
    kinds = ("strategy",) if found.missing else ("strategy", "head", "space")
    return first_remedy(parts, kinds, partial(_is_met, keypoints=keypoints))


def _is_met(parts: Parts, *, keypoints: KeypointSet) -> bool:
    assert parts.strategy is not None
    joined = join(parts.space, parts.head)
    module = cache(partial(module_for, parts.levels, joined, parts.head, keypoints=keypoints))
    return not unread(parts.levels, parts.head) and not unmet(parts.strategy, joined, module).reason


def _refusal(recipe: Recipe, parts: Parts, found: Unmet, keypoints: KeypointSet, *, advice: str) -> str:
    """Return the line that refuses a strategy, with the installed components that would do."""
    strategy = f"strategy {recipe.strategy.name!r} {found.reason}"
    if found.missing:
        fitting = partial(_fitting, parts, keypoints=keypoints)
        return (
            f"{strategy}, which space {recipe.space.name!r} with head {recipe.head.name!r} does not offer"
            f"{advice}; spaces for it: {fitting('space')}; heads for it: {fitting('head')}; "
            f"strategies for them: {fitting('strategy')}"
        )
    if found.reason == _NO_KEY_FRAMES:
        fitting = partial(_fitting, parts, keypoints=keypoints)
        return f"{strategy}{advice}; strategies for it: {fitting('strategy')}"
    if found.reason == _LEARNS:
        return (
            f"{strategy}, and space {recipe.space.name!r} has none with these options{advice}; see "
            f"`posenas show space {recipe.space.name}`, or take another strategy"
        )
    return f"{found.reason}{advice}"


def _check_learnable(space: SearchSpace, head: Head, keypoints: KeypointSet) -> None:
    """Raise PosenasError where a real dimension has no effect on the head's outputs."""
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


def _fitting(parts: Parts, kind: str, *, keypoints: KeypointSet) -> str:
    """Name the installed components of this kind that work with the two others, without an option."""
    names = []
    for plugin in find_plugins((kind,)):
        try:
            component = make(kind, ComponentChoice(plugin.name))
            levels = levels_of(component) if kind == "space" else parts.levels
            if _is_met(replace(parts, levels=levels, **{kind: component}), keypoints=keypoints):
                names.append(plugin.name)
        except PosenasError:
            continue  # what does not load, or does not fit otherwise, is no suggestion
    return ", ".join(names) or "none installed"


def _heads_for(levels: Sequence[Level]) -> list[str]:
    fitting = []
    for plugin in find_plugins(("head",)):
        try:
            with blamed(Owner("head", plugin.name), "select"):
                holding_head(make("head", ComponentChoice(plugin.name))).select(levels)
            fitting.append(plugin.name)
        except PosenasError:
            continue  # what does not load or fit is no suggestion
    return fitting
