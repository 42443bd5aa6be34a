"""Leaving out parts of a network: what a pruned genotype's network still needs of the whole one's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.networks.devices import place
from posenas.networks.output_change import OutputChange, measure_change
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.checkpoint import save_weights
from posenas.searching.effects import Effect
from posenas.searching.loading import load_network, load_part, read_tensors
from posenas.searching.resources import Resources
from posenas.searching.scoring import images_of


def leaving_out(resources: Resources, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Effect:
    """Return the effect that saves the part of a whole network's weights that a pruned one needs.

    Its result has the weights file, and how far the part's outputs are from the whole one's, for the ranking
    people.

    Args:
        resources: what the work is done with.
        genotype: the pruned one.
        weights: of the whole one's network.
        whole: the genotype that was pruned.
    """
    on = resources.splits.ranking_split
    inputs = {"genotype": dict(genotype), "weights": weights.file, "whole": dict(whole), "on": on}

    def part() -> PoseNetwork:
        return load_part(resources, genotype, read_tensors(resources, weights.file))

    def again(_key: str) -> str:
        return save_weights(resources.run.weights, part())

    def compute(key: str) -> Mapping[str, Any]:
        change = _change(resources, load_network(resources, whole, weights), part(), on=on)
        return {"weights": again(key), "change": asdict(change)}

    return Effect("leave out", inputs, compute, again)


def _change(resources: Resources, first: PoseNetwork, second: PoseNetwork, *, on: str) -> OutputChange:
    """Return how the outputs change where the second network takes the first one's place."""
    _, views = resources.splits.evaluated(on)
    device = resources.composition.compute.device
    images = images_of(resources.composition, views)
    return measure_change(place(first, device).eval(), place(second, device).eval(), images)
