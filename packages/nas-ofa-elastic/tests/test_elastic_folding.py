"""Batch norms folded into the convolutions of the elastic spaces' networks."""

from __future__ import annotations

from random import Random

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas.networks.folding import fold_normalisations
from torch import nn


@pytest.mark.parametrize("backbone", ["tiny", "resnet50", "mobilenetv3", "hrnet-w32"])
def test_every_batch_norm_is_folded_and_the_outputs_stay(backbone: str) -> None:
    space = ElasticSpace(backbone)  # type: ignore[arg-type]
    torch.manual_seed(0)
    network = space.build(space.sample(Random(0))).double().eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        assert fold_normalisations(network) == len(norms)
        for level, features in network(images).items():
            torch.testing.assert_close(features, expected[level])
