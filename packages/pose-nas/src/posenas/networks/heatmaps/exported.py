"""Heads of heat maps as one module from feature maps to poses, for files that run without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from posenas.contract.batches import Poses


class DecodedMaps(nn.Module):
    """A module from feature maps to keypoints: a head module's maps, and their decoding.

    Args:
        head: the head module, whose outputs are (N, K, H, W) maps.
        decode: gives the poses of its outputs. The file repeats its tensor operators.
    """

    def __init__(self, head: nn.Module, decode: Callable[[Tensor], Poses]) -> None:
        super().__init__()
        self.head = head
        self._decode = decode

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return (N, K, 2) `keypoints`, (N, K) `scores`, and the (N, K, H, W) `maps`."""
        maps = self.head(features)
        poses = self._decode(maps)
        return {"keypoints": poses.keypoints, "scores": poses.keypoint_scores, "maps": maps}
