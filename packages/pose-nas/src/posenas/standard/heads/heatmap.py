"""The heat-map head: one map for each keypoint, at a quarter of the view's size or finer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from posenas.contract.batches import Batch, Poses, View
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level, deepest_within
from posenas.networks.constants import constant
from posenas.networks.devices import full_precision
from posenas.networks.heatmaps.decoding import find_peaks, peak_masses, peak_values, refine
from posenas.networks.heatmaps.encoding import (
    QUARTER,
    Encoding,
    HeatmapTargets,
    encode,
    in_view,
    to_view,
)
from posenas.networks.heatmaps.exported import DecodedMaps
from posenas.networks.heatmaps.losses import (
    counted,
    cross_entropy_to_teacher,
    divergence,
    log_probabilities,
    mean_squared_difference,
    mean_squared_error,
    probabilities,
)
from posenas.networks.heatmaps.view import (
    CropOption,
    EncodingOption,
    InputSizeOption,
    check_input_size,
    person_view,
    undo_mirror,
)

Loss: TypeAlias = Literal["cross-entropy", "mse"]


@dataclass(frozen=True)
class HeatmapHead:
    """Heat maps by one 1 x 1 convolution from the deepest level at 1/4 of the view or finer."""

    input_size: InputSizeOption = (128, 96)
    encoding: EncodingOption = "udp"
    crop: CropOption = "auto"
    sigma: Annotated[
        float,
        "standard deviation of the targets, quarters of a view's pixel; the papers' 2 is for 256x192",
        Ge(0.5),
        Le(64),
    ] = 1.0
    loss: Annotated[Loss, "maps as distributions over pixels, or as images of values as in the papers"] = (
        "cross-entropy"
    )

    def view(self) -> View:
        """Return the view of one person that the maps are made in."""
        return person_view(self.input_size, encoding=self.encoding, crop=self.crop)

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the deepest level at 1/4 or finer.

        Raises:
            PosenasError: where there is none, or the view is not a multiple of the stride of every level.
        """
        selected = deepest_within(levels, QUARTER)
        check_input_size(self.input_size, levels, head="heatmap")
        return [selected]

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> HeatmapModule:
        """Return the module for the one selected level."""
        (level,) = levels
        return HeatmapModule(level, keypoints, encoding=self.encoding, sigma=self.sigma, loss=self.loss)


class HeatmapModule(nn.Module):
    """The module of the heat-map head: outputs (N, K, H / stride, W / stride), logits or values.

    They are logits with the loss `cross-entropy`, and values otherwise.

    Args:
        level: the level that the maps are made from.
        keypoints: the keypoint set, with one map for each keypoint.
        encoding: how keypoints become maps and maps keypoints.
        sigma: standard deviation of the targets in pixels of maps at 1/4; maps at 1/2 have twice as many.
        loss: compares maps as distributions over pixels, or as images of values.
    """

    def __init__(
        self, level: Level, keypoints: KeypointSet, *, encoding: Encoding, sigma: float, loss: Loss
    ) -> None:
        super().__init__()
        self.level = level.name
        self.mirrored = list(keypoints.mirrored)
        self.encoding: Encoding = encoding
        self.stride = level.stride
        self.sigma = sigma * QUARTER / level.stride
        self.distributions = loss == "cross-entropy"
        self.convolution = nn.Conv2d(level.channels, len(keypoints), kernel_size=1)
        nn.init.normal_(self.convolution.weight, std=0.001)
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:  # noqa: ARG002
        """Return the maps, in float32 even under autocast: bfloat16 is too coarse to refine a peak by."""
        level = features[self.level]
        with full_precision(level):
            maps: Tensor = self.convolution(level.float())
        return maps

    def targets(self, batch: Batch) -> HeatmapTargets:
        """Return the Gaussians to compare with.

        Distributions have no mass for a keypoint outside the view, so there it does not count.
        """
        targets = encode(batch, self.encoding, sigma=self.sigma, stride=self.stride)
        if not self.distributions:
            return targets
        return replace(targets, weights=targets.weights * in_view(batch))

    def loss(self, outputs: Tensor, targets: HeatmapTargets) -> Tensor:
        """Return the loss as distributions or as images of values."""
        return (divergence if self.distributions else mean_squared_error)(outputs, targets)

    def loss_means(self, outputs: Tensor, targets: HeatmapTargets) -> tuple[Tensor, Tensor]:
        """Return the loss, and the count that it is the mean of: keypoints, or people for maps as images."""
        people = constant(len(outputs), outputs)
        count = counted(targets) if self.distributions else people
        return self.loss(outputs, targets).reshape(1), count.reshape(1)

    def distillation_loss(self, outputs: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of in-place distillation as in ViPNAS; for distributions the cross-entropy."""
        compare = cross_entropy_to_teacher if self.distributions else mean_squared_difference
        return compare(outputs, teacher)

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:  # noqa: ARG002
        """Decode positions in view pixels, and scores that compare people.

        A distribution's score is the probability within 3 sigma of the peak, 1 for a perfect map. Other maps
        have the peak's value: near 1 where the network is sure. Nothing is cut, so it may be above 1 or below
        0: cut off, the surest people would all score the same, and their order would be lost.
        """
        return self._poses(outputs)

    def exported(self) -> DecodedMaps:
        """Return the module and its decoding as one."""
        return DecodedMaps(self, self._poses)

    def _poses(self, outputs: Tensor) -> Poses:
        maps = probabilities(outputs) if self.distributions else outputs.float()
        peaks = find_peaks(maps)
        positions = refine(maps, peaks, self.encoding, sigma=self.sigma)
        places = to_view(positions, self.encoding, maps.shape[2:], stride=self.stride)
        if not self.distributions:
            return Poses(places, peak_values(maps, peaks))
        masses = peak_masses(maps, peaks, sigma=self.sigma)
        return Poses(places, masses.clamp(0.0, 1.0))  # rounding takes their sum past 1

    def guide(self, outputs: Tensor) -> Tensor:
        """Return the maps, or the distributions times the inverse of a perfect one's peak."""
        if not self.distributions:
            return outputs
        return probabilities(outputs) * (2 * math.pi * self.sigma**2)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor) -> Tensor:
        """Return the mean of the maps, or the logarithm of the mean of the distributions."""
        undone = undo_mirror(mirrored, self.mirrored, self.encoding)
        if self.distributions:
            return torch.logaddexp(log_probabilities(outputs), log_probabilities(undone)) - math.log(2.0)
        return (outputs.float() + undone.float()) / 2
