"""S-ViPNAS-Res50 and S-ViPNAS-MobileNetV3 as mmpose has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posenas import ImportedWeights
from posenas.weights import IMAGENET, POSE_HEAD, RESNET, Rules, has, keypoints_of, renamed

if TYPE_CHECKING:
    from torch import Tensor

_RES50 = {
    "conv1.weight": (48, 3, 7, 7),
    "layer1.3.attention.conv_mask.weight": (1, 80, 1, 1),
    "layer3.6.conv2.weight": (304, 19, 5, 5),
    "layer4.2.conv3.weight": (608, 608, 1, 1),
}
_MOBILENETV3 = {
    "conv1.conv.weight": (16, 3, 3, 3),
    "layer1.depthwise_conv.conv.weight": (16, 2, 3, 3),
    "layer2.expand_conv.conv.weight": (120, 16, 1, 1),
    "layer21.linear_conv.conv.weight": (160, 960, 1, 1),
}
_ATTENTION = {"conv_mask": "mask", "0": "squeeze", "1": "norm", "3": "expand"}
_PARTS = {"expand_conv": "expand", "depthwise_conv": "convolve", "linear_conv": "project"}
_GATE = {"1": "squeeze", "2": "expand"}
_LAYERS = {"conv": 0, "bn": 1}
_BLOCKS = [(1, 0), *((stage, index) for stage in range(2, 7) for index in range(4))]


def _block(number: str) -> str:
    stage, index = _BLOCKS[int(number) - 1]
    return f"backbone.stage{stage}.{index}"


def _part(match: re.Match[str]) -> str:
    return f"{_block(match[1])}.{_PARTS[match[2]]}.{_LAYERS[match[3]]}.{match[4]}"


_RULES_OF_RES50: Rules = (
    *RESNET,
    (
        r"layer(\d)\.(\d+)\.attention\.(?:channel_add_conv\.)?(conv_mask|[013])\.(.*)",
        lambda match: f"backbone.stage{match[1]}.{match[2]}.attention.{_ATTENTION[match[3]]}.{match[4]}",
    ),
    *POSE_HEAD,
)
_RULES_OF_MOBILENETV3: Rules = (
    (r"conv1\.(conv|bn)\.(.*)", lambda match: f"backbone.stem.{_LAYERS[match[1]]}.{match[2]}"),
    (r"layer(\d+)\.(\w+_conv)\.(conv|bn)\.(.*)", _part),
    (
        r"layer(\d+)\.se\.conv([12])\.conv\.(.*)",
        lambda match: f"{_block(match[1])}.attention.{_GATE[match[2]]}.{match[3]}",
    ),
    *POSE_HEAD,
)


def import_vipnas(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of one of the two networks that ViPNAS published.

    An older MobileNetV3 of mmpose convolves before the first block's depthwise convolution, which no network
    here does; it is not taken.
    """
    if has(published, _RES50):
        tensors = renamed(published, _RULES_OF_RES50)
        return ImportedWeights("S-ViPNAS-Res50", tensors, keypoints_of(tensors), normalisation=IMAGENET)
    if has(published, _MOBILENETV3) and "layer1.expand_conv.conv.weight" not in published:
        tensors = renamed(published, _RULES_OF_MOBILENETV3)
        return ImportedWeights("S-ViPNAS-MobileNetV3", tensors, keypoints_of(tensors), normalisation=IMAGENET)
    return None
