import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.randomness import derive_rng, derive_seed
from posenas.learning.optimizers import make_optimizers
from posenas.learning.schedule import schedule
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Notes, Watch, train
from posenas.learning.updates import DivergedError
from safetensors.torch import load_file
from torch import Tensor, nn

SETTINGS = TrainingSettings(batch_size=4, learning_rate=0.05)


class Points:
    """Random regression batches that derive from the epoch's number."""

    steps = 3

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            inputs = torch.randn(32, 3, generator=generator)
            yield Batch(inputs, inputs.sum(1, keepdim=True), torch.ones(4, 1))


def regress(network: nn.Module, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
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


def use_one_branch(network: nn.Module, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
    """Leaves the other branch without a gradient, as a super-network's step does what it did not draw."""
    branch = network[rng.randrange(2)]  # type: ignore[index]
    loss = (branch(batch.images) - batch.keypoints).square().mean()
    loss.backward()
    return {"loss": float(loss.detach())}


def test_resuming_keeps_moving_what_an_epochs_first_step_has_no_gradient_for(tmp_path: Path) -> None:
    def run_branches(path: Path, epochs: tuple[int, ...]) -> bytes:
        for last in epochs:
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(3, 1), nn.Linear(3, 1))
            settings = replace(SETTINGS, schedule="step", warm_up=0.0)

            def stop(done: int, of: int, _losses: Mapping[str, float], last: int = last) -> None:
                if done == last < of:
                    raise StopError

            watch = Watch(step=lambda *_: None, epoch=stop)
            with suppress(StopError):
                train(
                    network,
                    Points(),
                    step=use_one_branch,
                    epochs=6,
                    settings=settings,
                    seed=3,
                    checkpoint=path,
                    watch=watch,
                )
        return path.read_bytes()

    assert run_branches(tmp_path / "a", (6,)) == run_branches(tmp_path / "b", (1, 2, 3, 4, 5, 6))


def frozen_training(settings: TrainingSettings, *, epochs: int, seed: int) -> dict[str, Tensor]:
    """The training loop as it was before gradients could be accumulated, and the checkpoint that it wrote."""

    def factor(progress: float) -> float:
        if progress < settings.warm_up:
            return (progress + 1e-3) / (settings.warm_up + 1e-3)
        if settings.schedule == "step":
            return 1.0 if progress < 0.80 else 0.1 if progress < 0.92 else 0.01
        return 0.5 * (1.0 + math.cos(math.pi * (progress - settings.warm_up) / (1.0 - settings.warm_up)))

    network, source = make_network(), Points()
    decayed = [network[0].weight, network[3].weight]  # type: ignore[index]
    free = [parameter for parameter in network.parameters() if all(parameter is not one for one in decayed)]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    total = epochs * source.steps
    network.train()
    for epoch in range(epochs):
        torch.manual_seed(derive_seed(seed, "torch", epoch))
        rng = derive_rng(seed, "step", epoch)
        for index, batch in enumerate(source.epoch(epoch)):
            position = epoch * source.steps + index
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * factor(position / total)
            regress(network, batch, rng)
            if settings.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    tensors: dict[str, Tensor] = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{slot}": tensor for slot, tensor in slots.items()}
    return tensors | {"epoch": torch.tensor(epochs)}


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, replace(SETTINGS, schedule="step", warm_up=0.3), replace(SETTINGS, clip_norm=0.1)],
    ids=["cosine", "step", "clipped"],
)
def test_defaults_give_the_bits_of_the_loop_before_accumulation(
    tmp_path: Path, settings: TrainingSettings
) -> None:
    train(
        make_network(),
        Points(),
        step=regress,
        epochs=5,
        settings=settings,
        seed=7,
        checkpoint=tmp_path / "c",
        watch=Watch(step=lambda *_: None, epoch=lambda *_: None),
    )
    found, expected = load_file(tmp_path / "c"), frozen_training(settings, epochs=5, seed=7)
    assert set(found) == {*expected, "seed", "checksum"}
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


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
    def explode(network: nn.Module, batch: Batch, rng: Random, **_: object) -> Mapping[str, float]:
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


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_of_a_checkpoint_is_told(tmp_path: Path, seed: int) -> None:
    run(tmp_path / "c")
    content = bytearray((tmp_path / "c").read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")  # of the tensors
    rng = Random(seed)
    content[rng.randrange(start, len(content)) if seed % 2 else rng.randrange(start)] ^= 1 << rng.randrange(8)
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(PosenasError, match=r"/c: .*delete it and resume the run"):
        run(tmp_path / "c")


def test_notes_of_earlier_epochs_are_kept_with_the_checkpoint(tmp_path: Path) -> None:
    def taken(path: Path, epochs: int) -> list[Any]:
        notes = Notes(lambda: {"is": next(numbers)})
        watch = Watch(step=lambda *_: None, epoch=lambda *_: None)
        train(
            make_network(),
            Points(),
            step=regress,
            epochs=epochs,
            settings=SETTINGS,
            seed=7,
            checkpoint=path,
            watch=watch,
            notes=notes,
        )
        return notes.taken

    numbers = itertools.count()
    assert taken(tmp_path / "c", 2) == [{"is": 0}, {"is": 1}]
    assert taken(tmp_path / "c", 3) == [{"is": 0}, {"is": 1}, {"is": 2}]
    assert taken(tmp_path / "c", 3) == [{"is": 0}, {"is": 1}, {"is": 2}]


def test_only_weights_with_more_than_one_axis_decay() -> None:
    network = make_network()
    groups = make_optimizers(network, replace(SETTINGS, weight_decay=0.1))["weights"].param_groups
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
