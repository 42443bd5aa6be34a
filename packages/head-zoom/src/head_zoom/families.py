"""Families of networks that find the keypoints of one region, a face or a hand, in features cut out of it.

    family = region_family("tiny")
    network = family.build(genotype, {"stage1": 24}, keypoints=21)
    maps = network(features)  # (M, 24, S, S) to (M, 21, S, S)

A network begins with its entry: a 1x1 convolution from the channels of the level that the features are from.
Each of the `levels` has an entry of its own with a name of its own, such as `entry.stage1`
(`entry.stage3_branch1` for a level with a dot in its name). A network that is run has one level and so one
entry. A network of several levels only holds the weights of all entries, so that networks on each of the
levels nest in it.

Networks of one family nest: every tensor of one is the leading slice of the tensor of the same name in the
family's largest network of the same or more levels and of the same number of keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from posenas import Choice, Genotype
from torch import nn

from head_zoom.hrnet import W18, ZOOMNAS
from head_zoom.tiny import TINY

FamilyName: TypeAlias = Literal["tiny", "w18", "zoomnas"]


class RegionFamily(Protocol):
    """A family of networks for one kind of region; its dimensions have no prefix, such as `fine.width`."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sides of a region, in bins of RoIAlign, for which the networks are made, from cheap to dear."""

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear; none where the family has one member."""

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return, for dimensions whose values depend on others, the values that are built as they are."""

    def build(self, genotype: Genotype, levels: Mapping[str, int], keypoints: int) -> nn.Module:
        """Return a member with fresh weights: (M, C, S, S) features to (M, keypoints, S, S) heat maps.

        Args:
            genotype: a value for each of the family's dimensions; others are not looked at.
            levels: the channels C of each level that the features may come from, by the level's name.
            keypoints: channels of the output.
        """


def region_family(name: FamilyName) -> RegionFamily:
    """Return the family of that name."""
    match name:
        case "tiny":
            return TINY
        case "w18":
            return W18
        case "zoomnas":
            return ZOOMNAS
