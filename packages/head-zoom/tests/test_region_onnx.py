"""A region's whole way exports to ONNX: cut out, through its network, and into another box."""

from __future__ import annotations

import io
import warnings

import pytest
import torch
from head_zoom.families import FamilyName, region_family
from head_zoom.resampling import resample
from head_zoom.roi_align import roi_align
from torch import Tensor, nn


class Way(nn.Module):
    """RoIAlign of one box for each image, a region's network, and its maps seen in the whole image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("whole", torch.tensor([0.0, 0.0, 12.0, 12.0]))

    def forward(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network(roi_align(features, boxes[:, None], 16)[:, 0])
        return maps, resample(maps, boxes, self.whole.expand_as(boxes), (12, 12))


@pytest.mark.parametrize("name", ["tiny", "zoomnas"])
def test_it_runs_elsewhere(name: FamilyName) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    torch.manual_seed(0)
    family = region_family(name)
    smallest = {name: choice.values[0] for name, choice in family.dimensions().items()}
    way = Way(family.build(smallest, {"stem": 6}, 5))
    nn.init.normal_(way.network.output.weight)
    features = torch.randn(4, 6, 12, 12)
    boxes = torch.tensor([[0.0, 0, 12, 12], [2.3, 1.7, 7.1, 8.2], [-3, 4, 5, 17], [4, 4, 4, 4]])
    way(features, boxes)  # so that batch norms have seen something
    expected = way.eval()(features, boxes)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers its other exporter
        inputs = (features, boxes.flip(0))
        torch.onnx.export(way, inputs, file, input_names=["features", "boxes"], dynamo=False)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"features": features.numpy(), "boxes": boxes.numpy()})
    for ours, theirs in zip(expected, found, strict=True):
        assert ours.abs().max() > 1e-3
        assert (torch.tensor(theirs) - ours).abs().max() <= 1e-4 * ours.abs().max().clamp(min=1)
