"""The space `yolo`: networks like KAPAO's that nest in one super-network."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated

from posenas import Choice, Genotype, MadeFor, check_genotype, sample_uniform

from head_kapao.network import YoloNetwork
from head_kapao.sizes import Size, dimensions, published, stages_of

_COCO_IMAGES = 118_287
"""Those of train2017, with people or without."""


@dataclass(frozen=True)
class YoloSpace:
    """Depth, width and kernel of each stage of a cross-stage partial backbone and of a path aggregation
    network on it."""

    size: Annotated[
        Size, "the network that is varied: s, m and l are KAPAO's; tiny has a quarter of the width of s"
    ] = "tiny"

    def dimensions(self) -> dict[str, Choice]:
        return dimensions(self.size)

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> YoloNetwork:
        check_genotype(genotype, self.dimensions())
        return YoloNetwork(genotype["stem.width"], stages_of(genotype))

    def made_for(self) -> MadeFor | None:
        """Return the view of KAPAO's trainings on COCO; None for tiny networks, which are not KAPAO's."""
        if self.size == "tiny":
            return None
        return MadeFor(
            head={"name": "kapao", "input_size": (1280, 1280)},
            views=500 * _COCO_IMAGES,
            recipe="recipes/kapao-s.toml",
        )

    def largest(self) -> Genotype:
        return {name: choice.values[-1] for name, choice in self.dimensions().items()}

    def smallest(self) -> Genotype:
        return {name: choice.values[0] for name, choice in self.dimensions().items()}

    def ancestor(self) -> Genotype:
        """Return the network of this size as it was published."""
        return published(self.size)

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return a copy in which one dimension takes the next larger or the next smaller of its values.

        All dimensions are equally likely.
        """
        choices = self.dimensions()
        check_genotype(genotype, choices)
        name = rng.choice(list(choices))
        values = choices[name].values
        place = values.index(genotype[name])
        near = [values[each] for each in (place - 1, place + 1) if 0 <= each < len(values)]
        return {**genotype, name: rng.choice(near)}
