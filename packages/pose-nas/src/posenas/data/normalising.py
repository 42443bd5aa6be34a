"""Images as networks are fed them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from posenas.contract.batches import View
from posenas.contract.components import Head
from posenas.contract.normalisation import UNIT, USUAL, Normalisation
from posenas.data.channels import mix_channels
from posenas.networks.constants import constant


def normalisation_of(view: View) -> Normalisation:
    """Return how a view's images are fed: as it says, or as is usual for its kind."""
    return view.normalisation or USUAL[view.kind]


def view_of(head: Head, normalisation: Normalisation | None) -> View:
    """Return what a head looks at, fed in another way than it says where one is given."""
    view = head.view()
    return view if normalisation is None else replace(view, normalisation=normalisation)


def fed(normalisation: Normalisation | None) -> str:
    """Return how images are fed, a clause that follows a semicolon; empty where it is as usual."""
    return "" if normalisation is None else f"; images are fed as {normalisation}"


def normalise(images: Tensor, by: Normalisation) -> Tensor:
    """Return images as a network is fed them.

    Args:
        images: (N, 3, H, W) float32 RGB from 0 to 1, channels last in memory.
        by: the rule.

    Returns:
        (N, 3, H, W) float32, channels last in memory; the same tensor where the rule changes nothing.
    """
    if by == UNIT:
        return images
    return mix_channels(images, normalisation_matrix(by, images).expand(len(images), 3, 4))


def normalisation_matrix(by: Normalisation, like: Tensor) -> Tensor:
    """Return the (3, 4) matrix by which pixels from 0 to 1 become a network's input.

    Args:
        by: the rule.
        like: gives the device and the type.
    """
    mean, deviation = constant(by.mean, like), constant(by.deviation, like)
    factors = torch.diag((255 / by.scale) / deviation)
    if by.order == "bgr":
        factors = factors.flip(1)
    return torch.cat([factors, (-mean / deviation).unsqueeze(1)], dim=1)
