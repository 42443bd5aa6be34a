"""Weights taken from another run, which this run keeps a copy of."""

from __future__ import annotations

from pathlib import Path

from posenas.composing.composition import Composition
from posenas.composing.named_networks import find_network
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.networks.initial_weights import read_initial_weights
from posenas.runs.checkpoint import save_weights
from posenas.searching.effects import Effect
from posenas.searching.resources import Resources


def taking(resources: Resources, run: str, genotype: Genotype) -> Effect:
    """Return the effect that copies the weights of another run's best network; its result is their file.

    Args:
        resources: what the work is done with.
        run: the other run's folder.
        genotype: whose network is filled, all of it.

    Raises:
        PosenasError: where the folder holds no finished run, or its network is used in another way.
    """
    composition = resources.composition
    _check_alike(composition, run)
    weights = read_initial_weights(Path(run))

    def compute(_key: str) -> str:
        network = composition.build(genotype)
        weights.fill_whole(network, keypoints=composition.keypoints.names)
        return save_weights(resources.run.weights, network)

    return Effect("take", {"weights": weights.digest, "genotype": dict(genotype)}, compute)


def _check_alike(composition: Composition, run: str) -> None:
    """Refuse a run whose images are fed otherwise, or whose head has other options."""
    found = find_network(run)
    if found.recipe is None:
        raise PosenasError(f"{run}: not the folder of a finished run, whose weights could be taken")
    theirs, ours = found.recipe.head, composition.recipe.head
    if theirs.own_name != ours.own_name:
        raise PosenasError(
            f"{run}: its head is {theirs.own_name}, and this run's {ours.own_name}; take the same"
        )
    for name, value in ours.options.items():
        if _plain(theirs.options.get(name)) != _plain(value):
            raise PosenasError(
                f"{run}: its network has head.{name}={theirs.options.get(name)}, and this run {value}; give "
                "both the same"
            )
    if dict(found.recipe.normalisation) != dict(composition.recipe.normalisation):
        raise PosenasError(f"{run}: its images are fed otherwise; give both runs the same [normalisation]")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
