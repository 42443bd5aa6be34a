"""Fresh weights as Keras draws them: variance 2 / fan-out, from a normal distribution cut at both ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_CUT = 2.0
"""The place of the cuts, in standard deviations of the whole normal distribution."""
_SHARE = math.erf(_CUT / math.sqrt(2))
"""The share of the whole distribution that is between the cuts."""
_CUT_DEVIATION = 0.87962566103423978
"""The standard deviation of the standard normal distribution between the cuts."""


def initialise(network: nn.Module) -> None:
    """Fill every convolution's weight, in place, and its bias with zeros.

    On the meta device there is nothing to fill.
    """
    if next(network.parameters()).is_meta:
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fill(module.weight, deviation=math.sqrt(2 / fan_out(module)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def fan_out(convolution: nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Return Keras's fan-out: the kernel's area times the last axis of Keras's kernel.

    That axis counts a convolution's outputs, a depthwise one's outputs for each input (1, so that k x k
    weights are not drawn as if they were C times as many), and a transposed convolution's inputs.
    """
    height, width = convolution.kernel_size
    if isinstance(convolution, nn.ConvTranspose2d):
        return height * width * convolution.in_channels
    return height * width * convolution.out_channels // convolution.groups


@torch.no_grad()
def fill(weight: Tensor, *, deviation: float) -> None:
    """Fill a weight, in place, from a normal distribution that is cut at twice its deviation.

    The values are drawn by the distribution's inverse: an evolution makes many networks, and
    `nn.init.trunc_normal_` takes six times as long.

    Args:
        weight: a tensor of any shape.
        deviation: the standard deviation that is left after the cut.
    """
    weight.uniform_(-_SHARE, _SHARE).erfinv_().mul_(math.sqrt(2) * deviation / _CUT_DEVIATION)
