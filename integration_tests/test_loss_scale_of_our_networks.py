"""Every kind of network has its true gradients under fp16's loss scale, bit for bit in float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from posenas.composing.compose import compose
from posenas.contract.components import WeightSharing
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.training import SupervisedStep
from posenas.networks.loss_scale import LossScale
from posenas.networks.pose_network import SharedPoseNetwork
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import Splits
from torch import Tensor

pytestmark = pytest.mark.slow

COMPOSED: dict[str, Mapping[str, Any]] = {
    "super-network": {"space": {"name": "ofa"}, "strategy": {"name": "sandwich"}},
    "evo": {"space": {"name": "evo"}, "strategy": {"name": "neuroevolution"}},
    "fabric": {"space": {"name": "cnf"}, "strategy": {"name": "first-order"}, "head": {"name": "vector"}},
    "autopose": {"space": {"name": "autopose"}, "strategy": {"name": "gumbel"}},
    "kapao": {"space": {"name": "yolo"}, "strategy": {"name": "random"}, "head": {"name": "kapao"}},
    "zoom": {"space": {"name": "ofa"}, "strategy": {"name": "random"}, "head": {"name": "zoom"}},
}


@pytest.mark.parametrize("name", COMPOSED)
def test_gradients_are_the_same_with_a_loss_scale(name: str) -> None:
    points = 133 if name == "zoom" else 17
    made = compose(
        recipe_from_tables(
            {
                **COMPOSED[name],
                "dataset": {"name": "synthetic", "train_images": 4, "val_images": 2, "points": points},
                "training": {"workers": 0, "batch_size": 2},
            }
        )
    )
    splits = Splits(made, warn=pytest.fail, advance=lambda *_: None)
    with splits.training("train", seed=0) as loader:
        batch = next(iter(loader.epoch(0)))

    def gradients(scale: LossScale | None) -> dict[str, Tensor]:
        composition = replace(made, compute=replace(made.compute, autocast_dtype=None, loss_scale=scale))
        torch.manual_seed(0)
        step: Any = SupervisedStep()
        if name == "super-network":
            assert isinstance(composition.space, WeightSharing)
            network: Any = SharedPoseNetwork(composition.build, composition.holder())
            step = SandwichStep(composition.space, 1, "truth+teacher")
        else:
            network = composition.build(composition.space.sample(Random(3)))
        network.train()
        step(network, batch, Random(0), update=pytest.fail, progress=0.0)
        return {name: each.grad for name, each in network.named_parameters() if each.grad is not None}

    expected, found = gradients(None), gradients(LossScale())
    assert len(expected) > 10
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
