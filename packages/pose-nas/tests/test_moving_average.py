"""The moving average of weights: its formula, its use, and a training that is killed and resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.goals import Objective
from posenas.learning.architecture import Architecture
from posenas.learning.averaging import MovingAverage
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from torch import Tensor, nn
from toy_regression import BATCHES, Points, StopError, make_network

SETTINGS = TrainingSettings(optimizer="sgd", learning_rate=0.1, ema_decay=0.9, ema_ramp=3, accumulate=2)
EPOCHS = 3
SCORE = Objective("oks.AP", maximize=True, is_cost=False)


def regress(network: Any, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
    loss = (network(batch.images + 0.1 * rng.random()) - batch.keypoints).square().mean()
    loss.backward()
    return {"loss": float(loss.detach())}


def trained(
    file: Path,
    *,
    settings: TrainingSettings = SETTINGS,
    stop_at: int = 0,
    scores: Sequence[float] = (),
    objective: Objective = SCORE,
    **options: Any,
) -> tuple[dict[str, Tensor], float | None, list[Mapping[str, float]]]:
    """The weights at the end, the best score, and what was told after each epoch."""

    def stop(done: int, _total: int) -> None:
        if done == stop_at:
            raise StopError

    network, told, left = make_network(), [], list(scores)
    judged = {"validate": lambda _: left.pop(0), "objective": objective} if scores else {}
    best = train(
        network,
        Points(),
        step=regress,
        epochs=EPOCHS,
        settings=settings,
        seed=5,
        checkpoint=file,
        watch=Watch(stop, lambda _number, _of, losses: told.append(losses)),
        **judged,
        **options,
    )
    return network.state_dict(), best, told


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("ramp", [0, 2])
def test_the_average_is_the_sum_of_all_weights_by_hand(ramp: int) -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2))
    average = MovingAverage(network, decay=0.8, ramp=ramp)
    values = np.random.default_rng(1).normal(size=(5, 2, 2)).astype(np.float32)
    expected = network[0].weight.detach().double().numpy().copy()
    for step, value in enumerate(values, 1):
        network[0].weight.data.copy_(torch.tensor(value))
        network[1].num_batches_tracked.fill_(step)
        average.update()
        decay = 0.8 * (1 - math.exp(-step / ramp)) if ramp else 0.8
        expected = decay * expected + (1 - decay) * value
    with average.shown():
        np.testing.assert_allclose(network[0].weight.detach(), expected, rtol=1e-5)
        assert network[1].num_batches_tracked == 5
    np.testing.assert_array_equal(network[0].weight.detach(), values[-1])


def test_weights_of_two_names_are_exchanged_once() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    before = network[0].weight.detach().clone()
    average = MovingAverage(network, decay=0.5, ramp=0)
    network[0].weight.data.add_(1.0)
    average.update()
    with average.shown():
        torch.testing.assert_close(network[1].weight.detach(), before + 0.5)
    torch.testing.assert_close(network[1].weight.detach(), before + 1.0)


def test_a_training_ends_with_the_average_of_its_steps(tmp_path: Path) -> None:
    states: list[dict[str, Tensor]] = []

    class Recorder(MovingAverage):
        """Keeps the weights that it is told of."""

        def update(self) -> None:
            super().update()
            states.append({name: tensor.clone() for name, tensor in self._live.items()})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("posenas.learning.training.MovingAverage", Recorder)
        found, _, _ = trained(tmp_path / "a")
    expected = make_network().state_dict()
    assert len(states) == EPOCHS * 2, "two steps an epoch: of two batches, and of the one that is left"
    for step, state in enumerate(states, 1):
        decay = 0.9 * (1 - math.exp(-step / 3))
        for name, tensor in state.items():
            mean = decay * expected[name].double() + (1 - decay) * tensor.double()
            expected[name] = mean if tensor.is_floating_point() else tensor
    for name, tensor in found.items():
        torch.testing.assert_close(tensor.double(), expected[name].double(), rtol=1e-5, atol=1e-6)
    raw, _, _ = trained(tmp_path / "b", settings=replace(SETTINGS, ema_decay=0.0, ema_ramp=0))
    assert same(raw, states[-1]), "the training itself is that without an average"


def test_an_architecture_is_not_averaged(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    network = make_network()
    values = network[3].bias

    def look(_number: int, _of: int, _losses: Mapping[str, float]) -> None:
        seen.append(values.detach().clone())

    train(
        network,
        Points(),
        step=regress,
        epochs=1,
        settings=SETTINGS,
        seed=5,
        checkpoint=tmp_path / "c",
        watch=Watch(lambda *_: None, look),
        architecture=Architecture([values], 0.1, 0.0),
    )
    assert torch.equal(values.detach(), seen[-1]), "it ends as it was learnt"
    assert not torch.equal(values.detach(), make_network()[3].bias.detach())


@pytest.mark.parametrize("scores", [(), (0.2, 0.6, 0.4)], ids=["last", "best"])
@pytest.mark.parametrize("stop_at", [2, 4, 9])
def test_killed_and_resumed_is_straight(tmp_path: Path, scores: Sequence[float], stop_at: int) -> None:
    straight = trained(tmp_path / "straight", scores=scores)
    with suppress(StopError):
        trained(tmp_path / "killed", scores=scores, stop_at=stop_at)
    done = (stop_at - 1) // BATCHES
    resumed = trained(tmp_path / "killed", scores=scores[done:])
    assert same(resumed[0], straight[0])
    assert resumed[1] == straight[1]
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "straight").read_bytes()


def test_the_epoch_with_the_best_score_is_kept_with_its_average(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    def judge(network: nn.Module) -> float:
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return (0.2, float("nan"), 0.1)[len(seen) - 1]

    network, told = make_network(), []
    best = train(
        network,
        Points(),
        step=regress,
        epochs=EPOCHS,
        settings=SETTINGS,
        seed=5,
        checkpoint=tmp_path / "c",
        watch=Watch(lambda *_: None, lambda _number, _of, losses: told.append(losses)),
        validate=judge,
        objective=SCORE,
    )
    assert best == 0.2
    assert same(network.state_dict(), seen[0])
    assert [losses.get("oks.AP") for losses in told] == [0.2, None, 0.1], "NaN is worse than any score"
    ended, _, _ = trained(tmp_path / "d")
    assert same(ended, seen[-1]), "what was judged is what the training would have ended with"


def test_of_an_error_the_least_is_best(tmp_path: Path) -> None:
    error = Objective("toy.error", maximize=False, is_cost=False)
    _, best, told = trained(tmp_path / "a", scores=(0.3, 0.1, 0.2), objective=error)
    assert best == 0.1
    assert [losses["toy.error"] for losses in told] == [0.3, 0.1, 0.2]
