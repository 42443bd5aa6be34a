"""A searchable head in small: how many hidden numbers it has, and which of two layers comes last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

import torch
from posenas import Batch, Choice, Dimension, Genotype, Level, Poses, View, sample_uniform
from torch import Tensor, nn

SIZE = 16
LAST = ("plain", "square")


class ChosenModule(nn.Module):
    """From the mean of the deepest features to hidden numbers, and by the chosen layer to the keypoints."""

    def __init__(self, level: Level, hidden: int, *, keypoints: int, last: Sequence[str]) -> None:
        super().__init__()
        self.level = level.name
        self.keypoints = keypoints
        self.entry = nn.Linear(level.channels, hidden)
        self.last = nn.ModuleDict({name: nn.Linear(hidden, 2 * keypoints) for name in last})

    def forward(self, features: Mapping[str, Tensor], targets: Any = None) -> Tensor:  # noqa: ARG002
        (name, layer), *others = self.last.items()
        assert not others, "a holder does not run"
        hidden = self.entry(features[self.level].mean(dim=(2, 3)))
        outputs: Tensor = layer(hidden.square() if name == "square" else hidden)
        return outputs.reshape(-1, self.keypoints, 2)

    def targets(self, batch: Batch) -> Tensor:
        return batch.keypoints / batch.images.shape[3]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def distillation_loss(self, outputs: Tensor, teacher: Tensor) -> Tensor:
        return (outputs - teacher.detach()).square().mean()

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:
        return Poses(outputs * batch.images.shape[3], torch.ones(outputs.shape[:2]))


@dataclass(frozen=True)
class ChosenHead:
    input_size: tuple[int, int] = (SIZE, SIZE)
    hidden: int = 8
    last: tuple[str, ...] = LAST[:1]

    def view(self) -> View:
        return View("person", *self.input_size)

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        return levels[-1:]

    def build(self, levels: Sequence[Level], keypoints: Any) -> Any:
        return ChosenModule(levels[0], self.hidden, keypoints=len(keypoints), last=self.last)


@dataclass(frozen=True)
class ToySearchableHead:
    """Both are searched; of the dimension `last` the values have tensors of their own."""

    input_size: Annotated[tuple[int, int], "height and width of the view, pixels"] = (SIZE, SIZE)
    searched: Annotated[bool, "whether there is a choice at all"] = True

    def view(self) -> View:
        return View("person", *self.input_size)

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:  # noqa: ARG002
        raise AssertionError("a searched head reads nothing itself")

    def build(self, levels: Sequence[Level], keypoints: Any) -> Any:  # noqa: ARG002
        raise AssertionError("a searched head builds nothing itself")

    def dimensions(self) -> Mapping[str, Dimension]:
        return {"hidden": Choice((2, 4, 8)), "last": Choice(LAST, ordered=False)} if self.searched else {}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def largest(self) -> Genotype:
        return {"hidden": 8, "last": "plain"}

    def smallest(self) -> Genotype:
        return {"hidden": 2, "last": "plain"}

    def chosen(self, genotype: Genotype) -> ChosenHead:
        return ChosenHead(self.input_size, genotype["hidden"], (genotype["last"],))

    def holder(self) -> ChosenHead:
        return ChosenHead(self.input_size, 8, LAST)
