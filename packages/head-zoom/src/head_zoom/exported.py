"""The head as one module from feature maps to poses, for files that run without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from posenas import Poses
from torch import Tensor, nn

from head_zoom.maps import ZoomOutputs


class DecodedZoom(nn.Module):
    """A module from feature maps to keypoints: the body's maps, a close look at the regions, and decoding.

    Args:
        head: the head module.
        decode: gives the poses of its outputs. The file repeats its tensor operators.
    """

    def __init__(self, head: nn.Module, decode: Callable[[ZoomOutputs], Poses]) -> None:
        super().__init__()
        self.head = head
        self._decode = decode

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return (N, K, 2) `keypoints`, (N, K) `scores`, and the maps of each part with their boxes.

        A part's `maps_...` are (N, R, K of the part, H, W), and its `boxes_...` (N, R, 4) pixels of the view.
        """
        outputs = self.head(features)
        poses = self._decode(outputs)
        found = {"keypoints": poses.keypoints, "scores": poses.keypoint_scores}
        for name, part in outputs.items():
            found |= {f"maps_{name}": part.maps, f"boxes_{name}": part.boxes}
        return found
