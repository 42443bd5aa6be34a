"""Paths that the user gives, opened as sources of frames: an image, a folder, a video or a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

import cv2

from pose_run.errors import PoseRunError
from pose_run.ids import as_number, unique
from pose_run.images import read_image, stretched_images
from pose_run.videos import open_camera, open_video

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENDINGS = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm"),
        *(".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
"""The names of a folder's images end so."""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        id: `image_id` in the results.
        pixels: (H, W, 3) RGB.
        file_name: empty for a frame of a video.
    """

    id: int
    pixels: NDArray[np.uint8]
    file_name: str = ""


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
        """Return the id of the frame that a detector calls so, by id or file name; None for no frame."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in their order.

        Raises:
            PoseRunError: if not a single one can be read.
        """
        ...


@dataclass(frozen=True)
class ImageFiles:
    """Images, numbered from 1; those of a folder that cannot be read are named and passed over.

    Attributes:
        place: the folder or the file, for errors.
        files: at least one.
        warn: told the name of each file that cannot be read, and why; at the end, which were stretched.
    """

    place: Path
    files: Sequence[Path]
    warn: Callable[[str], None]
    rate: None = None

    @property
    def total(self) -> int:
        return len(self.files)

    def find(self, image: int | str) -> int | None:
        """Return the id of the image with this file name, or this name without its ending; else None."""
        if isinstance(image, str):
            named = self._names.get(PurePosixPath(image.replace("\\", "/")).name)
            if named is not None or image in self._stems:
                return self._stems[image] if named is None else named
        number = as_number(image)
        return None if number is None else self._numbers.get(number)

    @cached_property
    def _names(self) -> dict[str, int]:
        return {file.name: number for number, file in enumerate(self.files, start=1)}

    @cached_property
    def _stems(self) -> dict[str, int]:
        return {file.stem: number for number, file in enumerate(self.files, start=1)}

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return unique((as_number(file.stem), number) for number, file in enumerate(self.files, start=1))

    def frames(self) -> Iterator[Frame]:
        """Yield the images in their order.

        Raises:
            PoseRunError: if none can be read.
        """
        read = 0
        stretched: list[str] = []
        for number, file in enumerate(self.files, start=1):
            try:
                pixels, bits = read_image(file)
            except PoseRunError as error:
                if len(self.files) == 1:
                    raise
                self.warn(str(error))
                continue
            read += 1
            stretched += [] if bits is None else [f"{file} uses {bits}"]
            yield Frame(number, pixels, file.name)
        if stretched:
            self.warn(stretched_images(stretched))
        if not read:
            raise PoseRunError(f"{self.place}: none of its {len(self.files)} images can be read")


@dataclass(frozen=True)
class Moving:
    """The frames of a video or a camera, numbered from 0.

    Attributes:
        rate: frames per second.
        total: the number of frames to expect; None if nobody knows.
        read: yields the (H, W, 3) RGB pixels of each frame.
        is_live: whether it is a camera, which Ctrl-C ends.
    """

    rate: float
    total: int | None
    read: Callable[[], Iterator[NDArray[np.uint8]]]
    is_live: bool

    def find(self, image: int | str) -> int | None:
        """Return the number if a frame of it is to be expected, else None."""
        number = as_number(image)
        known = number is not None and number >= 0 and (self.total is None or number < self.total)
        return number if known else None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames as they come."""
        for number, pixels in enumerate(self.read()):
            yield Frame(number, pixels)


def open_source(path: Path, *, limit: int | None, warn: Callable[[str], None]) -> ImageFiles | Moving:
    """Return the frames at a path. A file's content tells what it is, whatever it is called.

    Args:
        path: an image, a folder of images, a video, or the number of a camera.
        limit: at most this many frames; None for all.
        warn: told what is wrong with a part of it.

    Raises:
        PoseRunError: if there is nothing that could be a frame.
    """
    if path.is_dir():
        return ImageFiles(path, _images_in(path)[:limit], warn)
    if not path.exists() and path.name == str(path) and path.name.isdecimal():
        return Moving(*open_camera(int(path.name), limit=limit), is_live=True)
    if not path.exists():
        raise PoseRunError(f"{path}: no such file or folder")
    if not path.is_file():
        raise PoseRunError(f"{path}: neither a file nor a folder")
    with path.open("rb"):
        pass  # a file that may not be read is told from one that holds something else
    if cv2.haveImageReader(str(path)):
        return ImageFiles(path, [path], warn)
    return Moving(*open_video(path, limit=limit, warn=warn), is_live=False)


def _images_in(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and not file.is_dir()
    )
    if not files:
        raise PoseRunError(
            f"{folder}: no image lies directly in this folder (looked for {', '.join(sorted(ENDINGS))})"
        )
    return files
