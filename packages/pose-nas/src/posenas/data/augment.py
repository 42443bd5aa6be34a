"""Random changes of the training crops. All randomness comes from the generator that is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Le, Lt
from torch.nn.functional import pad

from posenas.data.channels import mix_channels
from posenas.networks.constants import constant

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from posenas.contract.keypoints import KeypointSet

Box = tuple[float, float, float, float]

# A half body's box is tight around keypoints, so it is given 1.5 of room in all: 1.2 here, 1.25 by the crop.
_HALF_BODY_ROOM = 1.2
_HALF_BODY_KEYPOINTS = 3
# The luma's weights of red, green and blue, by ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class CropChange:
    """The random change that was drawn for one crop; its geometric fields are arguments of `crop_matrix`.

    Attributes:
        colour: factors of brightness, contrast and saturation.
    """

    box: Box
    scale: float = 1.0
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Augmentation:
    """Which random changes a training crop goes through.

    The defaults are mild, for short trainings. Long ones on real people take more: HRNet's (Sun et al., CVPR
    2019) are `scale` 0.35, `rotation` 45 and `half_body` 0.3, with `draws` normal.
    """

    flip: Annotated[float, "probability of mirroring", Ge(0), Le(1)] = 0.5
    scale: Annotated[float, "size factor drawn from 1 - scale to 1 + scale", Ge(0), Lt(1)] = 0.15
    rotation: Annotated[
        float, "largest rotation either way, in degrees; half of it with draws normal", Ge(0), Le(180)
    ] = 15.0
    rotated: Annotated[float, "probability of rotating at all", Ge(0), Le(1)] = 0.6
    half_body: Annotated[float, "probability of showing only the upper or lower body", Ge(0), Le(1)] = 0.0
    shift: Annotated[float, "largest shift either way, as a share of the crop", Ge(0), Le(0.5)] = 0.0
    colour: Annotated[float, "largest change of brightness, contrast, saturation", Ge(0), Lt(1)] = 0.2
    draws: Annotated[
        Literal["uniform", "normal"],
        "how scale and rotation are drawn; normal as in HRNet's code: with these deviations, the scale cut "
        "at one, the rotation at two",
    ] = "uniform"

    def draw(
        self, rng: np.random.Generator, *, box: Box, keypoints: NDArray[np.float64], keypoint_set: KeypointSet
    ) -> CropChange:
        """Draw the changes of one crop.

        Every draw is made whatever the options are, so switching one change off leaves the others alone.

        Args:
            rng: the only source of randomness.
            box: x, y, width, height in pixels of the image.
            keypoints: (K, 3) pixels of the image and visibility.
            keypoint_set: names the upper body.
        """
        flip, rotate, half, upper = rng.random(4)
        size, angle, right, down, *colour = rng.uniform(-1.0, 1.0, 7)
        if half < self.half_body:
            box = half_body_box(box, keypoints, keypoint_set, upper=bool(upper < 0.5))
        if self.draws == "normal":
            size, angle = rng.standard_normal(2).clip((-1.0, -2.0), (1.0, 2.0))
        brightness, contrast, saturation = (1 + self.colour * float(value) for value in colour)
        return CropChange(
            box=box,
            scale=1 + self.scale * float(size),
            rotation=self.rotation * float(angle) if rotate < self.rotated else 0.0,
            shift=(self.shift * float(right), self.shift * float(down)),
            flip=bool(flip < self.flip),
            colour=(brightness, contrast, saturation),
        )


def half_body_box(box: Box, keypoints: NDArray[np.float64], keypoint_set: KeypointSet, *, upper: bool) -> Box:
    """Return the box around the labelled keypoints of the upper or the lower body.

    The given box is returned if no more than half of all keypoints are labelled (of COCO's 17, no more than
    8), if fewer than 3 would be left, or if the set has no upper body.

    Args:
        box: x, y, width, height in pixels of the image.
        keypoints: (K, 3) pixels of the image and visibility.
        keypoint_set: names the upper body.
        upper: whether the upper body is shown, not the lower one.

    Source: HRNet's training code, for the rule and its figures.
    """
    labelled = keypoints[:, 2] > 0
    in_upper = np.isin(np.arange(len(keypoints)), keypoint_set.upper_body)
    chosen = labelled & (in_upper == upper)
    if labelled.sum() <= len(keypoints) // 2 or chosen.sum() < _HALF_BODY_KEYPOINTS or not in_upper.any():
        return box
    lowest, highest = keypoints[chosen, :2].min(axis=0), keypoints[chosen, :2].max(axis=0)
    size = (highest - lowest) * _HALF_BODY_ROOM
    x, y = (lowest + highest - size) / 2
    return float(x), float(y), float(size[0]), float(size[1])


def change_colours(images: Tensor, factors: Tensor) -> Tensor:
    """Return images with another brightness, contrast and saturation, on their own device.

    Args:
        images: (N, 3, H, W) RGB from 0 to 1, channels last in memory.
        factors: (N, 3) of brightness, contrast and saturation; 1 changes nothing.
    """
    brightness, contrast, saturation = (factors[:, i].view(-1, 1, 1, 1) for i in range(3))
    images = (images * brightness).clamp_(0, 1)
    images = torch.lerp(grey(images.mean(dim=(2, 3), keepdim=True)), images, contrast).clamp_(0, 1)
    return mix_channels(images, saturation_matrices(saturation.squeeze(1))).clamp_(0, 1)


def saturation_matrices(factors: Tensor) -> Tensor:
    """Return the (N, 3, 4) matrices that give images another saturation, by (N, 1, 1) factors."""
    luma = constant(_LUMA, factors).expand(3, 3)
    return pad(torch.lerp(luma, torch.eye(3, device=factors.device), factors), (0, 1))


def grey(images: Tensor) -> Tensor:
    """Return the (N, 1, H, W) luma of (N, 3, H, W) RGB images."""
    red, green, blue = _LUMA
    return red * images[:, 0:1] + green * images[:, 1:2] + blue * images[:, 2:3]
