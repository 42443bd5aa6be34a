"""Loaders of a split's training batches: their processes live on for the next training, and end in time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import torch
from posenas.composing.phases import PhaseSettings
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.data.augment import Augmentation
from posenas.data.loader import BatchLoader
from posenas.learning.settings import TrainingSettings
from posenas.networks.processes import Processes
from posenas.searching.splits import Splits
from toy_search import Colour, ToyDataset, composed, refuse, sample


def made(*, workers: int = 1) -> Splits:
    settings = TrainingSettings(batch_size=2, workers=workers)
    pictures = [replace(sample(index), source=Colour(10 * index)) for index in range(1, 13)]
    composition = composed(
        dataset=ToyDataset(train=tuple(pictures)),
        training=settings,
        phases={
            "candidate": PhaseSettings(replace(settings, batch_size=3), Augmentation(flip=0.0, colour=0.4))
        },
    )
    return Splits(composition, warn=refuse, advance=lambda *_: None)


@pytest.fixture
def splits() -> Iterator[Splits]:
    with closing(made()) as opened:
        yield opened


def loading() -> set[int | None]:
    """The processes that load images now."""
    return {each.pid for each in multiprocessing.active_children()}


def epoch(loader: BatchLoader, number: int) -> list[Batch]:
    return list(loader.epoch(number))


def check_equal(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for name in ("images", "keypoints", "labelled"):
            assert torch.equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("split", ["fit", "halves"])
def test_the_next_training_has_the_same_processes_and_the_batches_of_new_ones(split: str) -> None:
    """They differ in all that trainings of a run may differ in; the first one ends within an epoch."""
    trainings: list[dict[str, Any]] = [
        {"seed": 3},
        {"seed": 4, "phase": "candidate"},
        {"seed": 4, "phase": "final", "processes": Processes(1, 2)},
        {"seed": 3},
    ]
    processes = []
    with closing(made()) as kept:
        for number, training in enumerate(trainings):
            with kept.training(split, **training) as loader:
                found = [next(iter(loader.epoch(0)))] if number == 0 else epoch(loader, number)
                processes.append(loading())
            assert loading() == processes[0]
            with made(workers=0).training(split, **training) as fresh:
                expected = epoch(fresh, number)
            check_equal(found, expected[: len(found)])
            assert loader.steps == fresh.steps
    assert len(processes[0]) == (2 if split == "halves" else 1)
    assert all(each == processes[0] for each in processes)
    assert not loading()


def test_another_split_ends_the_processes_and_has_its_own(splits: Splits) -> None:
    with splits.training("fit", seed=3) as loader:
        epoch(loader, 0)
    before = loading()
    with splits.training("train", seed=3) as loader:
        epoch(loader, 0)
        assert len(before) == len(loading()) == 1
        assert not before & loading()


def test_a_training_that_fails_ends_its_processes(splits: Splits) -> None:
    def fail() -> None:
        with splits.training("fit", seed=3) as loader:
            next(iter(loader.epoch(0)))
            assert loading()
            raise PosenasError("the loss is nan")

    with pytest.raises(PosenasError, match="the loss is nan"):
        fail()
    assert not loading()
    with splits.training("fit", seed=3) as loader:
        assert epoch(loader, 0)


def test_a_training_within_another_has_processes_of_its_own(splits: Splits) -> None:
    with splits.training("fit", seed=3) as outer:
        batches = outer.epoch(0)
        first = next(batches)
        with splits.training("fit", seed=5) as inner:
            epoch(inner, 0)
            assert len(loading()) == 2
        rest = list(batches)
    assert len(loading()) == 1
    with made(workers=0).training("fit", seed=3) as fresh:
        check_equal([first, *rest], epoch(fresh, 0))
