"""Batches, views and poses: what a network is fed and what a head gives back.

Shape legend, used in every docstring of the project: N batch, P predicted people, T true people, K keypoints,
C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from posenas.contract.normalisation import Normalisation

if TYPE_CHECKING:
    from torch import Tensor

CropRule: TypeAlias = Literal["udp", "standard"]
"""How a person's padded box, W0 x H0 pixels of the image, is mapped onto the W x H pixels of the view.

- udp: one pixel of the view spans W0 / (W - 1) pixels of the image, so the box's corners are the centres of
  the view's corner pixels (Huang et al., Unbiased Data Processing, CVPR 2020).
- standard: one pixel of the view spans W0 / W, and the box's centre lies at (W / 2, H / 2), half a pixel
  right of and below the view's middle (Simple Baselines, HRNet and most papers since).
"""


@dataclass(frozen=True)
class View:
    """The way in which a head wants to see the data.

    Attributes:
        kind: `person` for a crop around one person, `image` for the whole image, letterboxed.
        height: pixels of the view.
        width: pixels of the view.
        stride: for whole images: their sides are multiples of it, also in rectangular batches.
        crop: how a person's box is mapped onto the view.
        normalisation: how pixels become a network's input; None for what is usual, ImageNet's mean and
            deviation for a person, and values from 0 to 1 for the whole image.
    """

    kind: Literal["person", "image"]
    height: int
    width: int
    stride: int = 1
    crop: CropRule = "udp"
    normalisation: Normalisation | None = None


@dataclass(frozen=True)
class Batch:
    """A batch of N views on the device: crops of one person each, or whole images with T people in all.

    Attributes:
        images: (N, 3, H, W), normalised as the view says: usually RGB, crops by ImageNet's mean and
            deviation, whole images from 0 to 1.
        keypoints: (T, K, 2) pixels of the view. T is N for crops.
        labelled: (T, K) 1.0 where the keypoint is labelled, in whole images also inside the view; else 0.0.
        boxes: (T, 4) x1, y1, x2, y2 in pixels of the view. None for crops, like the fields below.
        views: (T,) int64, which of the N views each person is in.
        pitch: (N,) pixels of the original image for one pixel of the view.
        regions: (T, R, 5, 2) pixels of the view: the top left, top right, bottom right and bottom left corner
            and the centre of each region of the keypoint set, in its order. They move with the picture as
            keypoints do: turned boxes are turned. In a mirrored view left regions are right ones, and left
            corners are right ones. None where the keypoint set has no regions.
        regions_known: (T, R) 1.0 where the region is annotated or follows from its keypoints, else 0.0.
    """

    images: Tensor
    keypoints: Tensor
    labelled: Tensor
    boxes: Tensor | None = None
    views: Tensor | None = None
    pitch: Tensor | None = None
    regions: Tensor | None = None
    regions_known: Tensor | None = None


@dataclass(frozen=True)
class Look:
    """A head's outputs for the views of a batch that were resized, or mirrored, or both.

    Attributes:
        outputs: whatever the head calls outputs.
        size: (height, width) that the views were resized to, without the grey on their right and below.
        mirrored: whether the views were mirrored left to right.
    """

    outputs: Any
    size: tuple[int, int]
    mirrored: bool


@dataclass(frozen=True)
class Poses:
    """The P poses that a head decoded: one for each crop, or any number for each whole image.

    Attributes:
        keypoints: (P, K, 2) pixels of the view.
        keypoint_scores: (P, K), higher where the head is surer. Nothing limits them to 0 to 1.
        views: (P,) int64, which view of the batch each pose is in. None for crops, like `scores`.
        scores: (P,) scores of the poses as wholes.
    """

    keypoints: Tensor
    keypoint_scores: Tensor
    views: Tensor | None = None
    scores: Tensor | None = None


@dataclass(frozen=True)
class PosesWithout:
    """The poses of a batch as they would be without one step of the decoding.

    Attributes:
        poses: the poses without that step.
        replaced: (K,) how many of each keypoint the step replaces in the batch's poses; None where it
            replaces none of them, or all.
    """

    poses: Poses
    replaced: Tensor | None = None
