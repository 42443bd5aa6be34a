"""A neck for backbones that do not end in four maps from 1/8 to 1/64.

Source: Lin et al., Feature Pyramid Networks (CVPR 2017), section 3; coarser maps by strided convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posenas import Level
from torch import Tensor, nn
from torch.nn.functional import interpolate

from head_kapao.blocks import convolution


class Neck(nn.Module):
    """A feature pyramid from a backbone's levels to one map at each used stride, all with as many channels.

    A stride that the backbone lacks is made of the next coarser one. If it is coarser than all others, it is
    made of the next finer one by a strided convolution. Levels that are finer than all strides are added up,
    and come to the finest one by strided convolutions.

    Args:
        levels: at least one, of different strides. Those that are finer than all `strides` have one stride.
        strides: from fine to coarse, each twice the one before.
        used: those of the strides whose maps are wanted; the others are made only where a wanted one needs
            them.
        channels: those of every map.
    """

    def __init__(
        self, levels: Sequence[Level], *, strides: Sequence[int], used: Sequence[int], channels: int
    ) -> None:
        super().__init__()
        names = {level.stride: level.name for level in levels if level.stride >= strides[0]}
        self._coarsest = max(names, default=strides[0])
        ends = (*used, self._coarsest)
        self._strides = tuple(stride for stride in strides if min(ends) <= stride <= max(ends))
        self._used = tuple(used)
        self._names = {stride: name for stride, name in names.items() if stride in self._strides}
        fine = [level for level in levels if level.stride < strides[0] == self._strides[0]]
        self._fine_names = [level.name for level in fine]
        self.fine = nn.ModuleList(convolution(level.channels, channels) for level in fine)
        halvings = (strides[0] // fine[0].stride).bit_length() - 1 if fine else 0
        self.descend = nn.Sequential(
            *(convolution(channels, channels, kernel=3, stride=2) for _ in range(halvings))
        )
        self.lateral = nn.ModuleDict(
            {
                str(level.stride): convolution(level.channels, channels)
                for level in levels
                if level.stride in self._names
            }
        )
        self.halve = nn.ModuleDict(
            {
                str(stride): convolution(channels, channels, kernel=3, stride=2)
                for stride in self._strides
                if stride > self._coarsest
            }
        )
        self.smooth = nn.ModuleDict(
            {str(stride): convolution(channels, channels, kernel=3) for stride in used}
        )

    def forward(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        merged: dict[int, Tensor] = {}
        for stride in reversed([stride for stride in self._strides if stride <= self._coarsest]):
            terms = (
                [self.lateral[str(stride)](features[self._names[stride]])] if stride in self._names else []
            )
            if stride == self._strides[0] and self.fine:
                named = zip(self._fine_names, self.fine, strict=True)
                terms.append(self.descend(sum(layer(features[name]) for name, layer in named)))
            if 2 * stride in merged:
                terms.append(interpolate(merged[2 * stride], scale_factor=2.0, mode="nearest"))
            merged[stride] = sum(terms[1:], terms[0])
        for stride in self._strides:
            if stride > self._coarsest:
                merged[stride] = self.halve[str(stride)](merged[stride // 2])
        return [self.smooth[str(stride)](merged[stride]) for stride in self._used]
