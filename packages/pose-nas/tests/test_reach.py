"""Whether real dimensions have an effect, in a space whose gates leave branches out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
from posenas.composing.checks.fitting import check_strategy
from posenas.contract.components import Relaxed
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Dimension, Genotype, Real, sample_uniform
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.levels import Level
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn


class Gated(nn.Module):
    """One convolution, and one more for each open gate, weighed by the gate's values."""

    levels = (Level("features", stride=4, channels=8),)

    def __init__(self, gates: Sequence[bool]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.branches = nn.ModuleDict(
            {f"alpha{number}": nn.Conv2d(3, 8, 4, 4) for number, open_ in enumerate(gates) if open_}
        )
        self.values = {f"alpha{number}": torch.zeros(1, 2) for number in range(len(gates))}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.stem(images)
        for name, branch in self.branches.items():
            features = features + self.values[name].softmax(-1)[0, 0] * branch(images)
        return {"features": features}


@dataclass(frozen=True)
class GatedSpace:
    """Two gates, of which at most one is open at a time."""

    openable: tuple[str, ...] = ("none", "first", "second")

    def dimensions(self) -> Mapping[str, Dimension]:
        return {"open": Choice(self.openable), "alpha0": Real((1, 2)), "alpha1": Real((1, 2))}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Any:
        return Gated([genotype["open"] == "first", genotype["open"] == "second"])

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        for name, values in backbone.values.items():
            backbone.values[name] = values.requires_grad_()
        return dict(backbone.values)

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        raise AssertionError(f"no values of {genotype} are set in {backbone}")

    def discrete(self, genotype: Genotype) -> Genotype:
        raise AssertionError(f"{genotype} is not asked for")

    def prune(self, genotype: Genotype, threshold: float) -> Genotype:
        raise AssertionError(f"{genotype} is not asked for with {threshold}")


@dataclass(frozen=True)
class Learner:
    def requires(self) -> Sequence[type]:
        return (Relaxed,)

    def search(self, problem: Any) -> Any:
        raise AssertionError(f"{problem} is not searched")


def check(space: GatedSpace) -> None:
    recipe = Recipe(strategy=ComponentChoice("learner"), space=ComponentChoice("gated"))
    check_strategy(recipe, Learner(), space, HeatmapHead(input_size=(64, 64)), COCO_17)


def test_no_single_network_decides_what_can_be_learnt() -> None:
    check(GatedSpace())  # each network has one open gate at most, and so one branch of two


def test_what_no_network_depends_on_is_refused() -> None:
    with pytest.raises(PosenasError, match="depends on alpha1, so they cannot be learnt"):
        check(GatedSpace(("none", "first")))
    with pytest.raises(PosenasError, match="depends on alpha0, alpha1, so"):
        check(GatedSpace(("none",)))
