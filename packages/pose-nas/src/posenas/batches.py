"""What a network is fed and what a head gives back.

Shape legend, used in every docstring of the project:
N batch, P predicted people, T true people, K keypoints, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class View:
    """How a head wants to see the data: `person` is a crop around one person."""

    kind: Literal["person"]
    height: int
    width: int


@dataclass(frozen=True)
class Batch:
    """N views of people, on the device.

    Attributes:
        images: (N, 3, H, W) normalised RGB.
        keypoints: (N, K, 2) pixels of the view.
        labelled: (N, K) 1.0 where the keypoint is labelled, else 0.0.
    """

    images: Tensor
    keypoints: Tensor
    labelled: Tensor


@dataclass(frozen=True)
class Poses:
    """Decoded poses, one for each view of the batch.

    Attributes:
        keypoints: (N, K, 2) pixels of the view.
        keypoint_scores: (N, K).
    """

    keypoints: Tensor
    keypoint_scores: Tensor
