"""The input's resolution as a dimension: a network that looks at a smaller copy of the images.

Source: ZoomNAS (Xu et al., TPAMI 2022) searches the input's size; in training, maps of different sizes are
made equal by resizing them. Here the network itself does that, and only a head that asks for the maps' own
sizes needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping

from posenas import Backbone
from posenas.layers import ResizedMaps
from torch import Tensor, nn
from torch.nn.functional import interpolate


class ScaledInput(nn.Module):
    """A backbone fed with images of `scale` times their size; its levels are truthful for the images given.

    (N, 3, H, W) images become (N, C, H / stride, W / stride) maps. Sides are scaled to the nearest multiple
    of the coarsest stride. At scale 1 it is the backbone. Its tensors have the same names at every scale.
    """

    def __init__(self, network: Backbone, scale: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.levels = tuple(network.levels)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        height, width = images.shape[-2:]
        size = self._scaled(height), self._scaled(width)
        if size == (height, width):
            return self.network(images)
        features = self.network(interpolate(images, size=size, mode="bilinear", antialias=True))
        return ResizedMaps(
            features, {level.name: (height // level.stride, width // level.stride) for level in self.levels}
        )

    def _scaled(self, side: int) -> int:
        if self.scale == 1:
            return side
        coarsest = max(level.stride for level in self.levels)
        # Halves go up: round() would send them to the even multiple.
        return coarsest * max(1, int(side * self.scale / coarsest + 0.5))
