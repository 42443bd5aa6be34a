"""The networks that a latency table is of: those of a recipe, or one by name."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from posenas.composing.building import build_network, compute_for, describe_networks, make, make_pair
from posenas.composing.named_networks import NamedNetwork, changed, find_network
from posenas.composing.options import make_component
from posenas.composing.tailoring import tailored
from posenas.contract.components import Dataset
from posenas.contract.keypoints import KeypointSet
from posenas.networks.latency.build import Subject
from posenas.networks.latency.cost import Latency
from posenas.networks.latency.table import LatencyTable
from posenas.runs.recipe import ComponentChoice, Recipe


def subject_of_recipe(recipe: Recipe) -> Subject:
    """Return the networks of a recipe's space under its head.

    They are for its dataset's keypoints and on its device.

    Raises:
        PosenasError: if one of the components cannot be made.
    """
    dataset: Dataset = make("dataset", recipe.dataset)
    settings = make_component(Latency, recipe.latency, where="table [latency]")
    return _subject(recipe, dataset.keypoints(), batch_size=settings.batch_size, threads=settings.threads)


def subject_of_network(network: NamedNetwork, table: LatencyTable) -> Subject:
    """Return the networks of a named network's space under its head.

    They are in the table's precision and on this machine.
    """
    recipe = Recipe(space=network.space, head=network.head, precision=table.conditions.precision)
    conditions = table.conditions
    return _subject(recipe, network.keypoints, batch_size=conditions.batch_size, threads=conditions.threads)


def network_for(table: LatencyTable, name: str, assignments: tuple[str, ...]) -> NamedNetwork:
    """Return a network as `find_network` finds it; a genotype's file is one of the table's own networks.

    Args:
        table: the latency table.
        name: a zoo entry's name, a genotype's file or a run's folder.
        assignments: other options of its space or head, such as `head.sigma=2`.
    """
    space, head = (
        ComponentChoice(options.pop("name"), options)
        for options in (dict(table.subject["space"]), dict(table.subject["head"]))
    )
    network = find_network(name, space=space.name)
    if Path(name).is_file():
        network = replace(network, space=space, head=head)
    return changed(network, assignments)


def _subject(recipe: Recipe, keypoints: KeypointSet, *, batch_size: int, threads: int) -> Subject:
    recipe = tailored(recipe, make("space", recipe.space)).recipe
    space, head = make_pair(recipe.space, recipe.head)
    compute = compute_for(recipe, space)
    return Subject(
        space=space,
        build=partial(build_network, space, head=head, keypoints=keypoints, compute=compute),
        description=describe_networks(recipe, space, head, keypoints),
        compute=compute,
        input_size=(head.view().height, head.view().width),
        batch_size=batch_size,
        threads=threads,
    )
