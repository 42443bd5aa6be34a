"""EfficientNet-B0 for ImageNet by torchvision and by timm: the ancestor that the evolution begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posenas import ImportedWeights
from posenas.weights import IMAGENET, Rules, has, renamed, with_epsilon

from nas_evo.block import EPSILON

if TYPE_CHECKING:
    from torch import Tensor

_THEIR_EPSILON = 1e-5
_TORCHVISION = {
    "features.0.0.weight": (32, 3, 3, 3),
    "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
    "features.7.0.block.3.0.weight": (320, 1152, 1, 1),
}
_TIMM = {
    "conv_stem.weight": (32, 3, 3, 3),
    "blocks.0.0.se.conv_reduce.weight": (8, 32, 1, 1),
    "blocks.6.0.conv_pwl.weight": (320, 1152, 1, 1),
}
_PADDING = "they are for space.padding=symmetric, the default"
_DEEPER = ("features.1.1.block.0.0.weight", "blocks.0.1.conv_dw.weight")
_PARTS = ("expand", "depthwise", "excite", "project")
_GATE = {"fc1": "squeeze", "fc2": "expand", "conv_reduce": "squeeze", "conv_expand": "expand"}
_OF_FIRST = {"conv_dw": "depthwise.0", "bn1": "depthwise.1", "conv_pw": "project.0", "bn2": "project.1"}
_OF_OTHERS = {
    "conv_pw": "expand.0",
    "bn1": "expand.1",
    "conv_dw": "depthwise.0",
    "bn2": "depthwise.1",
    "conv_pwl": "project.0",
    "bn3": "project.1",
}


def _torchvision_part(match: re.Match[str]) -> str:
    module, block, part, inner, rest = match.groups()
    parts = _PARTS[1:] if module == "1" else _PARTS
    return f"backbone.module{module}.{block}.{parts[int(part)]}.{_GATE.get(inner, inner)}.{rest}"


def _timm_part(match: re.Match[str]) -> str:
    module, block, part, rest = match.groups()
    own = (_OF_FIRST if module == "0" else _OF_OTHERS).get(part) or f"excite.{_GATE[part[3:]]}"
    return f"backbone.module{int(module) + 1}.{block}.{own}.{rest}"


_RULES: Rules = (
    (r"features\.0\.(.*)", r"backbone.stem.\1"),
    (r"features\.([1-7])\.(\d)\.block\.(\d)\.(\d|fc1|fc2)\.(.*)", _torchvision_part),
    (r"conv_stem\.(.*)", r"backbone.stem.0.\1"),
    (r"bn1\.(.*)", r"backbone.stem.1.\1"),
    (r"blocks\.(\d)\.(\d)\.(conv_\w+|bn\d|se\.conv_\w+)\.(.*)", _timm_part),
)


def import_efficientnet(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of an EfficientNet-B0 of torch, fitted to the epsilon of this space's batch norms.

    Files of timm whose name begins with `tf_` have Keras's epsilon and padding, and the same names and
    shapes: they cannot be told apart.
    """
    if not (has(published, _TORCHVISION) or has(published, _TIMM)) or any(
        name in published for name in _DEEPER
    ):
        return None
    tensors = with_epsilon(renamed(published, _RULES), theirs=_THEIR_EPSILON, ours=EPSILON)
    return ImportedWeights(
        "an EfficientNet-B0 for ImageNet", tensors, normalisation=IMAGENET, remark=_PADDING
    )
