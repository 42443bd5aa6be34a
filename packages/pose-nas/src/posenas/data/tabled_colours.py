"""Training images finished on a CPU: what depends on a byte alone is looked up in a table of each image."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from posenas.contract.normalisation import UNIT, Normalisation
from posenas.data.augment import grey, saturation_matrices
from posenas.data.channels import to_unit
from posenas.data.normalising import normalisation_matrix


def finished_on_cpu(images: Tensor, factors: Tensor, normalisation: Normalisation) -> Tensor:
    """Return images as a network is fed them, to the bits of `change_colours` and then `normalise`.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        factors: (N, 3) of brightness, contrast and saturation.
        normalisation: how they become a network's input.

    Returns:
        (N, 3, H, W) float32, channels last in memory.
    """
    brightness, contrast, saturation = (factors[:, i].view(-1, 1, 1, 1) for i in range(3))
    finished = torch.empty(images.shape)
    if not len(images):
        return finished.movedim(3, 1)
    changed, mixed = (np.empty(images.shape[1:], np.float32) for _ in range(2))
    pixels, targets = images.numpy(), finished.numpy()
    every_byte = to_unit(torch.arange(256, dtype=torch.uint8).view(1, 1, 256, 1))
    bright = (every_byte * brightness).clamp_(0, 1)
    greys = []
    for image, table in zip(pixels, bright.flatten(1).numpy(), strict=True):
        cv2.LUT(image, table, dst=changed)
        greys.append(grey(torch.from_numpy(changed).movedim(2, 0).unsqueeze(0).mean((2, 3), keepdim=True)))
    tables = torch.lerp(torch.cat(greys), bright, contrast).clamp_(0, 1).flatten(1).numpy()
    matrices = saturation_matrices(saturation.squeeze(1)).numpy()
    feeding = None if normalisation == UNIT else normalisation_matrix(normalisation, finished).numpy()
    for image, table, matrix, target in zip(pixels, tables, matrices, targets, strict=True):
        cv2.LUT(image, table, dst=changed)
        cv2.transform(changed, matrix, dst=mixed)
        np.clip(mixed, 0, 1, out=target if feeding is None else mixed)
        if feeding is not None:
            cv2.transform(mixed, feeding, dst=target)
    return finished.movedim(3, 1)
