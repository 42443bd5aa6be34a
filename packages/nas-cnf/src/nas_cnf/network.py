"""The network of the space `cnf`: a backbone and the part networks that read its pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posenas import Level
from torch import Tensor, nn

from nas_cnf.fabric import Fabric
from nas_cnf.layout import FINEST, channels_of, stride_of


class FabricNetwork(nn.Module):
    """A network from (N, 3, H, W) images to `part1`, `part2`, ... at 1/4.

    Without parts its levels are the backbone's, `pyramid4`, `pyramid8`, ... H and W are multiples of the
    coarsest stride.

    Args:
        backbone: makes the pyramid of images.
        pyramid: the channels of the backbone's maps, from fine to coarse.
        parts: the part networks by their levels' names.
        channels: the part networks' channel factor C.
        tied: whether all parts have the first one's alpha and beta.
    """

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: Sequence[int],
        *,
        parts: Mapping[str, Fabric],
        channels: int,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self._parts = tuple(parts)
        self._followers = self._parts[1:] if tied else ()
        for name, part in parts.items():
            self.add_module(name, part)
            if name in self._followers:
                part.give_up_architecture()
        maps = tuple(
            Level(f"pyramid{stride_of(scale)}", stride_of(scale), width)
            for scale, width in enumerate(pyramid)
        )
        self.levels = tuple(Level(name, FINEST, channels_of(0, channels)) for name in parts) or maps

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        pyramid = self.backbone(images)
        outputs = [self._part_map(name, pyramid) for name in self._parts] or pyramid
        return {level.name: output for level, output in zip(self.levels, outputs, strict=True)}

    def _part_map(self, name: str, pyramid: Sequence[Tensor | None]) -> Tensor:
        leader = self.get_submodule(self._parts[0]) if name in self._followers else None
        found: Tensor = self.get_submodule(name)(pyramid, leader)[0]
        return found
