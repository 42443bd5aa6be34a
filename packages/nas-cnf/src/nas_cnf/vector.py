"""The vector head: a vector for each keypoint in each pixel, whose squashed length is the keypoint's score.

Source: PoseNFS (Yang et al., 2019/2021), section III-D; the squashing function is the capsule networks'
(Sabour et al., 2017). The authors' code adds the ReLU before the 1 x 1 convolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Ge, Le
from posenas import Batch, KeypointSet, Level, PosenasError, Poses, View, deepest_within
from posenas.heatmaps import (
    QUARTER,
    CropOption,
    DecodedMaps,
    Encoding,
    EncodingOption,
    HeatmapTargets,
    InputSizeOption,
    check_input_size,
    encode,
    find_peaks,
    mean_squared_difference,
    mean_squared_error,
    peak_values,
    person_view,
    refine,
    to_view,
    undo_mirror,
)
from posenas.layers import full_precision
from torch import Tensor, nn

from nas_cnf.groups import PartGroup, body_groups, named_groups, random_groups

Groups: TypeAlias = Literal["auto", "random"] | tuple[tuple[str, ...], ...]

_LONGEST = 2.0**24 - 1
"""The greatest squared length. The score of a longer vector would be rounded to 1 in float32."""

_FIRST_SQUARE = 0.01
"""The squared length of fresh vectors, near the mean of a target map, and the value of a fresh plain map.

Length 0 is a saddle, where no gradient says in which direction to grow. From longer vectors training first
empties the maps, and ends up there.
"""


@dataclass(frozen=True)
class VectorHead:
    """Vectors in pixels by one 1 x 1 convolution a part, each from its own level where there are several."""

    input_size: InputSizeOption = (128, 96)
    dimension: Annotated[
        int,
        "numbers in a vector (d); 1 is the paper's plain heat map, whose values can be negative",
        Ge(1),
        Le(256),
    ] = 8
    groups: Annotated[
        Groups,
        "keypoints of each part: the body's groups for as many parts as the backbone has levels part1, "
        "part2, ... (auto), as large groups drawn at random, or lists of keypoint names",
    ] = "auto"
    groups_seed: Annotated[int, "another seed draws other random groups", Ge(0)] = 0
    encoding: EncodingOption = "udp"
    crop: CropOption = "auto"
    sigma: Annotated[
        float,
        "standard deviation of the targets, quarters of a view's pixel; the paper's 2 is for 256x256",
        Ge(0.5),
        Le(64),
    ] = 1.0

    def view(self) -> View:
        return person_view(self.input_size, encoding=self.encoding, crop=self.crop)

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the levels `part1`, `part2`, ..., or the deepest level at 1/4 or finer if there are none.

        Raises:
            PosenasError: if none is that fine, the parts differ in stride or in number from the groups, or
                the view is not a multiple of the stride of every level.
        """
        parts = _part_levels(levels)
        selected = [deepest_within([level], QUARTER) for level in parts] or [deepest_within(levels, QUARTER)]
        if len({level.stride for level in selected}) > 1:
            raise PosenasError("vector head: the backbone's part levels differ in stride; they must be alike")
        check_input_size(self.input_size, levels, head="vector")
        self._check_number(len(parts))
        return selected

    def _check_number(self, parts: int) -> None:
        found = f"{parts or 'no'} level{'' if parts == 1 else 's'} named part1, part2, ..."
        if isinstance(self.groups, tuple) and len(self.groups) != max(parts, 1):
            raise PosenasError(
                f"vector head: {len(self.groups)} part groups, and the backbone has {found}; "
                "give one group for each part, or head.groups=auto"
            )
        if self.groups == "random" and parts < 2:
            raise PosenasError(
                f"vector head: random groups need several parts, and the backbone has {found}; "
                "use a space with part levels, or head.groups=auto"
            )

    def part_groups(self, keypoints: KeypointSet, parts: int) -> tuple[PartGroup, ...]:
        """Return the keypoints of each part.

        Raises:
            PosenasError: if they cannot be told, or are no good groups.
        """
        if self.groups == "auto":
            return body_groups(keypoints, parts)
        if self.groups == "random":
            return random_groups(keypoints, parts, Random(self.groups_seed))
        return named_groups(keypoints, self.groups)

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> VectorModule:
        groups = self.part_groups(keypoints, len(levels))
        return VectorModule(
            levels, groups, keypoints, dimension=self.dimension, encoding=self.encoding, sigma=self.sigma
        )


class VectorModule(nn.Module):
    """A head module whose outputs are (N, K, H / stride, W / stride) scores, 0 or more.

    A score is below 1 if one part has the keypoint. Of dimension 1 the outputs are the convolutions' own
    values, a heat map's without vectors (table IV).

    Args:
        levels: one for each group, all of one stride.
        groups: every keypoint is in at least one.
        keypoints: the dataset's.
        dimension: that of the vectors.
        encoding: how keypoints become maps and maps keypoints.
        sigma: that of maps at 1/4, in their pixels; finer maps have as much more.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        groups: Sequence[PartGroup],
        keypoints: KeypointSet,
        *,
        dimension: int,
        encoding: Encoding,
        sigma: float,
    ) -> None:
        super().__init__()
        self.levels = [level.name for level in levels]
        self.groups = tuple(groups)
        self.dimension = dimension
        self.mirrored = list(keypoints.mirrored)
        self.encoding: Encoding = encoding
        self.stride = levels[0].stride
        self.sigma = sigma * QUARTER / self.stride
        self.convolutions = nn.ModuleList(
            nn.Conv2d(level.channels, len(group.keypoints) * dimension, kernel_size=1)
            for level, group in zip(levels, groups, strict=True)
        )
        first = _FIRST_SQUARE if dimension == 1 else math.sqrt(_FIRST_SQUARE / dimension)
        for convolution in self.convolutions:
            nn.init.normal_(convolution.weight, std=0.001)  # type: ignore[arg-type]
            nn.init.constant_(convolution.bias, first)  # type: ignore[arg-type]

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:  # noqa: ARG002
        """Return the scores, in float32 even under autocast: bfloat16 is too coarse to refine a peak by.

        A keypoint's map is the sum of those of the parts that have it (Eq. 7).
        """
        maps: dict[int, Tensor] = {}
        for name, group, convolution in zip(self.levels, self.groups, self.convolutions, strict=True):
            scores = self._scores(features[name], convolution).unbind(1)
            for index, score in zip(group.keypoints, scores, strict=True):
                maps[index] = maps[index] + score if index in maps else score
        return torch.stack([maps[index] for index in sorted(maps)], dim=1)

    def _scores(self, level: Tensor, convolution: nn.Module) -> Tensor:
        """Return (N, J, H, W) scores of a part's (N, C, H, W) level."""
        with full_precision(level):
            vectors: Tensor = convolution(level.float().relu())
            if self.dimension == 1:
                return vectors
            by_keypoint = vectors.unflatten(1, (-1, self.dimension))  # type: ignore[no-untyped-call]
            return squashed_length(by_keypoint, dim=2)

    def targets(self, batch: Batch) -> HeatmapTargets:
        return encode(batch, self.encoding, sigma=self.sigma, stride=self.stride)

    def loss(self, outputs: Tensor, targets: HeatmapTargets) -> Tensor:
        """Return Eq. 6, the mean over N and K of the sum over pixels, as a share of an empty map's error.

        An empty map's loss is 1 whatever the resolution, so that losses can be compared. Keypoints that are
        not labelled, or whose patch is not on the map, count as zero.
        """
        return mean_squared_error(outputs, targets) * self._pixels_to_error(outputs)

    def distillation_loss(self, outputs: Tensor, teacher: Tensor) -> Tensor:
        return mean_squared_difference(outputs, teacher) * self._pixels_to_error(outputs)

    def _pixels_to_error(self, outputs: Tensor) -> float:
        """Return a map's pixels over an empty map's squared error.

        That error is the sum of the target's squares, pi sigma^2.
        """
        return outputs.shape[2:].numel() / (math.pi * self.sigma**2)

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:  # noqa: ARG002
        """Decode positions in view pixels, with the peak's value as score.

        The score is above 1 if several parts add up to more.
        """
        return self._poses(outputs)

    def exported(self) -> DecodedMaps:
        """Return the module and its decoding as one."""
        return DecodedMaps(self, self._poses)

    def _poses(self, outputs: Tensor) -> Poses:
        maps = outputs.float()
        peaks = find_peaks(maps)
        positions = refine(maps, peaks, self.encoding, sigma=self.sigma)
        places = to_view(positions, self.encoding, maps.shape[2:], stride=self.stride)
        return Poses(places, peak_values(maps, peaks))

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor) -> Tensor:
        """Return the mean of the scores of the view and of its mirror image."""
        return (outputs.float() + undo_mirror(mirrored.float(), self.mirrored, self.encoding)) / 2


def squashed_length(vectors: Tensor, *, dim: int) -> Tensor:
    """Return n^2 / (1 + n^2), in [0, 1), n being the vectors' length along `dim` (Eq. 5).

    There is no square root, whose gradient is infinite at length 0. Vectors longer than 4096 have the score
    of that length, and no gradient.
    """
    squares = vectors.square().sum(dim).clamp(max=_LONGEST)
    return squares / (1 + squares)


def _part_levels(levels: Sequence[Level]) -> list[Level]:
    """Return the levels `part1`, `part2`, ... as far as they go."""
    by_name = {level.name: level for level in levels}
    parts: list[Level] = []
    while (level := by_name.get(f"part{len(parts) + 1}")) is not None:
        parts.append(level)
    return parts
