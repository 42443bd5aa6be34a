"""The view of a person that heat-map heads look at, and maps of mirrored views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Ge, Le
from torch import Tensor

from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.levels import Level
from posenas.networks.constants import constant
from posenas.networks.heatmaps.encoding import Encoding

Side: TypeAlias = Annotated[int, Ge(32), Le(4096)]
Crop: TypeAlias = Literal["auto", "udp", "standard"]

# The options that every heat-map head has.
InputSizeOption: TypeAlias = Annotated[
    tuple[Side, Side],
    "height and width of a person's view, pixels; multiples of the coarsest level's stride",
]
EncodingOption: TypeAlias = Annotated[Encoding, "how keypoints become maps and maps keypoints"]
CropOption: TypeAlias = Annotated[
    Crop,
    "how a box meets the view's pixels: its corners at their centres (udp), or as most papers do "
    "(standard); auto takes the encoding's own, udp for udp and standard for the others",
]


def person_view(input_size: Sequence[int], *, encoding: Encoding, crop: Crop) -> View:
    """Return the view of a person in which maps of this encoding are made.

    Args:
        input_size: (height, width) in pixels.
        encoding: how heat maps and coordinates belong together.
        crop: how the person's box is mapped onto the view; `auto` is the encoding's own rule.
    """
    height, width = input_size
    if crop == "auto":
        crop = "udp" if encoding == "udp" else "standard"
    return View("person", height, width, crop=crop)


def check_input_size(input_size: Sequence[int], levels: Sequence[Level], *, head: str) -> None:
    """Check that the view's sides divide by the coarsest level's stride.

    Args:
        input_size: (height, width) in pixels.
        levels: all levels of the backbone.
        head: name of the head, for the error.

    Raises:
        PosenasError: if a side does not divide; it names the nearest size that does.
    """
    coarsest = max(level.stride for level in levels)
    if any(side % coarsest for side in input_size):
        nearest = [max(1, round(side / coarsest)) * coarsest for side in input_size]
        raise PosenasError(
            f"{head} head: input_size {list(input_size)} is not a multiple of {coarsest}, "
            f"the stride of the backbone's coarsest level; the nearest multiple is {nearest}"
        )


def undo_mirror(maps: Tensor, order: Sequence[int], encoding: Encoding) -> Tensor:
    """Return (N, K, H, W) maps of mirrored images as maps of the images.

    Undone, the mirror leaves all but `udp` maps 3/4 of a pixel (at 1/4) left of the others. As in the papers
    they are moved right by one pixel, which repeats the first column and leaves 1/4 of a pixel. That holds
    for either crop rule: the view is mirrored, whatever lies in it.

    Args:
        maps: (N, K, H, W) maps of mirrored images.
        order: K indices, each keypoint's mirror image.
        encoding: how heat maps and coordinates belong together.
    """
    undone = maps[:, constant(order, maps, dtype=torch.int64)].flip(3)
    if encoding == "udp":
        return undone
    return torch.cat([undone[..., :1], undone[..., :-1]], dim=3)
