"""Frames: the pictures that poses are predicted in, whether they come from files or from a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from posenas.contract.samples import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posenas.contract.file_ids import FileId


@dataclass(frozen=True)
class Frame:
    """One picture. It is its own `ImageSource`.

    Attributes:
        id: a number of its own.
        pixels: (H, W, 3) RGB.
        file_name: empty for a frame of a video.
        file_id: `image_id` in the results, if that is another one than `id`.
    """

    id: int
    pixels: NDArray[np.uint8]
    file_name: str = ""
    file_id: FileId | None = None

    @property
    def written_id(self) -> FileId:
        """The `image_id` in the results."""
        return self.id if self.file_id is None else self.file_id

    def as_sample(self) -> Sample:
        """Return the frame as an image that nobody is annotated in."""
        height, width = self.pixels.shape[:2]
        return Sample(self.id, self, width, height, (), file_id=self.file_id)

    def read(self) -> NDArray[np.uint8]:
        """Return the pixels, which are in memory."""
        return self.pixels

    def __str__(self) -> str:
        return self.file_name or f"frame {self.id}"


class Source(Protocol):
    """A place that frames come from."""

    @property
    def total(self) -> int | None:
        """The number of frames to expect; None if nobody knows. A video may end before."""
        ...

    @property
    def rate(self) -> float | None:
        """The frames per second of a video; None for images."""
        ...

    def find(self, image: int | str) -> int | None:
        """Return the number of the frame that a detector calls so, by id or file name; None for no frame."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in their order.

        Raises:
            PosenasError: if not a single one can be read.
        """
        ...


def one_ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames; a thread gets the next one while the one before is used.

    What getting a frame raises is raised where the frame would have come.
    """
    coming = iter(frames)
    with ThreadPoolExecutor(max_workers=1) as thread:
        pending = thread.submit(next, coming, None)
        while (frame := pending.result()) is not None:
            pending = thread.submit(next, coming, None)
            yield frame


def batched(frames: Iterable[Frame], size: int) -> Iterator[Sequence[Frame]]:
    """Yield at most `size` neighbours at a time, all of one shape.

    So no image's poses depend on how much grey another one needs.
    """
    batch: list[Frame] = []
    for frame in chain(frames, [None]):
        if batch and (frame is None or len(batch) == size or frame.pixels.shape != batch[0].pixels.shape):
            yield batch
            batch = []
        if frame is not None:
            batch.append(frame)
