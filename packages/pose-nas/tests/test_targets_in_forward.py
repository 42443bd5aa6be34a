"""A head that crops regions sees the truth in training, and its own regions everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
import torch
from posenas.contract.batches import Batch, Poses
from posenas.contract.genotype import Choice, Genotype
from posenas.contract.problem import Step
from posenas.learning.inference import EvaluationSettings, outputs_of
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.training import SupervisedStep
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from torch import Tensor, nn


class Stub(nn.Module):
    """A backbone whose maps are the images' first channels."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": images[:, : len(self.scale)] * self.scale[:, None, None]}


class RegionHead(nn.Module):
    """Reads the maps in one column: the true one where it is told, else the brightest."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[list[int]] = []

    def forward(self, features: Mapping[str, Tensor], targets: Tensor | None = None) -> Tensor:
        maps = features["out"].mean(1)
        columns = maps.sum(1).argmax(1) if targets is None else targets
        self.columns.append(columns.tolist())
        return maps[torch.arange(len(maps)), :, columns]

    def targets(self, batch: Batch) -> Tensor:
        return batch.keypoints[:, 0, 0].long()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.mean(1) - targets).square().mean()

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:
        return Poses(outputs[:, None, :2], outputs.new_zeros(len(batch.images), 1))


class Space:
    """Two widths of the stub."""

    def dimensions(self) -> dict[str, Choice]:
        return {"width": Choice((1, 2))}

    def sample(self, rng: Random) -> Genotype:
        return {"width": rng.choice((1, 2))}

    def build(self, genotype: Genotype) -> Stub:
        return Stub(genotype["width"])

    def largest(self) -> Genotype:
        return {"width": 2}

    def smallest(self) -> Genotype:
        return {"width": 1}


def make_batch() -> Batch:
    """Two views whose brightest column is 3, and whose people stand in columns 0 and 1."""
    images = torch.ones(2, 3, 2, 4)
    images[..., 3] = 5.0
    return Batch(images, torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]]]), torch.ones(2, 1))


@pytest.mark.parametrize("shared", [False, True])
def test_every_forward_pass_of_a_training_has_the_targets(shared: bool) -> None:
    space, head = Space(), RegionHead()
    step: Step = SandwichStep(space, 1, "off") if shared else SupervisedStep()
    network = (
        SharedPoseNetwork(
            lambda genotype: PoseNetwork(space.build(genotype), head), PoseNetwork(Stub(), head)
        )
        if shared
        else PoseNetwork(Stub(), head)
    )
    step(network, make_batch(), Random(1), update=print, progress=0.0)
    assert head.columns == [[0, 1]] * (3 if shared else 1)


def test_an_evaluation_has_none() -> None:
    network = PoseNetwork(Stub(), RegionHead())
    outputs_of(network, make_batch().images, EvaluationSettings(), stride=1)
    assert network.head.columns == [[3, 3]]
