"""A searched network for clips: its guides count, and poses of a still clip do not drift away."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from posenas.composing.compose import compose
from posenas.data.crops import load_crops
from posenas.data.person_crop import person_crops
from posenas.prediction.trained import load_trained
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.search import search
from posenas.standard.synthetic.dataset import SyntheticDataset
from torch import Tensor

FRAMES = 30


def searched(folder: Path) -> Path:
    recipe = Recipe(
        space=ComponentChoice("ofa-video", {"key_epochs": 10}),
        strategy=ComponentChoice(
            "sandwich", {"epochs": 3, "candidates": 3, "calibration_people": 64, "final_epochs": 6}
        ),
        dataset=ComponentChoice("synthetic", {"frames": 8, "train_images": 2400, "val_images": 96}),
        training={"workers": 0},
        evaluation={"ranking_people": 64},
        device="cpu",
    )
    composition = compose(recipe)
    search(composition, create_run(folder, composition.recipe), events=Events({}, complain=print))
    return folder


@pytest.mark.slow
def test_poses_of_a_still_clip_do_not_drift(tmp_path: Path) -> None:
    trained = load_trained(searched(tmp_path / "run"), assignments=(), flags={})
    network = trained.network
    stills = list(SyntheticDataset(val_images=480, frames=8).split("val"))[::8]
    crops = load_crops(
        person_crops(stills),
        stills,
        trained.view,
        keypoints=trained.keypoints,
        workers=0,
        on_unreadable=pytest.fail,
    )
    (batch,) = crops.batches(len(crops), device=torch.device("cpu"))

    def poses(frame: int, guide: Tensor) -> tuple[Tensor, Tensor]:
        outputs, told = network.look(frame, batch.images, guide)
        found = cast(Any, network.head).frames[frame].decode(outputs, batch).keypoints
        return found[batch.labelled > 0], told

    with torch.no_grad():
        _, key_guide = network.look(0, batch.images, None)
        for frame in range(1, network.frames):
            first, guide = poses(frame, key_guide)
            alone, _ = poses(frame, torch.zeros_like(key_guide))
            last = first
            for _ in range(FRAMES - 1):
                last, guide = poses(frame, guide)
            moved = (last - first).norm(dim=1)
            print(
                frame,
                moved.median(),
                moved.mean(),
                (alone - first).norm(dim=1).mean(),
                (last - first).mean(0),
            )
            assert moved.median() <= 0.5
            assert (last - first).mean(0).norm() <= 0.5
            assert (alone - first).norm(dim=1).mean() > 0.5
