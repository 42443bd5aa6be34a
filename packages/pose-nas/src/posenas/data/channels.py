"""Small matrices that all pixels of an image are multiplied by, to mix or to normalise its channels."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor


def to_unit(images: Tensor) -> Tensor:
    """Convert (N, H, W, 3) uint8 images to (N, 3, H, W) float32 from 0 to 1.

    The channels are last in memory: convolutions are faster so, and keep it that way to the head.
    """
    return images.permute(0, 3, 1, 2).float().div_(255)


def mix_channels(images: Tensor, matrices: Tensor) -> Tensor:
    """Multiply every pixel (r, g, b, 1) by its image's matrix.

    On a CPU OpenCV does it: with only three channels, last in memory, any torch operator that treats them
    differently takes five to ten times as long.

    Args:
        images: (N, 3, H, W) float32, channels last in memory.
        matrices: (N, 3, 4) float32 on the same device.

    Returns:
        (N, 3, H, W) float32, channels last in memory.
    """
    pixels = images.movedim(1, 3)
    if images.device.type != "cpu":
        mixed = pixels.flatten(1, 2) @ matrices[..., :3].mT + matrices[:, None, :, 3]
        return mixed.view_as(pixels).movedim(3, 1)
    mixed = torch.empty(pixels.shape)
    for image, matrix, target in zip(pixels.numpy(), matrices.numpy(), mixed.numpy(), strict=True):
        cv2.transform(image, matrix, dst=target)
    return mixed.movedim(3, 1)
