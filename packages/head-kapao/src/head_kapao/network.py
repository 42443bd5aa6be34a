"""KAPAO's network: a backbone to 1/64, a path up to 1/8 and one back to 1/64; without output convolutions.

Source: McNally, thesis (2022), section 4.2.1; layers as in the authors' network, of the YOLOv5 family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from posenas import Level
from torch import Tensor, nn
from torch.nn.functional import interpolate

from head_kapao.blocks import CrossStagePartial, Focus, PyramidPooling, convolution, join

_BACKBONE = ("p2", "p3", "p4", "p5", "p6")
_TOP_DOWN = ("p5", "p4", "p3")
_BOTTOM_UP = tuple(pairwise(("p3", "p4", "p5", "p6")))
"""The levels of the path back, each with the next finer one."""


@dataclass(frozen=True)
class Stage:
    """A cross-stage partial stage: its bottlenecks, the channels it puts out, the bottlenecks' kernel."""

    depth: int
    width: int
    kernel: int


class YoloNetwork(nn.Module):
    """A network from (N, 3, H, W) RGB images in [0, 1] to levels `p3` to `p6`, at 1/8 to 1/64.

    H and W divide by 64. The convolutions between the stages of the two paths have no width of their own:
    what they put out is joined with features that are as wide as the backbone is there.

    Args:
        stem_width: the channels at 1/2.
        stages: `backbone.p2` to `.p6`, `top_down.p5` to `.p3`, and `bottom_up.p4` to `.p6`; of even widths.
    """

    def __init__(self, stem_width: int, stages: Mapping[str, Stage]) -> None:
        super().__init__()
        self.stem = Focus(stem_width)
        self.backbone, self.narrow, self.top_down, self.halve, self.bottom_up = (
            nn.ModuleDict() for _ in range(5)
        )
        channels, levels = stem_width, []
        for name in _BACKBONE:
            stage = stages[f"backbone.{name}"]
            self.backbone[name] = _backbone_stage(channels, stage, deepest=name == "p6")
            channels = stage.width
        for name in _TOP_DOWN:
            stage, met = stages[f"top_down.{name}"], stages[f"backbone.{name}"].width
            self.narrow[name] = convolution(channels, met)
            self.top_down[name] = _stage(2 * met, stage, shortcut=False)
            channels = stage.width
        levels = [Level("p3", 8, channels)]
        for finer, name in _BOTTOM_UP:
            stage, met = stages[f"bottom_up.{name}"], stages[f"backbone.{finer}"].width
            self.halve[name] = convolution(channels, met, kernel=3, stride=2)
            self.bottom_up[name] = _stage(2 * met, stage, shortcut=False)
            channels = stage.width
            levels.append(Level(name, 2 * levels[-1].stride, channels))
        self.levels = tuple(levels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features, passed, narrowed = self.stem(images), {}, {}
        for name in _BACKBONE:
            features = passed[name] = self.backbone[name](features)
        for name in _TOP_DOWN:
            narrowed[name] = self.narrow[name](features)
            enlarged = interpolate(narrowed[name], scale_factor=2.0, mode="nearest")
            features = self.top_down[name](join(enlarged, passed[name]))
        outputs = {"p3": features}
        for finer, name in _BOTTOM_UP:
            halved = self.halve[name](features)
            features = outputs[name] = self.bottom_up[name](join(halved, narrowed[finer]))
        return outputs


def _backbone_stage(in_channels: int, stage: Stage, *, deepest: bool) -> nn.Sequential:
    """Return a module from (N, in_channels, H, W) to (N, stage.width, H / 2, W / 2).

    The deepest one pools and adds no shortcuts.
    """
    return nn.Sequential(
        convolution(in_channels, stage.width, kernel=3, stride=2),
        *((PyramidPooling(stage.width),) if deepest else ()),
        _stage(stage.width, stage, shortcut=not deepest),
    )


def _stage(in_channels: int, stage: Stage, *, shortcut: bool) -> CrossStagePartial:
    return CrossStagePartial(
        in_channels, stage.width, depth=stage.depth, kernel=stage.kernel, shortcut=shortcut
    )
