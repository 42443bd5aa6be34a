"""Pose networks: a backbone and a head; and one set of weights that serves all of a space's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor, nn

from posenas.devices import Compute
from posenas.genotype import Genotype, canonical_json
from posenas.sharing import ActiveNetwork, SharedWeights
from posenas.skeletons import Skeletons

_KEPT = 4
"""Active networks: a sandwich step's largest and smallest one, and two drawn at random in between."""

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
        self._active: dict[str, ActiveNetwork[PoseNetwork]] = {}

    def activate(self, genotype: Genotype) -> PoseNetwork:
        """The genotype's network; gradients of its weights go to the shared weights.

        Asked for the same genotype again, it may give the same network, filled anew.
        """
        key = canonical_json(dict(genotype))
        active = self._active.pop(key, None)
        if active is None or active.is_stranded:
            active = self.shared.bind(self._skeleton(genotype))
        else:
            active.refresh()
        self._active[key] = active
        if len(self._active) > _KEPT:
            self._active.pop(next(iter(self._active)))
        return active.network

    def derive(self, genotype: Genotype) -> PoseNetwork:
        """The genotype's network with weights of its own, cut out of the shared ones."""
        return self.shared.derive(self._skeleton(genotype))

    def _skeleton(self, genotype: Genotype) -> PoseNetwork:
        with Skeletons():
            return self._build(genotype)

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes active networks of its own: these send their gradients here."""
        return self.__dict__ | {"_active": {}}
