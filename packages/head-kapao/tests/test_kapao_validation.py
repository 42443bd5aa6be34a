"""The loss of a whole split, however it is divided into batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from head_kapao.sizes import published
from posenas.composing.compose import compose
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.resources import make_resources
from posenas.searching.scoring import validation_loss


@pytest.mark.parametrize("confidence", [True, False])
def test_the_validation_loss_does_not_depend_on_the_batch(tmp_path: Path, confidence: bool) -> None:
    """At 256x192 as many images are in a batch as people are."""
    losses = []
    for size in (1, 3, 7):
        recipe = Recipe(
            space=ComponentChoice("yolo"),
            strategy=ComponentChoice("random"),
            head=ComponentChoice("kapao", {"input_size": [256, 192], "keypoint_confidence": confidence}),
            dataset=ComponentChoice("synthetic", {"train_images": 4, "val_images": 7, "max_people": 4}),
            evaluation={"batch_size": size},
            training={"workers": 0},
            precision="32",
        )
        composition = compose(recipe)
        run = create_run(tmp_path / str(size), composition.recipe)
        resources = make_resources(composition, run, warn=print, advance=lambda *_: None)
        torch.manual_seed(0)
        network = composition.build(published("tiny")).eval()
        _, views = resources.splits.evaluated("val")
        losses.append(validation_loss(composition, network, views))
        assert len(list(views.batches(size, device=torch.device("cpu")))) == -(-7 // size)
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
