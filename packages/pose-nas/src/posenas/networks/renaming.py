"""Names of published networks: rules that turn them into this project's, and what the layers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor

Rules: TypeAlias = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Patterns of whole names, each with its replacement: a template, or a function of the match."""

POSE_HEAD: Rules = (
    (
        r"deconv_layers\.(\d+)\.(.*)",
        lambda match: f"backbone.deconv.{int(match[1]) // 3}.{int(match[1]) % 3}.{match[2]}",
    ),
    (r"final_layer\.(weight|bias)", r"head.convolution.\1"),
)
"""SimpleBaseline's transposed convolutions and last layer, as its authors and mmpose call them."""

RESNET: Rules = (
    (r"conv1\.(.*)", r"backbone.stem.0.0.\1"),
    (r"bn1\.(.*)", r"backbone.stem.0.1.\1"),
    (r"layer(\d)\.(\d+)\.conv(\d)\.(.*)", r"backbone.stage\1.\2.conv\3.\4"),
    (r"layer(\d)\.(\d+)\.bn(\d)\.(.*)", r"backbone.stage\1.\2.norm\3.\4"),
    (r"layer(\d)\.(\d+)\.downsample\.(.*)", r"backbone.stage\1.\2.shortcut.\3"),
)
"""ResNet as torchvision calls its layers, and every pose network that was made of it."""

_KEYPOINTS = {16: "mpii-16", 17: "coco-17"}


def renamed(published: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Return the tensors by their names here; the first rule that matches counts.

    What no rule matches is left out, and so is what a rule gives an empty name.

    Args:
        published: by their own names.
        rules: tried in their order.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    found = {}
    for name, tensor in published.items():
        for pattern, replacement in compiled:
            match = pattern.fullmatch(name)
            if match:
                own = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
                if own:
                    found[own] = tensor
                break
    return found


def with_epsilon(tensors: Mapping[str, Tensor], *, theirs: float, ours: float) -> dict[str, Tensor]:
    """Return the tensors with batch norms that compute at one epsilon what they did at another one.

    The weight becomes w * sqrt((var + ours) / (var + theirs)), which is exact in evaluation.

    Args:
        tensors: by name; batch norms are known by their `running_var`.
        theirs: the epsilon of the published network.
        ours: the epsilon of the network here.
    """
    found = dict(tensors)
    for name, variance in tensors.items():
        path, _, last = name.rpartition(".")
        weight = f"{path}.weight"
        if last == "running_var" and weight in tensors:
            found[weight] = tensors[weight] * ((variance + ours) / (variance + theirs)).sqrt()
    return found


def keypoints_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the keypoint set that a heat-map head's number of rows tells; empty where it tells none."""
    rows = tensors.get("head.convolution.weight")
    return "" if rows is None else _KEYPOINTS.get(len(rows), "")


def has(tensors: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int | None]]) -> bool:
    """Tell whether there are tensors of these names and shapes.

    Args:
        tensors: by name.
        shapes: by name; None stands for any size.
    """
    return all(
        name in tensors
        and len(tensors[name].shape) == len(shape)
        and all(asked in (None, own) for asked, own in zip(shape, tensors[name].shape, strict=True))
        for name, shape in shapes.items()
    )
