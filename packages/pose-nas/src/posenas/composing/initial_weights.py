"""The initial weights of a composition: read through the installed importers, and tried before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import torch

from posenas.composing.building import build_holder, build_network, derived
from posenas.composing.distributions import CORE
from posenas.composing.joined import own_space
from posenas.composing.loading import load_entry
from posenas.composing.options import make_component, option_values
from posenas.composing.plugins import Plugin, find_plugins, remedy
from posenas.contract.components import Evolvable, Head, Propagating, SearchSpace, WeightSharing
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.genotype import Genotype
from posenas.contract.keypoint_sets import KEYPOINT_SETS
from posenas.contract.keypoints import KeypointSet
from posenas.contract.normalisation import Normalisation
from posenas.contract.problem import Beginning, Strategy
from posenas.contract.weights import ImportedWeights, WeightsImporter
from posenas.networks.devices import Compute, place
from posenas.networks.initial_weights import InitialWeights, read_initial_weights
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.real_values import restore
from posenas.networks.without_values import WithoutValues
from posenas.runs.recipe import Recipe
from posenas.runs.run import open_run


def load_initial_weights(init: str) -> InitialWeights:
    """Return the weights of a file or a run's folder, by the names of this project's networks.

    Raises:
        PosenasError: where there are none, or they are of a network that fits none here.
    """
    path = Path(init)
    found = read_initial_weights(path, _importers())
    if not found.told:
        found = replace(found, not_asked=_not_asked())
    if not (path / "recipe.toml").exists():
        return found
    said = open_run(path)[1].normalisation
    made = make_component(Normalisation, said, where=f"{path}: table [normalisation]") if said else None
    return replace(found, normalisation=made)


def check_final_weights(recipe: Recipe, strategy: Strategy) -> None:
    """Refuse a winner that is to begin with initial weights where the recipe has none."""
    if option_values(strategy).get("final_weights") == Beginning.INITIAL.value and not recipe.init:
        raise PosenasError("strategy.final_weights=init needs initial weights; add --init FILE")


def try_initial_weights(
    weights: InitialWeights, space: SearchSpace, *, head: Head, strategy: Strategy, keypoints: KeypointSet
) -> str:
    """Return what will be told of the weights when the first training begins; no network is allocated.

    Args:
        weights: what trainings begin with.
        space: builds the backbone; joined with the head's dimensions where it has some.
        head: builds the head's module.
        strategy: tells which network is trained first: the one that holds the shared weights, a given
            genotype, or where an evolution begins. Of other searches any network stands for all.
        keypoints: what the head finds.

    Raises:
        PosenasError: where nothing of them fits, or they need other options.
    """
    _check_options(weights, {"space": space, "head": head})
    with torch.device("meta"), WithoutValues():
        network = _first_network(space, head, strategy, keypoints)
    return weights.fill(network, keypoints=keypoints.names)


def build_from(
    weights: InitialWeights,
    space: SearchSpace,
    genotype: Genotype,
    *,
    head: Head,
    keypoints: KeypointSet,
    compute: Compute,
) -> tuple[PoseNetwork, str]:
    """Return a genotype's network with all of its weights from a file, and a sentence that says so.

    Args:
        weights: of the file.
        space: builds the backbone; joined with the head's dimensions where it has some.
        genotype: of the space.
        head: builds the head's module.
        keypoints: what the head finds.
        compute: the device and the precision.

    Raises:
        PosenasError: where a part of the network would stay fresh, or the weights need other options.
    """
    _check_options(weights, {"space": space, "head": head})
    network = build_network(space, genotype, head=head, keypoints=keypoints, compute=compute)
    told = weights.fill_whole(network, keypoints=keypoints.names)
    restore(space, network, genotype)
    return place(network, compute.device), told


def _first_network(space: SearchSpace, head: Head, strategy: Strategy, keypoints: KeypointSet) -> PoseNetwork:
    required = strategy.requires()
    own = own_space(space)
    if isinstance(own, Propagating):
        return build_network(space, own.key_frame(), head=head, keypoints=keypoints)
    if WeightSharing in required:
        return build_holder(space, head=head, keypoints=keypoints)
    genotype = option_values(strategy).get("genotype")
    if not genotype:
        evolves = Evolvable in required
        genotype = cast(Evolvable, space).ancestor() if evolves else space.sample(Random(0))
    return build_network(space, derived(space, genotype), head=head, keypoints=keypoints)


def _check_options(weights: InitialWeights, components: Mapping[str, Any]) -> None:
    for path, wanted in weights.options.items():
        _check_option(weights, path, wanted, components)


def _check_option(weights: InitialWeights, path: str, wanted: Any, components: Mapping[str, Any]) -> None:
    """Raise PosenasError where a component has another value than the weights were trained with."""
    table, _, name = path.partition(".")
    options = option_values(components[table]) if table in components else {}
    if options.get(name) != wanted:
        has = f"{path} is {options[name]}" if name in options else f"this {table} has no option {name}"
        raise PosenasError(
            f"init {weights.file}: weights of {weights.told} need {path}={wanted}, and {has}; "
            f"add -o {path}={wanted}" + ("" if name in options else " to a space that has it")
        )


def _not_asked() -> str:
    """Return which importers cannot be used, since one of them may know the file; empty where all can."""
    broken = [plugin for plugin in find_plugins(("weights",)) if plugin.status not in ("ok", "disabled")]
    return "; ".join(f"{plugin} is {plugin.status} and was not asked: {plugin.problem}" for plugin in broken)


def _importers() -> dict[str, WeightsImporter]:
    """Return the usable importers by name, the core's first."""
    plugins = [plugin for plugin in find_plugins(("weights",)) if plugin.status == "ok"]
    plugins.sort(key=lambda plugin: plugin.distribution != CORE)
    return {plugin.name: _named(plugin) for plugin in plugins}


def _named(plugin: Plugin) -> WeightsImporter:
    """Return a plugin's importer, loaded when it is first asked; what it does wrong names the plugin."""

    def importer(published: Mapping[str, torch.Tensor], /) -> ImportedWeights | None:
        found = cast(WeightsImporter, load_entry(plugin))(published)
        if found is not None and not isinstance(found, ImportedWeights):
            kind = type(found).__name__
            raise PosenasError(f"{plugin} gives a {kind}, not ImportedWeights or None; {remedy(plugin)}")
        problem = _problem(found) if found else ""
        if problem:
            raise PosenasError(f"{plugin} {problem}; {remedy(plugin)}")
        return found

    return importer


def _problem(imported: ImportedWeights) -> str:
    """Return what is wrong with an importer's answer, in words that follow its name; empty for nothing."""
    if not imported.tensors:
        return "knows the file and gives no tensors of it"
    for name, tensor in imported.tensors.items():
        if not isinstance(tensor, torch.Tensor):
            return f"gives {name} as {type(tensor).__name__}, not a tensor"
    if imported.keypoints and imported.keypoints not in KEYPOINT_SETS:
        return f"gives keypoints {imported.keypoints!r}; {suggestion(imported.keypoints, KEYPOINT_SETS)}"
    if not isinstance(imported.normalisation, Normalisation | None):
        return f"gives a normalisation of type {type(imported.normalisation).__name__}"
    return ""
