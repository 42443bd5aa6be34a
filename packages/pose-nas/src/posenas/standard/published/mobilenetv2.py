"""MobileNetV2 by torchvision, and mmpose's pose network of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from posenas.contract.normalisation import IMAGENET
from posenas.contract.weights import ImportedWeights
from posenas.networks.renaming import POSE_HEAD, Rules, has, keypoints_of, renamed

_DEPTHS = (1, 2, 3, 4, 3, 3, 1)
_BLOCKS = [(stage, index) for stage, depth in enumerate(_DEPTHS, 1) for index in range(depth)]
_PARTS = ("expand", "convolve", "project")
_LAYERS = {"conv": 0, "bn": 1}

_TORCHVISION = {
    "features.0.0.weight": (32, 3, 3, 3),
    "features.1.conv.0.0.weight": (32, 1, 3, 3),
    "features.17.conv.2.weight": (320, 960, 1, 1),
    "features.18.0.weight": (1280, 320, 1, 1),
}
_MMPOSE = {
    "conv1.conv.weight": (32, 3, 3, 3),
    "layer1.0.conv.0.conv.weight": (32, 1, 3, 3),
    "layer7.0.conv.2.conv.weight": (320, 960, 1, 1),
    "conv2.conv.weight": (1280, 320, 1, 1),
}


def _block(match: re.Match[str]) -> str:
    """Return the name of a tensor in one of torchvision's blocks, which are counted through all stages.

    Its parts are `conv.0.0`, `conv.0.1`, `conv.1.0` and so on, but for the last two, `conv.2` and `conv.3`.
    """
    stage, index = _BLOCKS[int(match[1]) - 1]
    parts = _PARTS[1:] if stage == 1 else _PARTS
    part, inner = int(match[2]), match[3]
    if inner is None:
        part, inner = len(parts) - 1, str(part - len(parts) + 1)
    return f"backbone.stage{stage}.{index}.{parts[part]}.{inner}.{match[4]}"


def _mmpose_block(match: re.Match[str]) -> str:
    parts = _PARTS[1:] if match[1] == "1" else _PARTS
    return f"backbone.stage{match[1]}.{match[2]}.{parts[int(match[3])]}.{_LAYERS[match[4]]}.{match[5]}"


_RULES: Rules = (
    (r"features\.0\.(.*)", r"backbone.stem.\1"),
    (r"features\.18\.(.*)", r"backbone.features.\1"),
    (r"features\.(\d+)\.conv\.(\d)(?:\.(\d))?\.([a-z_]+)", _block),
    (r"conv1\.(conv|bn)\.(.*)", lambda match: f"backbone.stem.{_LAYERS[match[1]]}.{match[2]}"),
    (r"conv2\.(conv|bn)\.(.*)", lambda match: f"backbone.features.{_LAYERS[match[1]]}.{match[2]}"),
    (r"layer(\d)\.(\d)\.conv\.(\d)\.(conv|bn)\.(.*)", _mmpose_block),
    *POSE_HEAD,
)


def import_mobilenetv2(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of a MobileNetV2 of full width, with mmpose's head where it has one."""
    if has(published, _TORCHVISION):
        return ImportedWeights(
            "torchvision's MobileNetV2 for ImageNet", renamed(published, _RULES), normalisation=IMAGENET
        )
    if not has(published, _MMPOSE):
        return None
    tensors = renamed(published, _RULES)
    return ImportedWeights("mmpose's MobileNetV2", tensors, keypoints_of(tensors), normalisation=IMAGENET)
