"""A pose network as one module from bytes to poses: what the file of an export computes."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from posenas.composing.checks.conformity import blamed
from posenas.composing.plugins import Owner
from posenas.contract.batches import View
from posenas.contract.components import Exportable
from posenas.contract.errors import PosenasError
from posenas.data.normalising import normalisation_of
from posenas.networks.frame_heads import FrameHeads
from posenas.networks.pose_network import PoseNetwork


class BytesToPoses(nn.Module):
    """A module from bytes to poses: normalisation, backbone, head and decoding, in float32.

    Args:
        backbone: of the pose network.
        head: what the head module gives as `exported`.
        view: says how bytes become the backbone's input.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, view: View) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        rule = normalisation_of(view)
        self._reversed = rule.order == "bgr"
        mean, deviation = torch.tensor(rule.mean), torch.tensor(rule.deviation)
        self.register_buffer("factor", 1 / (rule.scale * deviation))
        self.register_buffer("shift", -mean / deviation)

    def forward(self, images: Tensor, *pitch: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the head's exported module.

        Args:
            images: (N, H, W, 3) uint8 RGB, of the view's size.
            pitch: of whole images, (N,) float32: pixels of the image for one pixel of the view.
        """
        ordered = images.flip(3) if self._reversed else images
        fed = ordered.float() * cast(Tensor, self.factor) + cast(Tensor, self.shift)
        outputs: dict[str, Tensor] = self.head(self.backbone(fed.permute(0, 3, 1, 2)), *pitch)
        return outputs


def bytes_to_poses(network: PoseNetwork, view: View, *, head: str) -> BytesToPoses:
    """Return what the file of a network computes; both share their weights.

    Args:
        network: on the CPU, in evaluation mode.
        view: what the head looks at.
        head: the head's name, for the error.

    Raises:
        PosenasError: if the network is one for videos, or its head cannot be exported.
    """
    if isinstance(network.head, FrameHeads):
        raise PosenasError("networks for videos cannot be exported; export their key frame's run")
    if not isinstance(network.head, Exportable):
        raise PosenasError(
            f"head {head}: it cannot be exported, since its module has no method `exported`; ask its authors"
        )
    with blamed(Owner("head", head), "exported"):
        module = network.head.exported()
    return BytesToPoses(network.backbone, module, view).eval()
