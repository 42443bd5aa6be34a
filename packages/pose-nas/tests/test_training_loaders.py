"""Loaders of a split's training batches: opened and ended by a split, and joined in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from posenas.composing.compose import compose
from posenas.contract.batches import Batch
from posenas.data.loader import ViewLoader
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import PairedLoader, Splits


@dataclass(frozen=True)
class Counted:
    """Batches of these sizes, whose numbers all are `value`."""

    sizes: Sequence[int]
    value: float

    @property
    def steps(self) -> int:
        return len(self.sizes)

    def epoch(self, number: int) -> Iterator[Batch]:
        for size in self.sizes:
            tensor = torch.full((size, 1), self.value + number)
            yield Batch(tensor, tensor, tensor)


def test_pairs_are_as_long_as_the_shorter_loader_and_halves_are_alike() -> None:
    loader = PairedLoader(Counted([3, 2, 3], 10.0), Counted([3, 3], 20.0))
    assert loader.steps == 2
    assert [batch.images.flatten().tolist() for batch in loader.epoch(1)] == [
        [11.0, 11.0, 11.0, 21.0, 21.0, 21.0],
        [11.0, 11.0, 21.0, 21.0],
    ]


@pytest.mark.parametrize("split", ["fit", "halves"])
def test_loaders_of_a_split_are_closed_behind_it(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(ViewLoader, "close", lambda self: closed.append(self))
    recipe = recipe_from_tables(
        {
            "space": {"name": "fixed", "width": 0.125},
            "strategy": {"name": "single", "epochs": 1},
            "head": {"name": "heatmap", "input_size": [64, 64]},
            "dataset": {"name": "synthetic", "train_images": 8, "val_images": 2},
            "evaluator": {"name": "oks"},
            "training": {"workers": 0, "batch_size": 2},
        }
    )
    splits = Splits(compose(recipe), warn=pytest.fail, advance=lambda *_: None)
    with splits.training(split, seed=3) as loader:
        first, again = (next(iter(loader.epoch(0))) for _ in range(2))
        assert len(first.images) == (4 if split == "halves" else 2)
        assert torch.equal(first.images, again.images)
        assert not closed
    assert len(closed) == (2 if split == "halves" else 1)
