"""Pose networks: a backbone and a head, and one set of weights that serves all networks of a space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from posenas.contract.components import FrameByFrame
from posenas.contract.genotype import Genotype, canonical_json
from posenas.networks.collection import collection_paused
from posenas.networks.devices import Compute
from posenas.networks.frame_heads import Call, FrameHeads
from posenas.networks.sharing import ActiveNetwork, SharedWeights
from posenas.networks.without_values import WithoutValues

_KEPT = 4
"""The most active networks: a sandwich step's largest and smallest one, and two random ones."""

BuildNetwork: TypeAlias = "Callable[[Genotype], PoseNetwork]"


class PoseNetwork(nn.Module):
    """A backbone and a head: (N, 3, H, W) normalised images to the head's outputs.

    A network for clips takes N * F images, the F frames of each clip side by side.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, compute: Compute | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self._compute = compute

    @property
    def frames(self) -> int:
        """The frames of a clip; 1 in a network of single images."""
        return len(self.head) if isinstance(self.head, FrameHeads) else 1

    def forward(self, images: Tensor, targets: Any | None = None) -> Any:
        """Return the head's outputs.

        Args:
            images: (N, 3, H, W), as in `Batch`.
            targets: what the head encoded of the batch, in training alone.
        """
        if self._compute is None:
            return self._outputs(images, targets, _called)
        scale = self._compute.loss_scale
        with self._compute.autocast():
            if scale is None or not torch.is_grad_enabled():
                return self._outputs(images, targets, _called)
            return scale.entering(self._outputs(images, targets, scale.call))

    def look(self, frame: int, images: Tensor, guide: Tensor | None) -> tuple[Any, Tensor]:
        """Return one frame's outputs and the guide of the next frame; of a network for clips.

        Args:
            frame: its number in the clip.
            images: (N, 3, H, W), that frame of each clip.
            guide: what the frame before gave; None for the key frame.
        """
        backbone, head = cast(FrameByFrame, self.backbone), cast(FrameHeads, self.head)
        with nullcontext() if self._compute is None else self._compute.autocast():
            return head.look(backbone, frame, images, guide=guide, call=_called)

    def _outputs(self, images: Tensor, targets: Any | None, call: Call) -> Any:
        if isinstance(self.head, FrameHeads):
            return self.head.propagate(cast(FrameByFrame, self.backbone), images, targets, call=call)
        return call(self.head, call(self.backbone, images), targets)


def _called(module: nn.Module, *arguments: Any) -> Any:
    return module(*arguments)


def parts_of(network: PoseNetwork) -> Sequence[nn.Module]:
    """Return the backbone and the head; of a clip's network those of each frame."""
    halves = network.backbone, network.head
    if not isinstance(network.head, FrameHeads):
        return halves
    return [cast(nn.Module, frame) for half in halves for frame in cast(Any, half).frames]


class SharedPoseNetwork(nn.Module):
    """A super-network: the weights of one network, and any genotype's network as a part of them.

    Args:
        build: makes the pose network of a genotype.
        holder: the network that has the weights: the largest one, or one that has those of all alternatives.
        relax: makes a network's real values parameters, before the network is bound to the shared weights.
            Their gradients then change the shared values.
        restore: puts a genotype's real values into its network, in place of the shared ones.
        source: see `SharedWeights`.
        frames: of the clips that it is trained on.
    """

    def __init__(
        self,
        build: BuildNetwork,
        holder: PoseNetwork,
        *,
        relax: Callable[[PoseNetwork], object] | None = None,
        restore: Callable[[PoseNetwork, Genotype], None] | None = None,
        source: Callable[[str], str] | None = None,
        frames: int = 1,
    ) -> None:
        super().__init__()
        self._build = build
        self._relax = relax
        self._restore = restore
        self.frames = frames
        if relax is not None:
            relax(holder)
        self.shared = SharedWeights(holder, source=source)
        self._active: dict[str, ActiveNetwork[PoseNetwork]] = {}

    def activate(self, genotype: Genotype) -> PoseNetwork:
        """Return the genotype's network; gradients of its weights go to the shared weights.

        Asked for the same genotype again, it may return the same network, filled anew.
        """
        key = canonical_json(dict(genotype))
        active = self._active.pop(key, None)
        if active is None or active.is_stranded:
            with collection_paused():
                active = self.shared.bind(self._without_values(genotype))
        else:
            active.refresh()
        self._active[key] = active
        if len(self._active) > _KEPT:
            self._active.pop(next(iter(self._active)))
        return self._restored(active.network, genotype)

    def derive(self, genotype: Genotype) -> PoseNetwork:
        """Return the genotype's network with weights of its own, cut out of the shared ones."""
        return self._restored(self.shared.derive(self._without_values(genotype)), genotype)

    def _restored(self, network: PoseNetwork, genotype: Genotype) -> PoseNetwork:
        if self._restore is not None:
            self._restore(network, genotype)
        return network

    def _without_values(self, genotype: Genotype) -> PoseNetwork:
        with WithoutValues():
            network = self._build(genotype)
            if self._relax is not None:
                self._relax(network)
            return network

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without active networks, which would send a copy's gradients to this one."""
        return self.__dict__ | {"_active": {}}
