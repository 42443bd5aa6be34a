"""Gumbel-softmax: a random choice among alternatives that can be differentiated by their values.

The row (values + Gumbel noise) / temperature has a softmax that is nearly one-hot at a low temperature. Which
entry is the greatest does not depend on the temperature: it is each one as often as the softmax of the values
says (the Gumbel-max rule), exactly. The soft weights, at any temperature, are a differentiable function of
the values and of noise that does not depend on them. So the gradient of a loss of soft weights is an unbiased
estimate of the gradient of that loss's mean. The mean itself is another one than that of one-hot choices,
the nearer to it, the lower the temperature.

A straight-through choice has the one-hot weights in the forward pass, and the gradient of the soft ones. It
is unbiased for none of these means, unless the loss is linear in the weights: then its gradient is that of
the mean over soft weights.

Source: Jang et al. and Maddison et al., both ICLR 2017; one computed operation an edge is GDAS's (Dong and
Yang, CVPR 2019).
"""

from __future__ import annotations

import math
from random import Random

import torch
from torch import Tensor

_FINEST = 2.0**-52


def gumbel_noise(rng: Random, like: Tensor) -> Tensor:
    """Return independent standard Gumbel noise in the shape and type of a tensor, and on its device.

    The numbers are the same on every device.
    """
    noise = [-math.log(-math.log(_inside(rng))) for _ in range(like.numel())]
    return torch.tensor(noise, dtype=like.dtype).reshape(like.shape).to(like.device, non_blocking=True)


def _inside(rng: Random) -> float:
    """Return a number between 0 and 1 that is neither of them."""
    return (rng.getrandbits(52) + 0.5) * _FINEST


def perturbed(values: Tensor, rng: Random, *, temperature: float) -> Tensor:
    """Return values whose row softmax is a sample of the Gumbel-softmax.

    Args:
        values: the choices' values; rows are along the last axis.
        rng: draws the noise.
        temperature: above 0; the lower, the nearer is each row's softmax to one-hot.
    """
    return (values + gumbel_noise(rng, values)) / temperature


def straight_through(logits: Tensor) -> Tensor:
    """Return one-hot rows with the gradient of the rows' softmax.

    Each row's 1 is exact, and so are its 0s.

    Args:
        logits: what `perturbed` gave; rows are along the last axis.
    """
    soft = logits.softmax(-1)
    chosen = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
    return chosen + (soft - soft.detach())


def annealed(first: float, last: float, progress: float) -> float:
    """Return the temperature after a share of the training: it falls by the same factor in equal times.

    Args:
        first: at the beginning.
        last: at the end.
        progress: the share of the training that is done, in [0, 1].
    """
    return first * math.exp(progress * math.log(last / first))
