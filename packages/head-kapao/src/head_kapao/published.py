"""KAPAO's published files: their names, and the order of channels where features meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posenas import ImportedWeights
from posenas.weights import UNIT, Rules, has, renamed

if TYPE_CHECKING:
    from torch import Tensor

_KAPAO = {
    "model.0.conv.conv.weight": (None, 12, 3, 3),
    "model.10.cv2.conv.weight": (None, None, 1, 1),
    "model.32.cv3.conv.weight": (None, None, 1, 1),
    "model.33.m.3.weight": (None, None, 1, 1),
}
_PLACES = {
    1: "backbone.p2.0",
    2: "backbone.p2.1",
    3: "backbone.p3.0",
    4: "backbone.p3.1",
    5: "backbone.p4.0",
    6: "backbone.p4.1",
    7: "backbone.p5.0",
    8: "backbone.p5.1",
    9: "backbone.p6.0",
    10: "backbone.p6.1",
    11: "backbone.p6.2",
    12: "narrow.p5",
    15: "top_down.p5",
    16: "narrow.p4",
    19: "top_down.p4",
    20: "narrow.p3",
    23: "top_down.p3",
    24: "halve.p4",
    26: "bottom_up.p4",
    27: "halve.p5",
    29: "bottom_up.p5",
    30: "halve.p6",
    32: "bottom_up.p6",
}
"""The layers by their numbers in the authors' network."""
_STAGE = {"cv1": "enter", "cv2": "bypass", "cv3": "merge"}
_POOLING = {"cv1": "enter", "cv2": "merge"}
_BOTTLENECK = {"cv1": "reduce", "cv2": "convolve"}
_LAYERS = {"conv": 0, "bn": 1}


def _place(number: str) -> str:
    return f"backbone.{_PLACES[int(number)]}"


def _part(match: re.Match[str]) -> str:
    parts = _POOLING if match[1] == "10" else _STAGE
    return f"{_place(match[1])}.{parts[match[2]]}.{_LAYERS[match[3]]}.{match[4]}"


def _bottleneck(match: re.Match[str]) -> str:
    number, index, part, layer, rest = match.groups()
    return f"{_place(number)}.bottlenecks.{index}.{_BOTTLENECK[part]}.{_LAYERS[layer]}.{rest}"


_RULES: Rules = (
    (
        r"model\.0\.conv\.(conv|bn)\.(.*)",
        lambda match: f"backbone.stem.convolve.{_LAYERS[match[1]]}.{match[2]}",
    ),
    (r"model\.33\.m\.(\d)\.(.*)", r"head.outputs.\1.\2"),
    (
        r"model\.(\d+)\.(conv|bn)\.(.*)",
        lambda match: f"{_place(match[1])}.{_LAYERS[match[2]]}.{match[3]}",
    ),
    (r"model\.(\d+)\.(cv[123])\.(conv|bn)\.(.*)", _part),
    (r"model\.(\d+)\.m\.(\d+)\.(cv[12])\.(conv|bn)\.(.*)", _bottleneck),
)
_JOINED: Mapping[str, int] = {
    r"backbone\.backbone\.p6\.1\.merge\.0\.weight": 4,
    r"backbone\.(backbone\.p\d\.\d|top_down\.p\d|bottom_up\.p\d)\.merge\.0\.weight": 2,
    r"backbone\.(top_down|bottom_up)\.p\d\.(enter|bypass)\.0\.weight": 2,
}
"""Kernels that read joined features, each with how many meet there. The first pattern that matches counts."""


def import_kapao(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of a KAPAO of any size.

    Where S features of C channels meet, the authors' channel s * C + c is c * S + s here.
    """
    if not has(published, _KAPAO):
        return None
    tensors = {name: _ordered(name, tensor) for name, tensor in renamed(published, _RULES).items()}
    return ImportedWeights("KAPAO", tensors, _keypoints(tensors), normalisation=UNIT)


def _ordered(name: str, kernel: Tensor) -> Tensor:
    sources = next((number for pattern, number in _JOINED.items() if re.fullmatch(pattern, name)), 1)
    if sources == 1:
        return kernel
    shape = kernel.shape
    return kernel.reshape(shape[0], sources, -1, *shape[2:]).transpose(1, 2).reshape(shape)


def _keypoints(tensors: Mapping[str, Tensor]) -> str:
    """Return the keypoint set that the number of outputs tells: 3 anchors of 3 K + 6 channels each."""
    rows = len(tensors["head.outputs.0.weight"])
    return {171: "coco-17", 144: "crowdpose-14"}.get(rows, "")
