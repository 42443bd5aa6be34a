import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.batches import Batch
from posenas.errors import PosenasError
from posenas.training import DivergedError, TrainingSettings, Watch, make_optimizer, schedule, train
from torch import nn

SETTINGS = TrainingSettings(batch_size=4, learning_rate=0.05)


class Points:
    """Random regression batches that derive from the epoch's number."""

    steps = 3

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            inputs = torch.randn(32, 3, generator=generator)
            yield Batch(inputs, inputs.sum(1, keepdim=True), torch.ones(4, 1))


def regress(network: nn.Module, batch: Batch, rng: Random) -> Mapping[str, float]:
    """Uses both generators, so that a lost state would show."""
    noise = rng.random() + torch.rand(()).item()
    loss = (network(batch.images + 0.01 * noise) - batch.keypoints).square().mean()
    loss.backward()
    return {"loss": float(loss.detach())}


class StopError(Exception):
    pass


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def run(path: Path, *, epochs: int = 5, step: Any = regress, stop_at: int = 10**9) -> nn.Module:
    def count(done: int, _total: int) -> None:
        if done == stop_at:
            raise StopError

    network = make_network()
    watch = Watch(step=count, epoch=lambda *_: None)
    train(
        network, Points(), step=step, epochs=epochs, settings=SETTINGS, seed=7, checkpoint=path, watch=watch
    )
    return network


def test_it_learns(tmp_path: Path) -> None:
    losses: list[float] = []
    network = make_network()
    watch = Watch(step=lambda *_: None, epoch=lambda _n, _of, means: losses.append(means["loss"]))
    train(
        network,
        Points(),
        step=regress,
        epochs=40,
        settings=SETTINGS,
        seed=7,
        checkpoint=tmp_path / "c",
        watch=watch,
    )
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("stop_at", range(1, 15, 2))
def test_stopped_at_any_step_and_started_again_gives_the_same_bits(tmp_path: Path, stop_at: int) -> None:
    undisturbed = run(tmp_path / "a").state_dict()
    with pytest.raises(StopError):
        run(tmp_path / "b", stop_at=stop_at)
    resumed = run(tmp_path / "b").state_dict()
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_another_seed_gives_other_bits(tmp_path: Path) -> None:
    one = run(tmp_path / "a").state_dict()
    network = make_network()
    watch = Watch(step=lambda *_: None, epoch=lambda *_: None)
    train(
        network,
        Points(),
        step=regress,
        epochs=5,
        settings=SETTINGS,
        seed=8,
        checkpoint=tmp_path / "b",
        watch=watch,
    )
    assert not torch.equal(one["0.weight"], network.state_dict()["0.weight"])


def test_a_loss_that_is_no_number_stops_with_the_place_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    def explode(network: nn.Module, batch: Batch, rng: Random) -> Mapping[str, float]:
        losses = regress(network, batch, rng)
        return losses if calls.append(0) or len(calls) < 5 else {"loss": math.nan}

    calls: list[int] = []
    with pytest.raises(DivergedError, match=r"loss is nan in epoch 2, step 2.*training\.learning_rate"):
        run(tmp_path / "c", step=explode)
    assert (tmp_path / "c").exists()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"rubbish")
    with pytest.raises(PosenasError, match=r"/c: not a whole safetensors file"):
        run(tmp_path / "c")


def test_only_weights_with_more_than_one_axis_decay() -> None:
    network = make_network()
    groups = make_optimizer(network, replace(SETTINGS, weight_decay=0.1)).param_groups
    assert [parameter.ndim for parameter in groups[0]["params"]] == [2, 2]
    assert groups[0]["weight_decay"] == 0.1
    assert groups[1]["weight_decay"] == 0.0
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_schedules() -> None:
    cosine = [schedule(progress / 100, SETTINGS) for progress in range(100)]
    assert cosine[0] < 0.05
    assert max(cosine) == pytest.approx(1.0)
    assert cosine[-1] < 0.01
    assert cosine[5:] == sorted(cosine[5:], reverse=True)
    steps = replace(SETTINGS, schedule="step", warm_up=0.0)
    assert [schedule(progress, steps) for progress in (0.5, 0.85, 0.95)] == [1.0, 0.1, 0.01]
