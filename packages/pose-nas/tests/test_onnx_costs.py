"""Costs of exported files: figures of the file that is searched for, in float32 and int8, and its memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from posenas.contract.costs import CostFigure, Networks
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.levels import Level
from posenas.exporting.costs import Onnx, OnnxInt8, OnnxMemory
from posenas.exporting.resident import STATUS
from posenas.networks.pose_network import PoseNetwork
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Backbone(nn.Module):
    """A backbone of two convolutions, at 1/4; the second one decides how large it is."""

    levels = (Level("out", stride=4, channels=4),)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, stride=4, padding=3)
        self.convolution = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.convolution(self.stem(images))}


def build(genotype: Mapping[str, Any]) -> PoseNetwork:
    backbone = Backbone(genotype["width"])
    return PoseNetwork(backbone, HeatmapHead(input_size=(32, 32)).build(backbone.levels, COCO_17))


NETWORKS = Networks(
    build=build,
    outline=build,
    input_size=(32, 32),
    device=torch.device("cpu"),
    autocast_dtype=None,
    description={"head": {"name": "heatmap", "input_size": (32, 32)}},
)


def names(figures: tuple[CostFigure, ...]) -> set[str]:
    return {name for figure in figures for name in (figure.name, figure.limited) if name}


@pytest.mark.parametrize("kind", [Onnx, OnnxInt8])
def test_a_file_is_timed_and_weighed(kind: type[Onnx | OnnxInt8]) -> None:
    cost = kind()
    before = torch.random.get_rng_state()
    measured = cost.bind(NETWORKS).measure({"width": 8})
    assert names(tuple(cost.figures())) <= measured.keys()
    assert all(math.isfinite(value) and value > 0 for value in measured.values())
    (median,) = (name for name in measured if name.endswith("latency_ms"))
    stem = median.removesuffix("_ms")
    assert measured[f"{stem}_lower_ms"] <= measured[median] <= measured[f"{stem}_upper_ms"]
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.slow
def test_a_larger_network_has_a_larger_file_and_needs_more_memory() -> None:
    if not STATUS.is_file():
        pytest.skip("the system does not tell the memory of processes")
    small, large = ({"width": width} for width in (8, 8 + 20_000))
    weights = 20_000 * (3 * 7 * 7 + 1 + 4 * 3 * 3) * 4 / 1e6
    memory = OnnxMemory().bind(NETWORKS)
    sizes = [memory.measure(genotype)["onnx_memory_mb"] for genotype in (small, large)]
    assert sizes[1] - sizes[0] > weights


def test_figures_are_those_of_a_cpu_its_threads_and_versions() -> None:
    one, two = (Onnx(threads=threads).bind(NETWORKS).identity() for threads in (1, 2))
    assert one == {**two, "threads": 1}
    assert {"device", "onnxruntime", "torch"} < one.keys()


def test_a_missing_package_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(PosenasError, match=r"not installed: pip install 'pose-nas\[export\]'"):
        Onnx().bind(NETWORKS)
