"""Files of the packages' heads: onnxruntime finds in them what the heads' own decoding finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from posenas import COCO_17, COCO_WHOLEBODY_133, Batch, Level
from posenas.composing.loading import load
from posenas.exporting.conversion import to_onnx
from posenas.exporting.export import examples_for
from posenas.exporting.network import bytes_to_poses
from posenas.exporting.runtime import feeds, open_model, poses_of
from posenas.networks.pose_network import PoseNetwork
from torch import Tensor, nn

LEVELS = tuple(Level(f"out{stride}", stride, 8) for stride in (4, 8, 16, 32, 64))


class Pyramid(nn.Module):
    """A backbone of one convolution for each level, with normalised maps."""

    levels = LEVELS

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(3, level.channels, level.stride, stride=level.stride) for level in LEVELS
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = [3 * convolution(images) for convolution in self.convolutions]
        return {level.name: each for level, each in zip(LEVELS, maps, strict=True)}


def uneven(network: PoseNetwork) -> None:
    """Draw the head's convolutions so that many things are found, and peaks are certain."""
    for module in network.head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.5)
    for output in getattr(network.head, "outputs", ()):
        output.bias.data += 6.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vector", {"input_size": (64, 64)}),
        ("zoom", {"input_size": (128, 64), "sizes": (16,), "stages": (0,)}),
        ("kapao", {"input_size": (128, 192), "limit": 40}),
        ("kapao", {"input_size": (128, 128), "keypoint_confidence": True, "fusion_distance": 20.0}),
        ("kapao", {"input_size": (128, 128), "fusion": False}),
    ],
)
def test_a_file_finds_what_decoding_finds(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    head = load("head", name)(**options)
    backbone = Pyramid()
    keypoints = COCO_WHOLEBODY_133 if name == "zoom" else COCO_17
    network = PoseNetwork(backbone, head.build(head.select(LEVELS), keypoints)).eval()
    uneven(network)
    view = head.view()
    module = bytes_to_poses(network, view, head=name)
    file = open_model(to_onnx(module, examples_for(view), opset=20).SerializeToString(), name=name)
    drawn = np.random.default_rng(1).integers(0, 256, (3, view.height, view.width, 3), np.uint8)
    pitches = torch.tensor([1.0, 2.0, 0.5])
    for views in (1, 3):
        images = torch.from_numpy(drawn[:views])
        pitch = None if view.kind == "person" else pitches[:views]
        fed = (images.float() * module.factor + module.shift).permute(0, 3, 1, 2)
        with torch.no_grad():
            batch = Batch(fed, torch.zeros(0), torch.zeros(0), pitch=pitch)
            poses = network.head.decode(network(fed), batch)
        inputs = [images.numpy()] if pitch is None else [images.numpy(), pitch.numpy()]
        found = poses_of(dict(zip(file.outputs, file.session.run(None, feeds(inputs)), strict=True)))
        assert len(poses.keypoints) >= views
        assert found.keypoints.shape == poses.keypoints.shape
        moved = (found.keypoints - poses.keypoints).abs().amax(2) > 0.05
        assert moved.double().mean() < 0.005
        assert torch.allclose(found.keypoint_scores[~moved], poses.keypoint_scores[~moved], atol=1e-3)
        if poses.views is not None:
            assert poses.scores is not None
            assert found.scores is not None
            assert torch.equal(found.views, poses.views)
            assert torch.allclose(found.scores, poses.scores, atol=1e-4)
            fused = (poses.keypoint_scores > 0).double().mean()
            assert (fused > 0.02) == (options.get("fusion", True) or "keypoint_confidence" in options)
