"""Looking colours up gives the bits that computing them gives."""

from __future__ import annotations

import pytest
import torch
from posenas.contract.normalisation import IMAGENET, UNIT, Normalisation
from posenas.data.augment import change_colours
from posenas.data.channels import to_unit
from posenas.data.normalising import normalise
from posenas.data.tabled_colours import finished_on_cpu

CAFFE = Normalisation("bgr", 1, (103.5, 116.3, 123.7), (57.4, 57.1, 58.4))


@pytest.mark.parametrize("normalisation", [IMAGENET, UNIT, CAFFE], ids=str)
@pytest.mark.parametrize("size", [(256, 192), (17, 13), (1, 1), (32, 24)], ids=str)
def test_tables_give_the_same_bits(normalisation: Normalisation, size: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(sum(size))
    for largest in (0, 0.2, 0.99):
        darkness = torch.rand((6, 1, 1, 1), generator=rng) * 6
        noise = torch.rand((6, *size, 3), generator=rng)
        images = (noise**darkness * 255).round().byte()
        factors = 1 + largest * (2 * torch.rand((6, 3), generator=rng) - 1)
        found = finished_on_cpu(images, factors, normalisation)
        one_by_one = zip(images.split(1), factors.split(1), strict=True)
        computed = [
            normalise(change_colours(to_unit(image), each), normalisation) for image, each in one_by_one
        ]
        assert torch.equal(found, torch.cat(computed))
        assert found.is_contiguous(memory_format=torch.channels_last)
