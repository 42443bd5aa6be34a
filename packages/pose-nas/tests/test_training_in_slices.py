"""A training that is cut into slices ends with the bits of one that is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Span
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Notes, Watch, train
from posenas.runs.checkpoint import seed_of
from safetensors.torch import load_file
from torch import nn

SETTINGS = TrainingSettings(batch_size=4, learning_rate=0.05, warm_up=0.4)
EPOCHS = 6


class Points:
    """Random regression batches that derive from the epoch's number."""

    steps = 3

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            inputs = torch.randn(8, 3, generator=generator)
            yield Batch(inputs, inputs.sum(1, keepdim=True), torch.ones(8, 1))


class Regress:
    """Uses both generators and notes the progress, so that whatever is lost would show."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    def __call__(
        self, network: nn.Module, batch: Batch, rng: Random, *, progress: float, **_: object
    ) -> Mapping[str, float]:
        self.progress.append(progress)
        noise = rng.random() + torch.rand(()).item() + progress
        loss = (network(batch.images + 0.01 * noise) - batch.keypoints).square().mean()
        loss.backward()
        return {"loss": float(loss.detach())}


class StopError(Exception):
    pass


def make_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def train_slice(
    checkpoint: Path,
    span: Span,
    epochs: int,
    *,
    step: Regress,
    settings: TrainingSettings = SETTINGS,
    state: Path | None = None,
    stop_at: int = 0,
) -> list[Any]:
    """What was noted after each epoch of the whole training until then.

    Args:
        stop_at: the batch of the whole training after which it is stopped.
    """

    def stop(done: int, total: int) -> None:
        assert total == 3 * span.of
        if done == stop_at:
            raise StopError

    network = make_network()
    notes = Notes(lambda: network[0].weight[0, 0].item())
    train(
        network,
        Points(),
        step=step,
        epochs=epochs,
        settings=settings,
        seed=7,
        checkpoint=checkpoint,
        watch=Watch(stop, lambda *_: None),
        notes=notes,
        span=span,
        state=state,
    )
    return notes.taken


def train_slices(
    folder: Path, cuts: Sequence[int], *, settings: TrainingSettings = SETTINGS, stop_at: int = 0
) -> tuple[bytes, list[Any], list[float]]:
    """The last checkpoint, all notes and each step's progress; the slice that is stopped is begun again."""
    folder.mkdir()
    state, begin, step = None, 0, Regress()
    for epochs in cuts:
        checkpoint, span = folder / str(begin), Span(begin, EPOCHS)
        with suppress(StopError):
            train_slice(checkpoint, span, epochs, step=step, settings=settings, state=state, stop_at=stop_at)
        notes = train_slice(checkpoint, span, epochs, step=step, settings=settings, state=state)
        state, begin = checkpoint, begin + epochs
    return checkpoint.read_bytes(), notes, step.progress


@pytest.mark.parametrize("cuts", [(2, 1, 3), (1, 1, 1, 1, 1, 1), (5, 1)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, schedule="step", warm_up=0.0),
        replace(SETTINGS, optimizer="adam", accumulate=2, clip_norm=0.1, warm_up_from=0.1),
        replace(SETTINGS, optimizer="sgd", nesterov=True, warm_up=2.0, ema_decay=0.9, ema_ramp=3),
    ],
    ids=["adamw", "step", "adam", "average"],
)
def test_slices_end_with_the_same_bytes(tmp_path: Path, settings: TrainingSettings, cuts: Any) -> None:
    whole = train_slices(tmp_path / "whole", (EPOCHS,), settings=settings)
    slices = train_slices(tmp_path / "slices", cuts, settings=settings)
    assert slices == whole
    assert whole[2] == [number / 18 for number in range(18)]
    assert len(whole[1]) == EPOCHS


@pytest.mark.parametrize("stop_at", range(1, 18, 4))
def test_a_slice_that_was_stopped_ends_with_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    whole = train_slices(tmp_path / "whole", (EPOCHS,))
    slices = train_slices(tmp_path / "slices", (2, 1, 3), stop_at=stop_at)
    assert slices[:2] == whole[:2]
    assert len(slices[2]) > len(whole[2])  # an epoch was begun twice


def test_a_call_without_a_span_is_a_whole_training(tmp_path: Path) -> None:
    train_slices(tmp_path / "whole", (EPOCHS,))
    train(
        make_network(),
        Points(),
        step=Regress(),
        epochs=EPOCHS,
        settings=SETTINGS,
        seed=7,
        checkpoint=tmp_path / "plain",
        watch=Watch(lambda *_: None, lambda *_: None),
    )
    expected, found = load_file(tmp_path / "whole" / "0"), load_file(tmp_path / "plain")
    assert set(expected) - set(found) == {"notes"}
    assert all(torch.equal(found[name], expected[name]) for name in set(found) - {"checksum"})


def test_the_state_of_another_epoch_is_refused(tmp_path: Path) -> None:
    train_slice(tmp_path / "a", Span(0, 6), 2, step=Regress())
    with pytest.raises(PosenasError, match="is that after epoch 2 of 6, and it is to go on after epoch 3"):
        train_slice(tmp_path / "b", Span(3, 6), 2, step=Regress(), state=tmp_path / "a")
    with pytest.raises(PosenasError, match="is that after epoch 0 of 6, and it is to go on after epoch 3"):
        train_slice(tmp_path / "b", Span(3, 6), 2, step=Regress())


def test_a_state_tells_the_seed_of_its_training(tmp_path: Path) -> None:
    train_slice(tmp_path / "a", Span(0, 6), 1, step=Regress())
    assert seed_of(tmp_path / "a") == 7
