"""The space `ofa`: networks that nest in one super-network (ViPNAS)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from posenas.genotype import Choice, Genotype, check_genotype, sample_uniform

from nas_ofa_elastic.blocks import Chain
from nas_ofa_elastic.family import Family
from nas_ofa_elastic.resnet50 import RESNET50
from nas_ofa_elastic.tiny import TINY, Pyramid, Tiny


@dataclass(frozen=True)
class ElasticSpace:
    """Elastic depth, width, kernel, groups and attention, chosen for each stage."""

    backbone: Annotated[
        Literal["tiny", "resnet50"], "tiny: about 128x96 and a CPU; resnet50: the space of ViPNAS, 256x192"
    ] = "tiny"

    def dimensions(self) -> dict[str, Choice]:
        return self._family().dimensions()

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Chain | Pyramid:
        check_genotype(genotype, self.dimensions())
        return self._family().build(genotype)

    def largest(self) -> Genotype:
        return {name: choice.values[-1] for name, choice in self.dimensions().items()}

    def smallest(self) -> Genotype:
        return {name: choice.values[0] for name, choice in self.dimensions().items()}

    def _family(self) -> Family | Tiny:
        return TINY if self.backbone == "tiny" else RESNET50
