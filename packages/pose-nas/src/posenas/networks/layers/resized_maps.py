"""Feature maps of a network that looked at the images in another size than they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class ResizedMaps(Mapping[str, Tensor]):
    """Feature maps in the sizes that the levels announce, each resized when it is read.

    Heads read few of the levels. One whose cost should fall with the network's resolution reads `own_maps`.

    Attributes:
        own: the maps in the sizes in which they were computed, (N, C, H, W) each; they show the whole image.
        sizes: (height, width) in cells of each map that is read, by the level's name.
    """

    own: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, int]]

    def __getitem__(self, name: str) -> Tensor:
        return interpolate(self.own[name], size=self.sizes[name], mode="bilinear")

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)


def own_maps(features: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return feature maps in the sizes in which the network computed them.

    They are the features themselves unless the network looked at a resized copy of the images. A map shows
    the whole image in any size: of an image W pixels wide, a cell covers W / (the map's width) pixels.
    """
    return features.own if isinstance(features, ResizedMaps) else features
