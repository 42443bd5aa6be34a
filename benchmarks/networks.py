"""The super-networks that the benchmarks of weight sharing measure, with random weights and images."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import torch
from posenas.composing.building import build_network
from posenas.contract.batches import Batch
from posenas.contract.components import WeightSharing
from posenas.contract.keypoint_sets import COCO_17
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor

Size: TypeAlias = tuple[int, int]
Backbone: TypeAlias = Literal["tiny", "resnet50", "mobilenetv3", "hrnet-w32"]


def super_network(space: WeightSharing, size: Size) -> SharedPoseNetwork:
    """With the heat-map head of 17 keypoints; `size` is the view's height and width."""
    torch.manual_seed(0)
    head = HeatmapHead(input_size=size)
    build = partial(build_network, space, head=head, keypoints=COCO_17)
    return SharedPoseNetwork(build, build(space.largest()))


def make_batch(people: int, size: Size) -> Batch:
    """As the data pipeline makes them: channels last in memory."""
    generator = torch.Generator().manual_seed(1)
    height, width = size
    images = torch.randn(people, height, width, 3, generator=generator).permute(0, 3, 1, 2)
    keypoints = torch.rand(people, 17, 2, generator=generator) * torch.tensor([width, height])
    return Batch(images, keypoints, torch.ones(people, 17))


def pass_backward(network: PoseNetwork, images: Tensor) -> None:
    """Forward and backward, without a loss that would cost anything."""
    network(images).square().mean().backward()


def pass_forward(network: PoseNetwork, images: Tensor) -> None:
    with torch.no_grad():
        network(images)
