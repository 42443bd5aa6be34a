"""Pose networks: a backbone and a head; and one set of weights that serves all of a space's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from posenas.devices import Compute
from posenas.genotype import Genotype
from posenas.sharing import SharedWeights

BuildNetwork: TypeAlias = "Callable[[Genotype], PoseNetwork]"


class PoseNetwork(nn.Module):
    """(N, 3, H, W) normalised images to the head's outputs."""

    def __init__(self, backbone: nn.Module, head: nn.Module, compute: Compute | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self._compute = compute

    def forward(self, images: Tensor) -> Any:
        if self._compute is None:
            return self.head(self.backbone(images))
        with self._compute.autocast():
            return self.head(self.backbone(images))


class SharedPoseNetwork(nn.Module):
    """The super-network: the largest network's weights, and any genotype's network as a part of them.

    Args:
        build: makes the pose network of a genotype.
        largest: the genotype whose tensors contain every other's.
    """

    def __init__(self, build: BuildNetwork, largest: Genotype) -> None:
        super().__init__()
        self._build = build
        self.shared = SharedWeights(build(largest))

    def activate(self, genotype: Genotype) -> PoseNetwork:
        """The genotype's network; gradients of its weights go to the shared weights."""
        return self.shared.activate(self._skeleton(genotype))

    def derive(self, genotype: Genotype) -> PoseNetwork:
        """The genotype's network with weights of its own, cut out of the shared ones."""
        return self.shared.derive(self._skeleton(genotype))

    def _skeleton(self, genotype: Genotype) -> PoseNetwork:
        with torch.device("meta"):
            return self._build(genotype)
