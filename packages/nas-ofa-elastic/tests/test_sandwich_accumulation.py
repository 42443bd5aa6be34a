"""The sandwich step, which adds up several gradients itself, with accumulated batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_17, Batch, Genotype
from posenas.composing.building import build_network
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from posenas.standard.heads.heatmap import HeatmapHead
from posenas.training import PoseNetwork, SandwichStep, SharedPoseNetwork
from torch.optim.optimizer import register_optimizer_step_pre_hook

SPACE = ElasticSpace("tiny")


@dataclass(frozen=True)
class OneBatch:
    """The same batch, so many times in an epoch."""

    steps: int

    def epoch(self, _number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(4, 3, 32, 32, generator=generator)
        poses = 31 * torch.rand(4, 17, 2, generator=generator)
        for _ in range(self.steps):
            yield Batch(images, poses, torch.ones(4, 17))


def build(genotype: Genotype) -> PoseNetwork:
    return build_network(SPACE, genotype, head=HeatmapHead(input_size=(32, 32)), keypoints=COCO_17)


def first_gradients(file: Path, *, accumulate: int) -> dict[str, torch.Tensor]:
    """Those that the optimiser's first step is given."""
    torch.manual_seed(0)
    network = SharedPoseNetwork(build, build(SPACE.largest()))
    given: list[dict[str, torch.Tensor]] = []

    def record(*_: object) -> None:
        weights = network.named_parameters()
        given.append({name: weight.grad.clone() for name, weight in weights if weight.grad is not None})

    handle = register_optimizer_step_pre_hook(record)
    try:
        train(
            network,
            OneBatch(accumulate),
            step=SandwichStep(SPACE, 0, "truth+teacher"),
            epochs=1,
            settings=TrainingSettings(batch_size=4, accumulate=accumulate),
            seed=0,
            checkpoint=file,
            watch=Watch(step=lambda *_: None, epoch=lambda *_: None),
        )
    finally:
        handle.remove()
    assert len(given) == 1
    return given[0]


def test_the_mean_over_equal_batches_is_that_of_one(tmp_path: Path) -> None:
    """Batch norm sees each batch alone, so the same one three times has the gradients of one."""
    once = first_gradients(tmp_path / "a", accumulate=1)
    thrice = first_gradients(tmp_path / "b", accumulate=3)
    assert len(once) > 50
    largest = max(float(gradient.abs().max()) for gradient in once.values())
    assert largest > 1e-3
    for name, gradient in once.items():
        torch.testing.assert_close(thrice[name], gradient, rtol=1e-4, atol=1e-6 * largest)
