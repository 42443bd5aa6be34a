"""The residual blocks of ResNet (He et al., CVPR 2016), with grouped convolutions and attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from posenas.networks.layers.convolution import convolution
from posenas.networks.without_values import made


class BasicBlock(nn.Module):
    """A residual block of two 3x3 grouped convolutions and a shortcut: (N, C, H, W) to the same shape.

    Args:
        channels: C.
        groups: groups of channels in both convolutions.
        attention: applied to the residual before it is added to the shortcut; none where None.
    """

    def __init__(self, channels: int, *, groups: int, attention: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = made(nn.Conv2d, channels, channels, 3, 1, 1, groups=groups, bias=False)
        self.norm1 = made(nn.BatchNorm2d, channels)
        self.conv2 = made(nn.Conv2d, channels, channels, 3, 1, 1, groups=groups, bias=False)
        self.norm2 = made(nn.BatchNorm2d, channels)
        self.attention = nn.Identity() if attention is None else attention

    def forward(self, features: Tensor) -> Tensor:
        hidden = relu(self.norm1(self.conv1(features)), inplace=True)
        hidden = self.attention(self.norm2(self.conv2(hidden)))
        return relu(hidden + features, inplace=True)


class Bottleneck(nn.Module):
    """A residual block of 1x1, k x k grouped and 1x1 convolution, and a shortcut.

    (N, I, H, W) to (N, O, H / stride, W / stride).

    Args:
        in_channels: I.
        out_channels: O.
        mid: channels of the k x k convolution.
        kernel: k, odd.
        groups: groups of channels in the k x k convolution.
        stride: of the k x k convolution and of the shortcut.
        attention: applied to the residual before it is added to the shortcut; none where None.
        project: whether the shortcut is a 1x1 convolution, which is needed where the shape changes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mid: int,
        kernel: int,
        groups: int,
        stride: int,
        attention: nn.Module | None,
        project: bool,
    ) -> None:
        super().__init__()
        self.conv1 = made(nn.Conv2d, in_channels, mid, 1, bias=False)
        self.norm1 = made(nn.BatchNorm2d, mid)
        self.conv2 = made(nn.Conv2d, mid, mid, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm2 = made(nn.BatchNorm2d, mid)
        self.conv3 = made(nn.Conv2d, mid, out_channels, 1, bias=False)
        self.norm3 = made(nn.BatchNorm2d, out_channels)
        self.attention = nn.Identity() if attention is None else attention
        self.shortcut = (
            convolution(in_channels, out_channels, kernel=1, stride=stride, activation=None)
            if project
            else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        hidden = relu(self.norm1(self.conv1(features)), inplace=True)
        hidden = relu(self.norm2(self.conv2(hidden)), inplace=True)
        hidden = self.attention(self.norm3(self.conv3(hidden)))
        return relu(hidden + self.shortcut(features), inplace=True)
