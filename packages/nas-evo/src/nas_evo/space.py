"""The space `evo`: the networks that EvoPose2D was found among."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from posenas import Choice, Genotype, MadeFor, check_genotype, sample_uniform
from posenas.layers import Chain

from nas_evo.block import Convolving, Padding
from nas_evo.genes import ANCESTOR, FREE_STRIDES, dimensions, genotype_of
from nas_evo.mutation import mutate
from nas_evo.network import build_network
from nas_evo.scaling import SEARCHED_SIZE, drop_connect_limit, scale

_COCO_PEOPLE = 149_813

Side: TypeAlias = Annotated[int, Ge(32), Le(4096)]


@dataclass(frozen=True)
class EvoSpace:
    """Chains of inverted residuals in seven modules, evolved from EfficientNet-B0, and three transposed
    convolutions."""

    scaled_for: Annotated[
        tuple[Side, Side],
        "height and width that depth and width are scaled to from 256x192, pixels; other inputs work too",
    ] = SEARCHED_SIZE
    width: Annotated[
        float, "factor of all channels, rounded to a multiple of 8, at least 8", Gt(0), Le(8)
    ] = 0.25
    drop_connect: Annotated[
        float | None,
        "how often, of 1, training leaves out a block for a sample: from 0 at the first block up to nearly "
        "this at the last one; none: EfficientNet's rate for the size",
        Ge(0),
        Lt(1),
    ] = None
    momentum: Annotated[
        float, "share of the newest batch in batch norm's running statistics", Gt(0), Le(1)
    ] = 0.01
    padding: Annotated[
        Padding,
        "where convolutions of stride 2 look: around their pixel, or as Keras's do, for Keras's weights",
    ] = "symmetric"

    def dimensions(self) -> dict[str, Choice]:
        return dimensions()

    def sample(self, rng: Random) -> Genotype:
        """Draw uniformly, at the strides that an evolution may reach.

        At most one of modules 5 to 7 has stride 2.
        """
        halving = rng.choice((None, *FREE_STRIDES))
        strides = {f"module{number}.stride": 2 if number == halving else 1 for number in FREE_STRIDES}
        return {**sample_uniform(self.dimensions(), rng), **strides}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the strides of modules 7 to 5: 2 only if none of the others has it.

        A second one would stand for 1. The last module comes first, so that of several strides of 2 the one
        that counts is kept.
        """
        halving = {number for number in FREE_STRIDES if genotype[f"module{number}.stride"] == 2}
        return {
            f"module{number}.stride": (1,) if halving - {number} else (2, 1)
            for number in reversed(FREE_STRIDES)
        }

    def ancestor(self) -> Genotype:
        return genotype_of(ANCESTOR)

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        check_genotype(genotype, self.dimensions())
        return mutate(genotype, self.dimensions(), rng)

    def made_for(self) -> MadeFor | None:
        """Return the settings of the thesis's trainings on COCO; None for another width than the thesis's."""
        if self.width != 1.0:
            return None
        return MadeFor(
            head={
                "name": "heatmap",
                "input_size": self.scaled_for,
                "encoding": "gaussian",
                "sigma": 2.0 * self.scaled_for[0] / SEARCHED_SIZE[0],
                "loss": "mse",
            },
            training={
                "optimizer": "adam",
                "learning_rate": 2.5e-4,
                "reference_batch": 32,
                "weight_decay": 0.0,
            },
            views=200 * _COCO_PEOPLE,
            recipe="recipes/evopose2d-e3.toml",
        )

    def build(self, genotype: Genotype) -> Chain:
        check_genotype(genotype, self.dimensions())
        limit = drop_connect_limit(self.scaled_for) if self.drop_connect is None else self.drop_connect
        blueprint = scale(genotype, self.scaled_for, width=self.width)
        convolving = Convolving(self.momentum, self.padding)
        return build_network(blueprint, drop_connect=limit, convolving=convolving)
