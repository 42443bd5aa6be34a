"""Whether gradients reach what is to be learnt: one small forward and backward pass that is computed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

SIDE = 64
"""Height and width of the pictures that networks compute on, in pixels."""


def pictures(count: int = 8) -> Tensor:
    """Return (count, 3, 64, 64) fixed pictures: noise in two sizes, so that every level sees some."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.randn(count, 3, SIDE, SIDE, generator=generator)
    coarse = torch.randn(count, 3, 2, 2, generator=generator)
    return 0.5 * fine + nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear", align_corners=False)


def weighted_sum(features: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of all maps with fixed random weights, which depends on each value of each map."""
    generator = torch.Generator().manual_seed(0)
    terms = [(each * torch.randn(each.shape, generator=generator)).sum() for each in features.values()]
    return torch.stack(terms).sum()


def gradient_problem(module: nn.Module) -> str:
    """Say what is wrong with the gradients that a backward pass left on the parameters; "" if nothing is.

    Parameters that do not require a gradient are left alone.
    """
    learnt = [(name, each) for name, each in module.named_parameters() if each.requires_grad]
    without = [name for name, each in learnt if each.grad is None]
    if without:
        return f"{len(without)} of {len(learnt)} parameters get no gradient, such as {', '.join(without[:3])}"
    gradients = {name: each.grad for name, each in learnt if each.grad is not None}
    wrong = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    if wrong:
        return f"the gradient of {', '.join(wrong[:3])} is not finite"
    if gradients and not any(gradient.any() for gradient in gradients.values()):
        return f"all {len(gradients)} parameters have gradients of 0"
    return ""
