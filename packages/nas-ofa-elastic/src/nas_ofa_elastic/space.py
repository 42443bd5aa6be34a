"""The space `ofa`: networks that nest in one super-network (ViPNAS)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Annotated, Literal

from annotated_types import Gt, Le, MinLen
from posenas import Choice, Genotype, MadeFor, check_genotype, sample_uniform
from posenas.layers import Chain, ElasticHRNet, HRNet

from nas_ofa_elastic.family import Family
from nas_ofa_elastic.hrnet import HRNET_W32
from nas_ofa_elastic.input_scale import ScaledInput
from nas_ofa_elastic.mobilenetv3 import MOBILENETV3, MobileNetV3
from nas_ofa_elastic.resnet50 import RESNET50
from nas_ofa_elastic.tiny import TINY, Pyramid, Tiny

_SCALE = "input.scale"
_RECIPES = {"resnet50": "vipnas-res50", "mobilenetv3": "vipnas-mbv3", "hrnet-w32": "vipnas-hrnet"}
_COCO_PEOPLE = 149_813


@dataclass(frozen=True)
class ElasticSpace:
    """Elastic depth, width, kernel, groups and attention, chosen for each stage; if asked, input size."""

    backbone: Annotated[
        Literal["tiny", "resnet50", "mobilenetv3", "hrnet-w32"],
        "tiny: about 128x96 and a CPU; the others: the spaces of ViPNAS, 256x192",
    ] = "tiny"
    input_scales: Annotated[
        tuple[Annotated[float, Gt(0), Le(1)], ...],
        "input sizes that a network may choose from, as shares of the view's size, increasing",
        MinLen(1),
    ] = (1.0,)

    def __post_init__(self) -> None:
        if any(smaller >= larger for smaller, larger in pairwise(self.input_scales)):
            raise ValueError(f"input_scales {list(self.input_scales)} do not increase; sort them")

    def dimensions(self) -> dict[str, Choice]:
        scale = {_SCALE: Choice(self.input_scales)} if self._scales_input() else {}
        return scale | self._family().dimensions()

    def sample(self, rng: Random) -> Genotype:
        """Draw uniformly, but group numbers only from those that divide the channels drawn before."""
        genotype = dict(sample_uniform(self.dimensions(), rng))
        return genotype | {name: rng.choice(values) for name, values in self.possible(genotype).items()}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that are built as they are; any other becomes the next lower one."""
        return self._family().possible(genotype)

    def build(self, genotype: Genotype) -> Chain | HRNet | Pyramid | ScaledInput:
        check_genotype(genotype, self.dimensions())
        network = self._family().build(genotype)
        return ScaledInput(network, genotype[_SCALE]) if self._scales_input() else network

    def largest(self) -> Genotype:
        return {name: choice.values[-1] for name, choice in self.dimensions().items()}

    def smallest(self) -> Genotype:
        first = {name: choice.values[0] for name, choice in self.dimensions().items()}
        return first | {name: values[0] for name, values in self.possible(first).items()}

    def made_for(self) -> MadeFor | None:
        """Return the settings of ViPNAS's trainings on COCO; None for tiny networks, which are not its."""
        if self.backbone == "tiny":
            return None
        return MadeFor(
            head={
                "name": "heatmap",
                "input_size": (256, 192),
                "encoding": "gaussian",
                "sigma": 2.0,
                "loss": "mse",
            },
            training={"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0, "schedule": "step"},
            views=210 * _COCO_PEOPLE,
            recipe=f"recipes/{_RECIPES[self.backbone]}.toml",
        )

    def _scales_input(self) -> bool:
        return self.input_scales != (1.0,)

    def _family(self) -> Family | Tiny | MobileNetV3 | ElasticHRNet:
        match self.backbone:
            case "tiny":
                return TINY
            case "resnet50":
                return RESNET50
            case "mobilenetv3":
                return MOBILENETV3
            case "hrnet-w32":
                return HRNET_W32
