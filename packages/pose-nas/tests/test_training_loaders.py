"""Loaders of a split's training batches are ended behind it."""

from __future__ import annotations

import pytest
import torch
from posenas.composing.compose import compose
from posenas.data.loader import ViewLoader
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import Splits


@pytest.mark.parametrize("split", ["fit", "halves"])
def test_loaders_of_a_split_are_closed_behind_it(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(ViewLoader, "close", lambda self: closed.append(self))
    recipe = recipe_from_tables(
        {
            "space": {"name": "fixed", "width": 0.125},
            "strategy": {"name": "random", "epochs": 1},
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
