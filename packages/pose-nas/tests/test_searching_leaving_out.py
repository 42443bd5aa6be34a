"""What a pruned network keeps of the whole one's weights, and how far its outputs are from those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.runs.checkpoint import save_weights
from posenas.runs.journal import Journal
from posenas.runs.run import Run
from posenas.searching.effects import Memory
from posenas.searching.leaving_out import leaving_out
from posenas.searching.loading import fresh_network
from posenas.searching.resources import Resources
from safetensors.torch import load_file
from torch import Tensor, nn
from toy_search import MixedNetwork, MixedSpace, resources_in

WHOLE = {"width": 2, "alpha": [[0.5, 0.25]]}
PRUNED = {"width": 2, "alpha": [[0.0, -1e9]]}
"""The square weighs nothing, so its factor is not built."""


class ScaledNetwork(MixedNetwork):
    """A mixed network whose squares have a factor, which a network without squares lacks."""

    def __init__(self, width: int, *, squares: bool) -> None:
        super().__init__(width)
        self.scale = nn.Parameter(torch.full((1,), 1.5)) if squares else None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.convolution(images)
        first, second = torch.softmax(self.alpha, 1)[0]
        squares = 0.0 if self.scale is None else second * self.scale * features**2
        return {"features": first * features + squares}


@dataclass(frozen=True)
class PrunableSpace(MixedSpace):
    def build(self, genotype: Genotype) -> ScaledNetwork:
        network = ScaledNetwork(genotype["width"], squares=genotype["alpha"][0][1] > -1e8)
        self.set_values(network, genotype)
        return network


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    return resources_in(tmp_path, space=PrunableSpace())


@pytest.fixture
def weights(resources: Resources) -> Weights:
    torch.manual_seed(0)
    file = save_weights(resources.run.weights, fresh_network(resources, WHOLE))
    return Weights(file, shared=False)


def computed(resources: Resources, genotype: Genotype, weights: Weights) -> Mapping[str, Any]:
    effect = leaving_out(resources, genotype, weights, whole=WHOLE)
    result: Mapping[str, Any] = effect.compute(effect.key)
    return result


def test_the_key_of_leaving_out_stays_as_it_is(resources: Resources) -> None:
    effect = leaving_out(resources, PRUNED, Weights("own.safetensors", shared=False), whole=WHOLE)
    assert effect.name == "leave out"
    assert effect.inputs == {
        "genotype": PRUNED,
        "weights": "own.safetensors",
        "whole": WHOLE,
        "on": "ranking",
    }


def test_the_part_has_the_whole_ones_tensors_that_it_needs_and_values_of_its_own(
    resources: Resources, weights: Weights
) -> None:
    whole = load_file(resources.run.weights / weights.file)
    part = load_file(resources.run.weights / computed(resources, PRUNED, weights)["weights"])
    assert whole.keys() - part.keys() == {"backbone.scale"}
    for name, tensor in part.items():
        if name == "backbone.alpha":
            assert tensor.tolist() == PRUNED["alpha"]
        else:
            assert torch.equal(tensor, whole[name])


def test_the_change_is_that_of_the_outputs(resources: Resources, weights: Weights) -> None:
    same = computed(resources, WHOLE, weights)["change"]
    assert same == {"relative": 0.0, "largest": 0.0}
    change = computed(resources, PRUNED, weights)["change"]
    assert change["relative"] > 0
    assert change["largest"] > 0
    _, views = resources.splits.evaluated("ranking")
    images = [batch.images for batch in views.batches(64, device=torch.device("cpu"))]
    part = fresh_network(resources, PRUNED)
    whole = fresh_network(resources, WHOLE)
    whole.load_state_dict(load_file(resources.run.weights / weights.file))
    kept = {name: tensor for name, tensor in whole.state_dict().items() if name in part.state_dict()}
    part.load_state_dict({**kept, "backbone.alpha": torch.tensor(PRUNED["alpha"])})
    with torch.no_grad():
        differences = [whole(each) - part(each) for each in images]
    largest = max(float(each.abs().max()) for each in differences)
    assert change["largest"] == pytest.approx(largest, rel=1e-5)


def test_a_lost_part_is_cut_out_again_without_measuring_anything(
    resources: Resources, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(resources.run.path)
    warnings: list[str] = []
    memory = Memory(run, Journal(run.journal_file), warn=warnings.append)
    file = memory.perform(leaving_out(resources, PRUNED, weights, whole=WHOLE))["weights"]
    content = memory.read_weights(file)
    memory.discard(file)
    monkeypatch.setattr(
        "posenas.searching.leaving_out.measure_change", lambda *_: pytest.fail("measured again")
    )
    assert memory.read_weights(file) == content
    assert len(warnings) == 1
