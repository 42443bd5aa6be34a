"""Steps that move groups of parameters themselves, in their order, and steps that follow the progress."""

# ruff: noqa: ARG001, ARG002

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Step, Update
from posenas.learning.architecture import Architecture, freeze
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

SETTINGS = TrainingSettings(learning_rate=0.02, warm_up=0.0, schedule="step")
BETAS = (0.5, 0.99)
EPOCHS = 3


class Mixed(nn.Module):
    """Two linear layers, mixed by the softmax of two values."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 1), nn.Linear(3, 1)
        self.values = nn.Parameter(torch.zeros(1, 2))

    def forward(self, inputs: Tensor, temperature: float = 1.0) -> Tensor:
        one, two = (self.values / temperature).softmax(1)[0]
        mixed: Tensor = one * self.first(inputs) + two * self.second(inputs).square()
        return mixed

    @property
    def weights(self) -> list[nn.Parameter]:
        return [*self.first.parameters(), *self.second.parameters()]


class Points:
    """Random regression batches that derive from the epoch's number."""

    steps = 5

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            inputs = torch.randn(8, 3, generator=generator)
            yield Batch(inputs, inputs.prod(1, keepdim=True), torch.ones(8, 1))


def loss_of(network: Mixed, batch: Batch, part: slice, temperature: float = 1.0) -> Tensor:
    return (network(batch.images[part], temperature) - batch.keypoints[part]).square().mean()


HALVES = slice(0, 4), slice(4, 8)


@dataclass(frozen=True)
class Alternating:
    """The weights on one half, then the architecture on the other, by the weights as they are then.

    Attributes:
        every: the architecture is moved in each batch whose number divides by it.
    """

    every: int = 1

    def __call__(
        self, network: Mixed, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        loss = loss_of(network, batch, HALVES[0])
        loss.backward(inputs=network.weights)  # type: ignore[no-untyped-call]
        update("weights")
        if round(progress * EPOCHS * Points.steps) % self.every:
            return {"loss": float(loss.detach())}
        validation = loss_of(network, batch, HALVES[1])
        validation.backward()  # type: ignore[no-untyped-call]  # what the weights get is cleared
        update("architecture")
        return {"loss": float(loss.detach()), "validation": float(validation.detach())}


@dataclass(frozen=True)
class Cooling:
    """A softmax whose temperature falls from 5 to nearly 0."""

    def __call__(
        self, network: Mixed, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        loss = loss_of(network, batch, slice(0, 8), temperature=5.0 * (1.0 - progress))
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": float(loss.detach())}


class StopError(Exception):
    pass


def trained(
    checkpoint: Path,
    step: Step,
    *,
    settings: TrainingSettings = SETTINGS,
    stop_at: int = 0,
    network: Mixed | None = None,
) -> Mixed:
    """The network after all epochs, stopped once and resumed."""
    for stop in (stop_at, 0):
        made = network or Mixed()

        def watch(done: int, _total: int, stop: int = stop) -> None:
            if done == stop:
                raise StopError

        with suppress(StopError):
            train(
                made,
                Points(),
                step=step,
                epochs=EPOCHS,
                settings=settings,
                seed=1,
                checkpoint=checkpoint,
                watch=Watch(watch, lambda *_: None),
                architecture=Architecture([made.values], 0.1, 0.3, BETAS),
            )
    return made


def by_hand(move: Callable[[Mixed, Batch, Any, Any, int], None], *, accumulate: int = 1) -> Mixed:
    """A loop with the two optimisers spelt out."""
    network = Mixed()
    weights = torch.optim.AdamW(
        [
            {"params": [network.first.weight, network.second.weight], "weight_decay": SETTINGS.weight_decay},
            {"params": [network.first.bias, network.second.bias], "weight_decay": 0.0},
        ]
    )
    values = torch.optim.AdamW([network.values], lr=0.1, weight_decay=0.3, betas=BETAS)
    updates = math.ceil(Points.steps / accumulate)
    for epoch in range(EPOCHS):
        for index, batch in enumerate(Points().epoch(epoch)):
            progress = (epoch * updates + index // accumulate) / (EPOCHS * updates)
            for group in weights.param_groups:
                group["lr"] = 0.02 * (1.0 if progress < 0.80 else 0.1 if progress < 0.92 else 0.01)
            move(network, batch, weights, values, epoch * Points.steps + index)
    return network


def assert_same(found: nn.Module, expected: nn.Module) -> None:
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("every", [1, 3])
def test_two_groups_are_moved_one_after_the_other(tmp_path: Path, every: int) -> None:
    def alternate(network: Mixed, batch: Batch, weights: Any, values: Any, number: int) -> None:
        network.zero_grad()
        loss_of(network, batch, HALVES[0]).backward()
        weights.step()
        if number % every == 0:
            network.zero_grad()
            loss_of(network, batch, HALVES[1]).backward()
            values.step()

    assert_same(trained(tmp_path / "c", Alternating(every)), by_hand(alternate))


def test_a_step_may_follow_the_progress(tmp_path: Path) -> None:
    def cool(network: Mixed, batch: Batch, weights: Any, values: Any, number: int) -> None:
        network.zero_grad()
        loss_of(network, batch, slice(0, 8), 5.0 * (1.0 - number / 15)).backward()
        weights.step()
        values.step()

    assert_same(trained(tmp_path / "c", Cooling()), by_hand(cool))


@pytest.mark.parametrize("stop_at", [3, 5, 9, 14])
@pytest.mark.parametrize("step", [Alternating(), Alternating(3), Cooling()], ids=str)
def test_stopped_and_resumed_it_ends_with_the_same_bytes(tmp_path: Path, step: Step, stop_at: int) -> None:
    trained(tmp_path / "a", step)
    trained(tmp_path / "b", step, stop_at=stop_at)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


@dataclass(frozen=True)
class Twice:
    """The weights move twice in a batch, and the architecture never gets a gradient."""

    def __call__(
        self, network: Mixed, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        for half in HALVES:
            loss = loss_of(network, batch, half)
            loss.backward(inputs=network.weights)  # type: ignore[no-untyped-call]
            update("weights")
        return {"loss": float(loss.detach())}


def test_a_group_may_move_twice_and_one_without_gradients_stays(tmp_path: Path) -> None:
    def twice(network: Mixed, batch: Batch, weights: Any, values: Any, number: int) -> None:
        for half in HALVES:
            network.zero_grad()
            loss_of(network, batch, half).backward()
            weights.step()

    found = trained(tmp_path / "c", Twice())
    assert_same(found, by_hand(twice))
    assert found.values.tolist() == [[0.0, 0.0]]


@dataclass(frozen=True)
class WeightsAlone:
    """The weights move within each step; the architecture as `accumulate` says."""

    def __call__(
        self, network: Mixed, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        loss = loss_of(network, batch, slice(0, 8))
        loss.backward()  # type: ignore[no-untyped-call]
        update("weights")
        return {"loss": float(loss.detach())}


def test_what_a_step_leaves_is_accumulated_as_ever(tmp_path: Path) -> None:
    def move(network: Mixed, batch: Batch, weights: Any, values: Any, number: int) -> None:
        gradient = network.values.grad
        network.zero_grad()
        loss_of(network, batch, slice(0, 8)).backward()
        weights.step()
        assert network.values.grad is not None
        index = number % Points.steps
        if index in (1, 3):
            network.values.grad = (gradient + network.values.grad) / 2
        if index in (1, 3, 4):
            values.step()

    halves = replace(SETTINGS, accumulate=2)
    found = trained(tmp_path / "c", WeightsAlone(), settings=halves)
    assert_same(found, by_hand(move, accumulate=2))


def test_accumulating_for_a_step_that_moves_all_groups_is_refused_before_an_epoch_ends(
    tmp_path: Path,
) -> None:
    with pytest.raises(PosenasError, match=r"moves all parameters in each batch, so training\.accumulate"):
        trained(tmp_path / "c", Alternating(), settings=replace(SETTINGS, accumulate=2))
    assert not (tmp_path / "c").exists()


@dataclass(frozen=True)
class Lost:
    """Moves a group that there is not."""

    def __call__(
        self, network: Mixed, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        update("controller")
        return {}


def test_a_group_that_there_is_not_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match="the group 'controller', and this training has weights, arch"):
        trained(tmp_path / "c", Lost())


def test_gradients_that_are_used_together_are_clipped_together(tmp_path: Path) -> None:
    norms: list[float] = []

    def record(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))

    handle = register_optimizer_step_pre_hook(record)
    try:
        trained(tmp_path / "a", Alternating(), settings=replace(SETTINGS, clip_norm=1e-3))
        assert norms == pytest.approx([1e-3] * len(norms), rel=1e-2)
        norms.clear()
        trained(tmp_path / "b", Cooling(), settings=replace(SETTINGS, clip_norm=1e-3))
    finally:
        handle.remove()
    pairs = torch.tensor(norms).reshape(-1, 2)
    torch.testing.assert_close(pairs.norm(dim=1), torch.full((15,), 1e-3), rtol=1e-2, atol=0.0)


def test_frozen_parameters_stay_as_they_are(tmp_path: Path) -> None:
    network, fresh = Mixed(), Mixed()
    freeze(network, ("first", "second.bias"))
    trained(tmp_path / "c", Cooling(), network=network)
    assert torch.equal(network.first.weight, fresh.first.weight)
    assert torch.equal(network.second.bias, fresh.second.bias)
    assert not torch.equal(network.second.weight, fresh.second.weight)
    assert not torch.equal(network.values, fresh.values)


def test_a_frozen_name_that_is_not_there_is_told() -> None:
    with pytest.raises(PosenasError, match="leave 'fir' as it is, and the network has no such part"):
        freeze(Mixed(), ("fir",))
