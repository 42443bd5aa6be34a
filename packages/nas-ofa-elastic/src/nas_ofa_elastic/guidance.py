"""Networks for the frames of a clip that are guided by the heat maps of the frame before.

Source: Xu et al., ViPNAS, CVPR 2021, section 3.3 and figure 2: the maps go through a 1 x 1 convolution, are
resized to the features of one stage, are added to them, multiply them or stand beside them, and a second
1 x 1 convolution gives features of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from posenas import Level
from posenas.layers import Chain
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nas_ofa_elastic.tiny import Pyramid

OPERATIONS = ("add", "multiply", "concatenate")


class Fusion(nn.Module):
    """Features (N, C, H, W) and a guide (N, K, h, w) to features of the same shape.

    With fresh weights it changes nothing: what follows it was trained without a guide. The guide is resized
    before its convolution, which gives the same as afterwards and costs less on smaller maps. A convolution
    over features and guide side by side is one over each, added up, so each can be cut to fewer channels.

    Args:
        channels: C.
        guide_channels: K.
        operation: one of `OPERATIONS`.
    """

    def __init__(self, channels: int, guide_channels: int, operation: str) -> None:
        super().__init__()
        self.operation = operation
        self.adapt = nn.Conv2d(guide_channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.dirac_(self.mix.weight)
        nn.init.zeros_(self._bias(self.mix))
        if operation == "concatenate":
            self.mix_guide = nn.Conv2d(channels, channels, 1, bias=False)
            nn.init.zeros_(self.mix_guide.weight)
        else:
            nn.init.zeros_(self.adapt.weight)
            nn.init.constant_(self._bias(self.adapt), 1.0 if operation == "multiply" else 0.0)

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        adapted = self.adapt(resized(guide, features.shape[2:]).to(features.dtype))
        if self.operation == "concatenate":
            both: Tensor = self.mix(features) + self.mix_guide(adapted)
            return both
        mixed: Tensor = self.mix(features + adapted if self.operation == "add" else features * adapted)
        return mixed

    @staticmethod
    def _bias(convolution: nn.Conv2d) -> Tensor:
        assert convolution.bias is not None
        return convolution.bias


def resized(guide: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps (N, K, h, w) at another size (N, K, H, W), with each peak at its place in the image.

    It is bilinear interpolation, but where maps get smaller, each value is shared among the pixels around its
    place. Otherwise three values in four would not count at a quarter of the size, and a peak there would be
    lost.
    """
    if guide.shape[2:] == tuple(size):
        return guide
    return interpolate(guide.float(), tuple(size), mode="bilinear", align_corners=False, antialias=True)


class GuidedFrame(nn.Module):
    """One frame's network: a backbone of single images, one of whose stages is fused with the guide.

    Args:
        backbone: of the family.
        sites: the stages that have fusions, by name with their channels; one of them in a network that runs,
            all in one that holds shared weights. None in the key frame's.
        operations: the operations that each of them has; one in a network that runs.
        gradients: whether gradients flow through the guide into the network of the frame before.
        frozen: whether nothing changes the weights.
    """

    def __init__(
        self,
        backbone: Chain | Pyramid,
        sites: Mapping[str, int],
        operations: Sequence[str] = (),
        *,
        gradients: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = frozen
        self._sites, self._operations, self._gradients = dict(sites), tuple(operations), gradients
        self.fusions = nn.ModuleDict()

    @property
    def levels(self) -> Sequence[Level]:
        """The levels of the backbone."""
        return self.backbone.levels

    def listen(self, channels: int) -> None:
        """Make the fusions, with fresh weights, for guides of so many channels."""
        for site, width in self._sites.items():
            made = {operation: Fusion(width, channels, operation) for operation in self._operations}
            self.fusions[site] = nn.ModuleDict(made)

    def forward(self, images: Tensor, guide: Tensor | None = None) -> dict[str, Tensor]:
        if guide is None:
            return self._plain(images)
        known = guide if self._gradients else guide.detach()

        def change(stage: str, features: Tensor) -> Tensor:
            if stage not in self.fusions:
                return features
            (fusion,) = cast(nn.ModuleDict, self.fusions[stage]).values()
            return cast(Tensor, fusion(features, known))

        return cast(dict[str, Tensor], self.backbone(images, change))

    def _plain(self, images: Tensor) -> dict[str, Tensor]:
        return cast(dict[str, Tensor], self.backbone(images))


class ClipBackbone(nn.Module):
    """The networks of a clip's frames, the key frame's first; see `posenas.FrameByFrame`.

    Args:
        frames: the networks.
        stills: the most times that training shows the frame after the key frame beforehand.
    """

    def __init__(self, frames: Sequence[GuidedFrame], *, stills: int = 0) -> None:
        super().__init__()
        self.frames = nn.ModuleList(frames)
        self.stills = stills

    @property
    def levels(self) -> Sequence[Level]:
        """The levels of the key frame."""
        return self._key.levels

    def listen(self, channels: int) -> None:
        """Make the fusions of all frames for guides of so many channels."""
        for frame in self.frames:
            cast(GuidedFrame, frame).listen(channels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of the key frame's network."""
        return self._key._plain(images)

    @property
    def _key(self) -> GuidedFrame:
        return cast(GuidedFrame, self.frames[0])
