"""The space `fixed`: networks made by hand, by name."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated

from annotated_types import Gt, Le

from posenas.contract.genotype import Choice, Genotype, check_genotype, sample_uniform
from posenas.networks.backbones.hrnet import hrnet
from posenas.networks.backbones.mobilenetv2 import mobilenetv2
from posenas.networks.backbones.simple_baseline import simple_baseline_r50
from posenas.networks.layers.chain import Chain
from posenas.networks.layers.hrnet import HRNet

_NAMES = ("mobilenetv2", "simple-baseline-r50", "hrnet-w32", "hrnet-w48")


@dataclass(frozen=True)
class FixedSpace:
    """Hand-made networks to compare with. Its one dimension is the network's name."""

    width: Annotated[
        float, "factor of all channels, rounded to the nearest multiple of 8, at least 8", Gt(0), Le(8)
    ] = 1.0

    def dimensions(self) -> dict[str, Choice]:
        return {"name": Choice(_NAMES, ordered=False)}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Chain | HRNet:
        check_genotype(genotype, self.dimensions())
        match genotype["name"]:
            case "mobilenetv2":
                return mobilenetv2(self.width)
            case "simple-baseline-r50":
                return simple_baseline_r50(self.width)
            case "hrnet-w32":
                return hrnet(32, self.width)
            case _:
                return hrnet(48, self.width)
