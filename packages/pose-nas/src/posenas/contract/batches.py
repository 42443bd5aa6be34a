"""What a network is fed and what a head gives back.

Shape legend, used in every docstring of the project:
N batch, P predicted people, T true people, K keypoints, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

CropRule: TypeAlias = Literal["udp", "standard"]
"""How a person's padded box, W0 x H0 pixels of the image, meets the W x H pixels of the view.

- udp: a pixel of the view is W0 / (W - 1) of the image's, so the box's corners are the centres of the view's
  corner pixels (Huang et al., Unbiased Data Processing, CVPR 2020).
- standard: it is W0 / W, and the box's centre lies at (W / 2, H / 2), half a pixel right of and below the
  view's middle (Simple Baselines, HRNet and most papers since).
"""


@dataclass(frozen=True)
class View:
    """How a head wants to see the data.

    Attributes:
        kind: `person` is a crop around one person; `image` the whole image, letterboxed.
        stride: of whole images; the sides are multiples of it, those of rectangular batches too.
        crop: of people's boxes.
    """

    kind: Literal["person", "image"]
    height: int
    width: int
    stride: int = 1
    crop: CropRule = "udp"


@dataclass(frozen=True)
class Batch:
    """N views, on the device: of people, one in each, or of whole images with T people in all.

    Attributes:
        images: (N, 3, H, W) RGB, of people normalised with ImageNet's figures, of whole images from 0 to 1.
        keypoints: (T, K, 2) pixels of the view; of people's views T is N.
        labelled: (T, K) 1.0 where the keypoint is labelled, and of whole images inside the view; else 0.0.
        boxes: (T, 4) x1, y1, x2, y2 in pixels of the view. Whole images only, like the following ones.
        views: (T,) int64, in which of the N each person is.
        pitch: (N,) pixels of the original image to one of the view.
    """

    images: Tensor
    keypoints: Tensor
    labelled: Tensor
    boxes: Tensor | None = None
    views: Tensor | None = None
    pitch: Tensor | None = None


@dataclass(frozen=True)
class Look:
    """A head's outputs for the views of a batch at another size, or mirrored.

    Attributes:
        size: height and width that the views were resized to, without the grey on their right and below.
        mirrored: left to right.
    """

    outputs: Any
    size: tuple[int, int]
    mirrored: bool


@dataclass(frozen=True)
class Poses:
    """P decoded poses: one for each view of people, any number for each whole image.

    Attributes:
        keypoints: (P, K, 2) pixels of the view.
        keypoint_scores: (P, K), higher where the head is surer; nothing cuts them to 0 to 1.
        views: (P,) int64, in which view of the batch each is. Whole images only, like the following one.
        scores: (P,) of each pose as a whole.
    """

    keypoints: Tensor
    keypoint_scores: Tensor
    views: Tensor | None = None
    scores: Tensor | None = None


@dataclass(frozen=True)
class PosesWithout:
    """The poses of a batch as they are without one step of the decoding.

    Attributes:
        poses: without it.
        replaced: (K,) how many of each keypoint the step replaces in the batch's poses; None where it
            replaces none, or all.
    """

    poses: Poses
    replaced: Tensor | None = None
