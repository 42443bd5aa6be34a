"""Tiny exported networks, which need no training: what they find is written into them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

NAMES = ("nose", "left_eye", "right_eye")
KEYPOINTS = {
    "set": "three",
    "names": list(NAMES),
    "limbs": [[0, 1], [0, 2]],
    "flip_pairs": [[1, 2]],
    "sigmas": [0.05, 0.05, 0.05],
    "parts": {"head": [0, 1, 2]},
    "regions": {},
    "categories": [1],
}
PLACES = np.array([[[23.5, 31.5], [10, 20], [40, 20]]], np.float32)
"""Where a person's keypoints are in each crop, of 48 x 64 pixels."""
FOUND = np.array([[[8, 8], [4, 4], [12, 4]], [[20, 20], [18, 18], [22, 18]]], np.float32)
"""Where two people's keypoints are in each whole image, of 32 x 32 pixels."""
BOXES = np.array([[2, 2, 14, 14], [16, 16, 26, 30]], np.float32)

Write = Callable[..., Path]


def constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def tensor(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def person_model() -> onnx.ModelProto:
    """Keypoints at PLACES, each of which scores the crop's mean brightness, 0 to 1."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["brightness"]),
        helper.make_node("Unsqueeze", ["brightness", "last"], ["column"]),
        helper.make_node("Add", ["column", "zeros"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "last"], ["deep"]),
        helper.make_node("Mul", ["deep", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "places"], ["keypoints"]),
    ]
    initial = [
        constant("axes", np.array([1, 2, 3])),
        constant("white", np.float32(255)),
        constant("last", np.array([-1])),
        constant("zeros", np.zeros((1, 3), np.float32)),
        constant("nothing", np.float32(0)),
        constant("places", PLACES),
    ]
    inputs = [tensor("images", TensorProto.UINT8, ["N", 64, 48, 3])]
    outputs = [
        tensor("keypoints", TensorProto.FLOAT, ["N", 3, 2]),
        tensor("scores", TensorProto.FLOAT, ["N", 3]),
    ]
    return _model(nodes, inputs, outputs, initial)


def image_model() -> onnx.ModelProto:
    """Two people in any image, at FOUND and BOXES; the second one scores a tenth of the pitch."""
    nodes = [
        helper.make_node("Identity", ["found"], ["keypoints"]),
        helper.make_node("Identity", ["sure"], ["scores"]),
        helper.make_node("Identity", ["edges"], ["boxes"]),
        helper.make_node("Mul", ["pitch", "tenth"], ["second"]),
        helper.make_node("Concat", ["first", "second"], ["person_scores"], axis=0),
    ]
    initial = [
        constant("found", FOUND),
        constant("sure", np.full((2, 3), 0.5, np.float32)),
        constant("edges", BOXES),
        constant("tenth", np.float32(0.1)),
        constant("first", np.array([0.9], np.float32)),
    ]
    inputs = [
        tensor("images", TensorProto.UINT8, ["N", 32, 32, 3]),
        tensor("pitch", TensorProto.FLOAT, ["N"]),
    ]
    outputs = [
        tensor("keypoints", TensorProto.FLOAT, ["P", 3, 2]),
        tensor("scores", TensorProto.FLOAT, ["P", 3]),
        tensor("person_scores", TensorProto.FLOAT, ["P"]),
        tensor("boxes", TensorProto.FLOAT, ["P", 4]),
    ]
    return _model(nodes, inputs, outputs, initial)


def _model(nodes: Any, inputs: Any, outputs: Any, initial: Any) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


PERSON = {"kind": "person", "height": 64, "width": 48, "crop": "udp", "padding": 1.25, "border": 0}
IMAGE = {"kind": "image", "height": 32, "width": 32, "stride": 32, "border": 114}
OUTPUTS = ("keypoints", "scores", "person_scores", "boxes")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a tiny network of a kind, `person` or `image`, with its manifest, and return its path."""

    def written(kind: str = "person", content: bytes | None = None, **changes: Mapping[str, Any]) -> Path:
        file = tmp_path / f"{kind}.onnx"
        model = person_model() if kind == "person" else image_model()
        file.write_bytes(model.SerializeToString() if content is None else content)
        rules = {"box_threshold": 0.2, "keypoint_threshold": 0.2, "oks_nms": 0.9}
        table: dict[str, Any] = {
            "schema": 1,
            "file": {
                "bytes": len(file.read_bytes()),
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            },
            "precision": "float32",
            "view": PERSON if kind == "person" else IMAGE,
            "outputs": {name: {} for name in (OUTPUTS[:2] if kind == "person" else OUTPUTS)},
            "detections": rules,
            "keypoints": KEYPOINTS,
        }
        file.with_suffix(".json").write_text(json.dumps(table | changes))
        return file

    return written
