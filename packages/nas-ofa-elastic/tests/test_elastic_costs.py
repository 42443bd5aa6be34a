"""Costs of several networks counted one after another, against each counted alone."""

from __future__ import annotations

from random import Random
from typing import Literal

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas.networks.counting import KnownCalls, measure
from posenas.networks.without_values import WithoutValues


@pytest.mark.parametrize("backbone", ["tiny", "resnet50", "mobilenetv3", "hrnet-w32"])
def test_remembered_layers_count_to_the_digit(
    backbone: Literal["tiny", "resnet50", "mobilenetv3", "hrnet-w32"],
) -> None:
    space, rng = ElasticSpace(backbone), Random(1)
    known: KnownCalls = {}
    for genotype in [space.largest(), *(space.sample(rng) for _ in range(3)), space.largest()]:
        with torch.device("meta"):
            alone = measure(space.build(genotype), (64, 64))  # type: ignore[arg-type]
        with torch.device("meta"), WithoutValues():
            network = space.build(genotype)
        assert measure(network, (64, 64), known=known) == alone  # type: ignore[arg-type]
