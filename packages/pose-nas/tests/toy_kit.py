"""Sound components that pass every check of the kit; tests break one thing in each. And what the kit says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Dimension, Genotype, Real, sample_uniform
from posenas.contract.levels import Level
from posenas.contract.made_for import MadeFor
from posenas.testing import checks_for
from torch import Tensor, nn


def failures(kind: str, component: Any) -> dict[str, str]:
    """What each check that fails says, by its name."""
    found = {}
    for check in checks_for(kind, component):
        try:
            check(component)
        except PosenasError as error:
            found[check.name] = str(error)
    return found


class SoundNetwork(nn.Module):
    """One convolution at a quarter of the image, and two at an eighth of which real values choose."""

    def __init__(self, width: int, kernel: int, weights: Any) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.norm = nn.BatchNorm2d(width)
        self.first = nn.Conv2d(width, width, kernel, 2, kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, 2, kernel // 2)
        self.register_buffer("weights", torch.tensor(weights))
        self.levels = (Level("fine", 4, width), Level("coarse", 8, width))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.norm(self.stem(images)).relu()
        first, second = self.weights.softmax(-1)
        return {"fine": fine, "coarse": first * self.first(fine) + second * self.second(fine)}


@dataclass(frozen=True)
class SoundSpace:
    """A space with every capability."""

    network: type[Any] = SoundNetwork

    def dimensions(self) -> Mapping[str, Dimension]:
        return {"width": Choice((4, 8)), "kernel": Choice((1, 3)), "weights": Real((2,))}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Any:
        return self.network(genotype["width"], genotype["kernel"], genotype["weights"])

    def largest(self) -> Genotype:
        return {"width": 8, "kernel": 3, "weights": [0.0, 0.0]}

    def smallest(self) -> Genotype:
        return {"width": 4, "kernel": 1, "weights": [0.0, 0.0]}

    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        return {"kernel": (1, 3) if genotype["width"] == 8 else (1,)}

    def ancestor(self) -> Genotype:
        return self.smallest()

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        return {**genotype, "width": rng.choice((4, 8))}

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        if "weights" in backbone._buffers:
            values = backbone._buffers.pop("weights")
            backbone.weights = nn.Parameter(values)
        return {"weights": backbone.weights}

    @torch.no_grad()
    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        backbone.weights.copy_(torch.tensor(genotype["weights"]))

    def made_for(self) -> MadeFor | None:
        return MadeFor(head={"name": "heatmap", "sigma": 2.0}, training={"schedule": "step"})

    def derived(self, genotype: Genotype) -> Genotype:
        return {**{name: genotype[name] for name in self.dimensions()}, "kernel": 3}
