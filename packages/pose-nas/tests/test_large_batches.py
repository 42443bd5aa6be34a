"""Accumulated gradients, the learning rate of large batches, and the optimisers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.problem import Step
from posenas.learning.optimizers import make_optimizers
from posenas.learning.schedule import learning_rate
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

THESIS = TrainingSettings(
    batch_size=32,
    accumulate=16,
    learning_rate=2.5e-4,
    reference_batch=32,
    warm_up=0.025,
    warm_up_from=0.0625,
    optimizer="adam",
    weight_decay=2e-5,
    decay_depthwise=False,
)
"""Section 3.4.1 of McNally's thesis (EvoPose2D), batch 512."""


@dataclass(frozen=True)
class SizedLoader:
    """The same people in every epoch, in batches of the sizes given.

    Attributes:
        left_out: batches that `steps` counts but that never come, as where no image can be read.
    """

    sizes: Sequence[int]
    left_out: int = 0

    @property
    def steps(self) -> int:
        return len(self.sizes) + self.left_out

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        inputs = torch.randn(sum(self.sizes), 3, generator=generator, dtype=torch.float64)
        for part in torch.split(inputs, list(self.sizes)):
            yield Batch(part, part.prod(1, keepdim=True), part)


def plain(network: Any, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:  # noqa: ARG001
    loss = (network(batch.images) - batch.keypoints).square().mean()
    loss.backward()
    return {"loss": float(loss.detach())}


def several(network: Any, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
    """Two backward passes, one through a part of the network only, as in the sandwich rule."""
    losses = plain(network, batch, rng)
    other = (network[2](network[0](batch.images)) - batch.keypoints).abs().mean()
    other.backward()
    return {**losses, "other": float(other.detach())}


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def trained(
    folder: Path,
    sizes: Sequence[int],
    *,
    settings: TrainingSettings,
    step: Step = plain,
    left_out: int = 0,
    epochs: int = 3,
) -> dict[str, Tensor]:
    network = make_network()
    train(
        network,
        SizedLoader(sizes, left_out),
        step=step,
        epochs=epochs,
        settings=settings,
        seed=1,
        checkpoint=folder / f"{settings.accumulate}-{len(sizes)}",
        watch=Watch(step=lambda *_: None, epoch=lambda *_: None),
    )
    return network.state_dict()


@contextmanager
def recorded_steps() -> Iterator[list[tuple[float, list[Tensor]]]]:
    """The learning rate and the gradients of each optimiser step."""
    steps: list[tuple[float, list[Tensor]]] = []

    def record(optimizer: torch.optim.Optimizer, _arguments: Any, _options: Any) -> None:
        gradients = [weight.grad.clone() for group in optimizer.param_groups for weight in group["params"]]
        steps.append((optimizer.param_groups[0]["lr"], gradients))

    handle = register_optimizer_step_pre_hook(record)
    try:
        yield steps
    finally:
        handle.remove()


@pytest.mark.parametrize("step", [plain, several])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("clip_norm", [0.0, 0.3])
def test_four_batches_of_four_are_one_of_sixteen(
    tmp_path: Path, step: Step, optimizer: Any, clip_norm: float
) -> None:
    settings = TrainingSettings(learning_rate=0.05, optimizer=optimizer, clip_norm=clip_norm)
    whole = trained(tmp_path, [16, 16], step=step, settings=settings)
    parts = trained(tmp_path, [4] * 8, step=step, settings=replace(settings, accumulate=4))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", [plain, several])
def test_unequal_batches_are_weighed_by_their_people(tmp_path: Path, step: Step) -> None:
    settings = TrainingSettings(learning_rate=0.05)
    whole = trained(tmp_path, [13, 9], step=step, settings=settings)
    parts = trained(tmp_path, [4, 4, 5, 1, 6, 2], step=step, settings=replace(settings, accumulate=3))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-9, atol=1e-12)


def test_an_epoch_ends_with_a_smaller_group(tmp_path: Path) -> None:
    settings = TrainingSettings(learning_rate=0.05)
    whole = trained(tmp_path, [16, 12], settings=settings)
    parts = trained(tmp_path, [4] * 7, settings=replace(settings, accumulate=4))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-9, atol=1e-12)


def test_a_group_ends_with_its_epoch_though_batches_are_missing(tmp_path: Path) -> None:
    """No gradient waits for the next epoch, and an epoch's learning rate begins where it should."""
    settings = TrainingSettings(accumulate=4)
    with recorded_steps() as full:
        trained(tmp_path, [4] * 8, settings=settings, epochs=2)
    with recorded_steps() as short:
        trained(tmp_path, [4] * 6, left_out=2, settings=settings, epochs=2)
    assert [rate for rate, _ in short] == [rate for rate, _ in full]


def test_a_group_larger_than_the_epoch_is_the_epoch(tmp_path: Path) -> None:
    settings = TrainingSettings(accumulate=100)
    with recorded_steps() as steps:
        trained(tmp_path, [4] * 3, settings=settings, epochs=2)
    assert len(steps) == 2


def test_progress_is_told_for_every_batch(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    train(
        make_network(),
        SizedLoader([4] * 5),
        step=plain,
        epochs=2,
        settings=TrainingSettings(accumulate=3),
        seed=1,
        checkpoint=tmp_path / "c",
        watch=Watch(step=lambda done, of: told.append((done, of)), epoch=lambda *_: None),
    )
    assert told == [(done, 10) for done in range(1, 11)]


def test_the_norm_that_is_clipped_is_the_means(tmp_path: Path) -> None:
    """The sum of four gradients is above the norm, their mean below it."""
    free = TrainingSettings(accumulate=4)
    with recorded_steps() as steps:
        trained(tmp_path, [4] * 4, settings=free, epochs=1)
    norm = float(torch.cat([gradient.flatten() for gradient in steps[0][1]]).norm())
    with recorded_steps() as clipped:
        trained(tmp_path / "clipped", [4] * 4, settings=replace(free, clip_norm=2 * norm), epochs=1)
    assert all(torch.equal(*pair) for pair in zip(steps[0][1], clipped[0][1], strict=True))


def test_the_thesis_learning_rates(tmp_path: Path) -> None:
    """2.5e-4 to 16 times that over 5 of 200 epochs, one step each, then half a cosine over the other 195."""
    with recorded_steps() as steps:
        trained(tmp_path, [1] * 16, settings=THESIS, epochs=200)
    rates = [rate for rate, _ in steps]
    assert len(rates) == 200
    assert rates[:6] == pytest.approx([2.5e-4, 1.0e-3, 1.75e-3, 2.5e-3, 3.25e-3, 4.0e-3], rel=1e-12)
    known = {70: 3.0e-3, 135: 1.0e-3}  # cos(pi / 3) and cos(2 pi / 3)
    assert {epoch: rates[epoch] for epoch in known} == pytest.approx(known, rel=1e-12)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(2.5954e-7, rel=1e-4)


def test_the_learning_rate_follows_the_people_in_a_step() -> None:
    settings = TrainingSettings(batch_size=64, accumulate=2, learning_rate=0.001, warm_up=0.0)
    assert learning_rate(0.0, settings) == 0.001
    assert learning_rate(0.0, replace(settings, reference_batch=32)) == pytest.approx(0.004)
    assert learning_rate(0.0, replace(settings, reference_batch=256)) == pytest.approx(0.0005)


def test_warm_up_from_the_whole_learning_rate_is_none() -> None:
    settings = TrainingSettings(learning_rate=1.0, warm_up=0.5, warm_up_from=1.0)
    assert [learning_rate(progress, settings) for progress in (0.0, 0.3, 0.5)] == [1.0, 1.0, 1.0]


def test_adam_decays_through_the_gradient(tmp_path: Path) -> None:
    """Against Adam's update written out (Kingma and Ba 2015, algorithm 1), with the gradient of
    1e-2 / 2 x the sum of squared weights."""
    decay, rate, first, second, epsilon = 1e-2, 0.05, 0.9, 0.999, 1e-8
    settings = TrainingSettings(
        learning_rate=rate, optimizer="adam", weight_decay=decay, schedule="step", warm_up=0.0
    )
    network = make_network()
    expected = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    mean = {name: torch.zeros_like(weight) for name, weight in expected.items()}
    square = {name: torch.zeros_like(weight) for name, weight in expected.items()}
    batches = [batch for epoch in range(3) for batch in SizedLoader([8, 8]).epoch(epoch)]
    for number, batch in enumerate(batches, start=1):
        network.load_state_dict(expected)
        network.zero_grad()
        plain(network, batch, Random(0))
        now = rate if (number - 1) / 6 < 0.8 else 0.1 * rate
        for name, weight in network.named_parameters():
            assert weight.grad is not None
            gradient = weight.grad + (decay * expected[name] if name.endswith("weight") else 0.0)
            mean[name] = first * mean[name] + (1 - first) * gradient
            square[name] = second * square[name] + (1 - second) * gradient**2
            moment = mean[name] / (1 - first**number)
            spread = (square[name] / (1 - second**number)).sqrt() + epsilon
            expected[name] = expected[name] - now * moment / spread
    found = trained(tmp_path, [8, 8], settings=settings)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12)


def test_adam_is_not_adamw(tmp_path: Path) -> None:
    settings = TrainingSettings(learning_rate=0.05, weight_decay=0.1)
    one = trained(tmp_path / "a", [8, 8], settings=settings)
    other = trained(tmp_path / "b", [8, 8], settings=replace(settings, optimizer="adam"))
    assert not torch.equal(one["0.weight"], other["0.weight"])


def test_depthwise_kernels_are_left_out_where_asked() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3),  # one input channel, yet an ordinary kernel
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 12, 3, groups=6),  # two filters a channel
        nn.Conv2d(12, 12, 3, groups=4),
        nn.ConvTranspose2d(12, 12, 3, groups=12),
        nn.BatchNorm2d(12),
        nn.ConvTranspose2d(12, 1, 3),  # one output channel, yet an ordinary kernel
    )
    settings = TrainingSettings(weight_decay=0.1)
    kernels = [network[index].weight for index in (0, 1, 2, 3, 4, 6)]
    ordinary = [network[index].weight for index in (0, 3, 6)]
    for decay_depthwise, expected in ((True, kernels), (False, ordinary)):
        groups = make_optimizers(network, replace(settings, decay_depthwise=decay_depthwise))[
            "weights"
        ].param_groups
        assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
        assert [id(weight) for weight in groups[0]["params"]] == [id(weight) for weight in expected]
        assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
