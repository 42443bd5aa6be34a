"""What a dataset holds: images with people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from posenas.contract.messages import message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posenas.contract.file_ids import FileId


class ImageSource(Protocol):
    """Where an image's pixels come from; picklable, so that worker processes can read it."""

    def read(self) -> NDArray[np.uint8]:
        """(H, W, 3) RGB. Raises UnreadableImageError, which names the file, where there is no image."""
        ...

    def __str__(self) -> str:
        """The name a user knows it by: its path."""
        ...


class UnreadableImageError(Exception):
    """An image file that is missing, truncated or no image. Its message names the file and the reason."""

    def __init__(self, words: object = "") -> None:
        super().__init__(message(str(words)))


@dataclass(frozen=True)
class Person:
    """One annotated person.

    Attributes:
        box: (x, y, width, height) in pixels.
        keypoints: (K, 3) float64: x, y in pixels and visibility. 0 is not labelled, 1 hidden, 2 visible. What
            a file holds beside these is kept: a keypoint is labelled where it is above 0, and nowhere else.
        area: of the person's segment (or box), in square pixels; the scale of OKS.
        crowd: a group of people under one box; never trained on, and detections in it are ignored.
        id: the annotation's; 0 where it has none.
        head_box: (x, y, width, height) of the head in pixels, where it is annotated; the scale of PCKh.
    """

    box: tuple[float, float, float, float]
    keypoints: NDArray[np.float64]
    area: float
    crowd: bool = False
    id: FileId = 0
    head_box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Sample:
    """One image and everybody annotated in it (possibly nobody).

    Attributes:
        id: a 64-bit number, unique in its split.
        crowd_index: CrowdPose's measure of how crowded the image is, where its file tells it.
        file_id: the id that the annotation file has, where that is no such number; None where it is `id`.
    """

    id: int
    source: ImageSource
    width: int
    height: int
    people: tuple[Person, ...]
    crowd_index: float | None = None
    file_id: FileId | None = None

    @property
    def written_id(self) -> FileId:
        """The id that results, boxes and messages know the image by."""
        return self.id if self.file_id is None else self.file_id
