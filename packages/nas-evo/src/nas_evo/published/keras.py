"""Keras's EfficientNet-B0, and EvoPose2D in all its sizes: the same names, HDF5 files, Keras's padding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posenas import ImportedWeights
from posenas.weights import IMAGENET, Rules, has, keypoints_of, renamed

if TYPE_CHECKING:
    from torch import Tensor

_KERAS = {
    "stem_conv/kernel:0": (3, 3, 3, None),
    "block1a_dwconv/depthwise_kernel:0": (None, None, None, 1),
    "block7a_project_conv/kernel:0": (1, 1, None, None),
}
_PARTS = {
    "expand_conv": "expand.0",
    "expand_bn": "expand.1",
    "dwconv": "depthwise.0",
    "bn": "depthwise.1",
    "se_reduce": "excite.squeeze",
    "se_expand": "excite.expand",
    "project_conv": "project.0",
    "project_bn": "project.1",
}
_LAYERS = {"conv": 0, "bn": 1}
_NAMES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_ORDERS = {"kernel": (3, 2, 0, 1), "depthwise_kernel": (2, 3, 0, 1)}
"""The axes of torch's kernels, as places among Keras's: (h, w, in, out), or depthwise (h, w, in, 1)."""


def _part(match: re.Match[str]) -> str:
    module, letter, part, name = match.groups()
    block = ord(letter) - ord("a")
    return f"backbone.module{module}.{block}.{_PARTS[part]}.{_NAMES[name]}"


_RULES: Rules = (
    (
        r"stem_(conv|bn)/(\w+):0",
        lambda match: f"backbone.stem.{_LAYERS[match[1]]}.{_NAMES[match[2]]}",
    ),
    (r"block([1-7])([a-z])_(expand_conv|expand_bn|dwconv|bn|se_\w+|project_conv|project_bn)/(\w+):0", _part),
    (
        r"head_block(\d)_(conv|bn)/(\w+):0",
        lambda match: f"backbone.deconv{match[1]}.{_LAYERS[match[2]]}.{_NAMES[match[3]]}",
    ),
    (r"final_conv/(\w+):0", lambda match: f"head.convolution.{_NAMES[match[1]]}"),
)

_HIGH_MAPS = "its maps are 255 high where others are 1, and so are its scores"


def import_keras(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of a network of EfficientNet's blocks that Keras saved."""
    if not has(published, _KERAS):
        return None
    turned = {name: _turned(name, tensor) for name, tensor in published.items()}
    tensors = renamed(turned, _RULES)
    poses = "head.convolution.weight" in tensors
    return ImportedWeights(
        "EvoPose2D" if poses else "Keras's EfficientNet for ImageNet",
        tensors,
        keypoints_of(tensors),
        options={"space.padding": "keras"},
        normalisation=IMAGENET,
        remark=_HIGH_MAPS if poses else "",
    )


def _turned(name: str, tensor: Tensor) -> Tensor:
    order = _ORDERS.get(name.rpartition("/")[2].removesuffix(":0"))
    return tensor if order is None or tensor.ndim != len(order) else tensor.permute(order).contiguous()
