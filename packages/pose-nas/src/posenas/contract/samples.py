"""Samples: the images with people that a dataset holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from posenas.contract.messages import message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posenas.contract.file_ids import FileId


class ImageSource(Protocol):
    """A place that an image's pixels come from; picklable, so that worker processes can read it."""

    def read(self) -> NDArray[np.uint8]:
        """Return the image, (H, W, 3) RGB.

        Raises:
            UnreadableImageError: names the file, where there is no image.
        """
        ...

    def __str__(self) -> str:
        """Return the name by which a user knows the image: its path."""
        ...


class UnreadableImageError(Exception):
    """An error for an image file that is missing, truncated or no image; it names the file and the reason."""

    def __init__(self, words: object = "") -> None:
        super().__init__(message(str(words)))


@dataclass(frozen=True)
class Person:
    """A person annotated in an image.

    Attributes:
        box: (x, y, width, height) in pixels.
        keypoints: (K, 3) float64: x, y in pixels and visibility. 0 is not labelled, 1 hidden, 2 visible.
            Other values in a file are kept: a keypoint is labelled where its visibility is above 0, and only
            there.
        area: square pixels of the person's segment (or box); the scale of OKS.
        crowd: whether it is a group of people under one box, which is never trained on; detections in it are
            ignored.
        id: the annotation's id; 0 where it has none.
        regions: (x, y, width, height) in pixels of the regions that are annotated and valid, by their names
            in the keypoint set. `head` is the head's box in any set; it is the scale of PCKh.
        track: the number of the person in its video, the same in all frames; None where nobody tells it.
    """

    box: tuple[float, float, float, float]
    keypoints: NDArray[np.float64]
    area: float
    crowd: bool = False
    id: FileId = 0
    regions: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    track: int | None = None


@dataclass(frozen=True)
class Sample:
    """An image and everybody annotated in it (possibly nobody).

    Attributes:
        id: a 64-bit number, unique in its split.
        source: where the pixels come from.
        width: pixels of the image.
        height: pixels of the image.
        people: everybody annotated in the image.
        crowd_index: CrowdPose's measure of how crowded the image is, where its file tells it.
        file_id: the id in the annotation file where that is no 64-bit number; None where it is `id`.
        video: the name of the video that the image is a frame of; None where it is of none.
        frame: the number of the frame in its video, which frames ascend by; None where it is of none.
        ignored: (M, 2) corners in pixels, M >= 3, of each polygon in which people may not be annotated. What
            is predicted there is neither right nor wrong, to evaluators that read it.
    """

    id: int
    source: ImageSource
    width: int
    height: int
    people: tuple[Person, ...]
    crowd_index: float | None = None
    file_id: FileId | None = None
    video: str | None = None
    frame: int | None = None
    ignored: tuple[NDArray[np.float64], ...] = ()

    @property
    def written_id(self) -> FileId:
        """The id by which results, boxes and messages know the image."""
        return self.id if self.file_id is None else self.file_id
