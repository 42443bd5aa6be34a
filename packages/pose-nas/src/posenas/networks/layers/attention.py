"""Attention blocks: each computes one vector from a whole feature map, (N, C, H, W) to the same shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class GlobalContext(nn.Module):
    """An attention block that adds one vector, computed from the whole map, to every position.

    (N, C, H, W) to the same shape. It starts as the identity.

    Source: GCNet (Cao et al., 2019), as used by ViPNAS.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(16, channels // 16)
        self.mask = nn.Conv2d(channels, 1, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.LayerNorm([hidden, 1, 1])
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        attention = self.mask(features).flatten(2).softmax(dim=2)
        context = torch.matmul(features.flatten(2), attention.transpose(1, 2)).unsqueeze(3)
        context = relu(self.norm(self.squeeze(context)))
        added: Tensor = self.expand(context)
        return features + added


def linear_gate(scores: Tensor) -> Tensor:
    """Return clamp((scores + 1) / 2, 0, 1), which is 1/2 at 0.

    Source: the networks that ViPNAS (Xu et al., CVPR 2021) released.
    """
    return ((scores + 1) / 2).clamp(0, 1)


class SqueezeExcitation(nn.Module):
    """An attention block that multiplies every channel by a gate in [0, 1]: (N, C, H, W) to the same shape.

    It takes the mean over positions, a 1x1 convolution to `hidden` channels, the activation, a 1x1
    convolution back, and the gate. Both convolutions have a bias.

    Args:
        channels: C.
        hidden: channels between the two convolutions.
        activation: what is applied to the hidden channels.
        gate: a function from any number to one in [0, 1].

    Source: Hu et al., CVPR 2018.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        activation: Callable[[Tensor], Tensor] = relu,
        gate: Callable[[Tensor], Tensor] = linear_gate,
    ) -> None:
        super().__init__()
        self.activation, self.gate = activation, gate
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.activation(self.squeeze(features.mean(dim=(2, 3), keepdim=True)))
        return features * self.gate(self.expand(hidden))
