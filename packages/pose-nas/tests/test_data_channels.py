"""Channel mixing against a matrix product written out."""

from __future__ import annotations

import pytest
import torch
from posenas.data.channels import mix_channels

DEVICES = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_every_pixel_times_its_images_matrix(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 5, 7, 3, generator=generator).to(device).permute(0, 3, 1, 2)
    matrices = torch.randn(3, 3, 4, generator=generator).to(device)
    expected = torch.einsum("nij,njhw->nihw", matrices[..., :3], images) + matrices[..., 3, None, None]
    mixed = mix_channels(images, matrices)
    torch.testing.assert_close(mixed, expected)
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_one_matrix_may_serve_all_images() -> None:
    images = torch.rand(4, 2, 2, 3).permute(0, 3, 1, 2)
    matrix = torch.eye(3, 4).expand(4, 3, 4)
    torch.testing.assert_close(mix_channels(images, matrix), images, rtol=0, atol=0)
