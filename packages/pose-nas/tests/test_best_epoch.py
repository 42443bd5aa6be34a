"""The epoch with the least validation loss, and trainings that stop on their way."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from posenas.learning.updates import DivergedError
from torch import Tensor, nn
from toy_regression import Points, StopError, make_network

SETTINGS = TrainingSettings(batch_size=8, accumulate=2, learning_rate=0.05, weight_decay=2e-5)
LOSSES = (0.9, 0.3, 0.1 + 0.2, 0.1, 0.1, 0.7)
"""By epoch; the least comes twice."""


def regress(network: Any, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
    noise = rng.random() + torch.rand(()).item()
    loss = (network(batch.images + 0.01 * noise) - batch.keypoints).square().mean()
    loss.backward()
    return {"loss": float(loss.detach())}


@dataclass
class Script:
    """Answers with the losses in their order, and keeps the weights that it was asked about."""

    losses: Sequence[float]
    seen: list[dict[str, Tensor]] = field(default_factory=list)

    def __call__(self, network: nn.Module) -> float:
        assert not network.training
        assert not torch.is_grad_enabled()
        torch.rand(3)  # the next epoch must not notice
        self.seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return self.losses[len(self.seen) - 1]


def run(
    path: Path,
    *,
    validate: Callable[[nn.Module], float] | None,
    settings: TrainingSettings = SETTINGS,
    epoch: Callable[[int, int, Mapping[str, float]], None] = lambda *_: None,
    step: Callable[[int, int], None] = lambda *_: None,
) -> tuple[dict[str, Tensor], float | None]:
    network = make_network()
    least = train(
        network,
        Points(),
        step=regress,
        epochs=6,
        settings=settings,
        seed=5,
        checkpoint=path,
        watch=Watch(step=step, epoch=epoch),
        validate=validate,
    )
    return network.state_dict(), least


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_first_of_the_best_epochs_is_kept(tmp_path: Path) -> None:
    script = Script(LOSSES)
    told: list[float] = []
    state, least = run(
        tmp_path / "c", validate=script, epoch=lambda _n, _of, losses: told.append(losses["validation"])
    )
    assert least == 0.1
    assert tuple(told) == LOSSES
    assert same(state, script.seen[3])
    assert not same(state, script.seen[4])


def test_the_last_epoch_may_be_the_best(tmp_path: Path) -> None:
    script = Script((6, 5, 4, 3, 2, 1))
    state, least = run(tmp_path / "c", validate=script)
    assert least == 1
    assert same(state, script.seen[5])


def test_looking_does_not_change_the_training(tmp_path: Path) -> None:
    script = Script(LOSSES)
    run(tmp_path / "a", validate=script)
    unseen, least = run(tmp_path / "b", validate=None)
    assert least is None
    assert same(unseen, script.seen[5])


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("stops", [(1,), (2,), (3,), (4,), (5,), (6,), (1, 2, 3, 4, 5, 6)], ids=str)
def test_stopped_after_any_epoch_it_ends_with_the_same_bytes(
    tmp_path: Path, stops: tuple[int, ...], optimizer: Any
) -> None:
    settings = replace(SETTINGS, optimizer=optimizer)
    undisturbed, least = run(tmp_path / "a", validate=Script(LOSSES), settings=settings)
    done = 0
    for stop in stops:

        def end(epoch: int, _of: int, _losses: Mapping[str, float], stop: int = stop) -> None:
            if epoch == stop:
                raise StopError

        with pytest.raises(StopError):
            run(tmp_path / "b", validate=Script(LOSSES[done:]), settings=settings, epoch=end)
        done = stop
    resumed, again = run(tmp_path / "b", validate=Script(LOSSES[done:]), settings=settings)
    assert same(undisturbed, resumed)
    assert again == least
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("stop", range(1, 18))
def test_stopped_within_a_group_it_ends_with_the_same_bytes(tmp_path: Path, stop: int) -> None:
    def real_loss(network: nn.Module) -> float:
        return float((network(torch.ones(4, 3)) - 3.0).square().mean())

    def end(done: int, _of: int) -> None:
        if done == stop:
            raise StopError

    undisturbed, least = run(tmp_path / "a", validate=real_loss)
    with suppress(StopError):
        run(tmp_path / "b", validate=real_loss, step=end)
        pytest.fail("it was not stopped")
    resumed, again = run(tmp_path / "b", validate=real_loss)
    assert same(undisturbed, resumed)
    assert again == least
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_validation_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, loss: float
) -> None:
    with pytest.raises(DivergedError, match=rf"validation is {loss} in epoch 2; .*training\.learning_rate"):
        run(tmp_path / "a", validate=Script((0.5, loss)))
    resumed = Script(LOSSES[1:])
    state, least = run(tmp_path / "a", validate=resumed)
    assert len(resumed.seen) == 5
    assert least == 0.1
    assert same(state, resumed.seen[2])


def test_a_checkpoint_of_a_training_without_validation_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", validate=None)
    with pytest.raises(PosenasError, match="not this training's checkpoint"):
        run(tmp_path / "a", validate=Script(LOSSES))
