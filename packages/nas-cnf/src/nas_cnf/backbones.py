"""Backbones by name: networks that make the pyramid that part networks read.

A backbone is a fabric's first layers, a hand-made network cut off after its pyramid, or any network that the
zoo, a genotype's file or a finished run names, whatever package it comes from.

Source: PoseNFS (Yang et al., 2019), section IV-A, tables VIII and IX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from posenas import Level, NamedNetwork, PosenasError, find_network, suggestion, zoo_names
from posenas.layers import Chain, HRNet, hrnet, mobilenetv2, scaled, simple_baseline_r50
from torch import Tensor, nn

from nas_cnf.fabric import Fabric, Stem
from nas_cnf.layout import channels_of, first_layers, stride_of
from nas_cnf.operations import Operation

_STEM_WIDTH = 64


@dataclass(frozen=True)
class FabricPlan:
    """The size of one of the paper's fabrics, by table VIII.

    Attributes:
        layers: how many first layers there are.
        channels: the channel factor C.
        hidden: H, the hidden nodes of each cell.
    """

    layers: int
    channels: int
    hidden: int

    def scaled_channels(self, width: float) -> int:
        """Return C times a width factor, to the nearest integer and at least 1."""
        return max(1, round(self.channels * width))


FABRICS: Mapping[str, FabricPlan] = {
    "fabric-1": FabricPlan(layers=3, channels=10, hidden=2),
    "fabric-2": FabricPlan(layers=5, channels=10, hidden=1),
    "fabric-3": FabricPlan(layers=5, channels=12, hidden=1),
}
HAND_MADE: Mapping[str, tuple[str, ...]] = {
    "mobilenetv2": ("stage2", "stage3", "stage5", "stage6"),
    "resnet50": ("stage1", "stage2", "stage3", "stage4"),
    "hrnet-w32": ("stage3.branch1", "stage3.branch2", "stage3.branch3", "transition3"),
}
"""The levels of each hand-made network that are read, at 1/4, 1/8, 1/16 and 1/32."""


class Pyramid(nn.Module):
    """A network from images to some of another network's levels, from fine to coarse."""

    def __init__(self, network: nn.Module, levels: Sequence[Level | None]) -> None:
        super().__init__()
        self.network = network
        self._names = [level and level.name for level in levels]

    def forward(self, images: Tensor) -> list[Tensor | None]:
        """Return each level's features, or None for a level that is not heard."""
        features = self.network(images)
        return [None if name is None else features[name] for name in self._names]


def make_fabric(name: str, *, scales: int, width: float, operations: Sequence[Operation]) -> Fabric:
    """Return one of the paper's fabrics as a backbone.

    Args:
        name: one of `FABRICS`.
        scales: how many scales there are, the first at 1/4.
        width: the factor for channels. C is rounded to the nearest integer, the stem's to a multiple of 8.
        operations: the candidates on each edge.
    """
    plan = FABRICS[name]
    channels = plan.scaled_channels(width)
    return Fabric(
        Stem(scaled(_STEM_WIDTH, width), channels_of(0, channels)),
        incoming=1,
        layers=first_layers(plan.layers, scales),
        channels=channels,
        hidden=plan.hidden,
        operations=operations,
    )


def fabric_channels(name: str, *, scales: int, width: float) -> list[int]:
    """Return the channels of a fabric's pyramid, from fine to coarse.

    Args:
        name: one of `FABRICS`.
        scales: how many scales there are, the first at 1/4.
        width: the factor for channels.
    """
    factor = FABRICS[name].scaled_channels(width)
    return [channels_of(scale, factor) for scale in range(scales)]


def make_pyramid(name: str, *, heard: Sequence[bool], width: float) -> tuple[Pyramid, list[int]]:
    """Return a hand-made network's pyramid and the channels of all its maps.

    Parts that no heard map depends on are left out.

    Args:
        name: one of `HAND_MADE`.
        heard: of each scale, whether anything depends on its map.
        width: the factor for channels.
    """
    wanted = HAND_MADE[name][: len(heard)]
    network = _hand_made(name, width, len(heard))
    levels = [next(level for level in network.levels if level.name == each) for each in wanted]
    return _pyramid(network, levels, heard)


def find_pyramid(name: str, *, heard: Sequence[bool]) -> tuple[Pyramid, list[int]]:
    """Return the pyramid of another package's network, its deepest level at each scale, and its channels.

    A network that is no chain of parts is built whole.

    Args:
        name: a zoo entry's name, a genotype's file or a run's folder.
        heard: of each scale, whether anything depends on its map.

    Raises:
        PosenasError: if there is no such network, or it lacks a level.
    """
    backbone = find_wrapped(name).backbone()
    deepest = {level.stride: level for level in backbone.levels}
    strides = [stride_of(scale) for scale in range(len(heard))]
    missing = [f"1/{stride}" for stride in strides if stride not in deepest]
    if missing:
        offered = ", ".join(f"{level.name} (1/{level.stride})" for level in backbone.levels)
        without = ", or set coarsest=16" if missing == ["1/32"] else ""
        raise PosenasError(
            f"space cnf: backbone {name!r} has no level at {' or '.join(missing)} of the image; it offers "
            f"{offered}; choose another backbone, such as {', '.join(HAND_MADE)}{without}"
        )
    return _pyramid(cast(nn.Module, backbone), [deepest[stride] for stride in strides], heard)


def find_wrapped(name: str) -> NamedNetwork:
    """Return the network of a zoo entry's name, a genotype's file or a run's folder.

    Raises:
        PosenasError: where there is none; it knows the other backbones too.
    """
    if name not in zoo_names() and not Path(name).exists():
        known = list(dict.fromkeys((*FABRICS, *HAND_MADE, *zoo_names())))
        raise PosenasError(f"space cnf: unknown backbone {name!r}; {suggestion(name, known)}")
    return find_network(name)


def _pyramid(network: nn.Module, levels: Sequence[Level], heard: Sequence[bool]) -> tuple[Pyramid, list[int]]:
    read = [level if is_heard else None for level, is_heard in zip(levels, heard, strict=True)]
    if isinstance(network, Chain):
        network = _cut(network, [level for level in read if level is not None])
    elif isinstance(network, ThreeStages) and read[-1] is None:
        network.leave_out_coarsest()
    return Pyramid(network, read), [level.channels for level in levels]


def _cut(chain: Chain, levels: Sequence[Level]) -> Chain:
    """Return the chain without the parts after the last level that is read: no gradient would reach them."""
    names = [name for name, _ in chain.named_children()]
    last = max(names.index(level.name) for level in levels)
    return Chain({name: chain.get_submodule(name) for name in names[: last + 1]}, levels)


def _hand_made(name: str, width: float, scales: int) -> Any:
    match name:
        case "mobilenetv2":
            return mobilenetv2(width)
        case "resnet50":
            return simple_baseline_r50(width)
        case _:
            return ThreeStages(hrnet(32, width), scales)


class ThreeStages(nn.Module):
    """HRNet's stem, first three stages and, for a level at 1/32, the way into the fourth.

    Levels are `stage3.branch1` to `stage3.branch3` and `transition3`, as in the whole network.
    """

    def __init__(self, network: HRNet, scales: int) -> None:
        super().__init__()
        self.stem, self.stage1 = network.stem, network.stage1
        self.stages = network.stages[:2]
        self.transitions = network.transitions[: scales - 1]
        self.levels = tuple(
            level for level in network.levels if level.name in HAND_MADE["hrnet-w32"][:scales]
        )

    def leave_out_coarsest(self) -> None:
        """Delete the way into the fourth stage."""
        self.transitions = self.transitions[: len(self.stages)]
        self.levels = self.levels[: len(self.stages) + 1]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = [self.stage1(self.stem(images))]
        for transition, stage in zip(self.transitions, self.stages, strict=False):
            features = stage(transition(features))
        for transition in self.transitions[len(self.stages) :]:
            features = [*features, transition(features)[-1]]
        return {level.name: feature for level, feature in zip(self.levels, features, strict=True)}
