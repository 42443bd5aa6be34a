"""Image files as frames: a single one, or those of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.contract.samples import UnreadableImageError
from posenas.data.images.file_image import MOST_PIXELS, FileImage
from posenas.data.remarks import RemarkedImages, depth_remark
from posenas.prediction.frames import Frame

ENDINGS = frozenset(
    (
        ".avif",
        ".bmp",
        ".gif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    )
)
_MOST_DIGITS = 18
"""The most digits of a number that surely fits into 64 bits."""


@dataclass(frozen=True)
class ImageFiles:
    """Images and their ids; those of a folder that cannot be read are named and passed over.

    Attributes:
        place: the folder or the file, for errors.
        warn: told the name of each file that cannot be read, and why; at the end, once of each kind of remark
            on the others.
        most_pixels: images with more are not read.
    """

    place: Path
    files: Sequence[Path]
    ids: Sequence[int]
    warn: Callable[[str], None]
    most_pixels: int = MOST_PIXELS
    rate: None = None

    @property
    def total(self) -> int:
        return len(self.files)

    def holds(self, image: int | str) -> bool:
        """Return whether an image has this id or file name."""
        return image in self._known

    @cached_property
    def _known(self) -> frozenset[int | str]:
        return frozenset((*self.ids, *(file.name for file in self.files)))

    def frames(self) -> Iterator[Frame]:
        """Yield the images in their order.

        Raises:
            PosenasError: if none can be read.
        """
        read, remarked = 0, RemarkedImages(self.warn)
        for number, file in zip(self.ids, self.files, strict=True):
            try:
                pixels, bits = FileImage(file, self.most_pixels).decode()
            except UnreadableImageError as error:
                if len(self.files) == 1:
                    raise PosenasError(str(error)) from None
                self.warn(str(error))
                continue
            read += 1
            remarked.note([] if bits is None else [depth_remark(file, bits)])
            yield Frame(number, pixels, file.name)
        remarked.tell()
        if not read:
            raise PosenasError(f"{self.place}: none of its {len(self.files)} images can be read")


def one_image(path: Path, *, warn: Callable[[str], None], most_pixels: int = MOST_PIXELS) -> ImageFiles:
    """Return the frames of a single image file.

    Args:
        path: the image.
        warn: told what is odd about it.
        most_pixels: an image with more is not read.
    """
    return ImageFiles(path, (path,), image_ids([path]), warn, most_pixels)


def image_folder(
    path: Path, *, limit: int | None, warn: Callable[[str], None], most_pixels: int = MOST_PIXELS
) -> ImageFiles:
    """Return the files directly in a folder that are called images, by name; hidden ones are left out.

    Args:
        path: the folder.
        limit: at most this many files; None for all.
        warn: told the name of each file that cannot be read, and what is odd about the others.
        most_pixels: images with more are not read.

    Raises:
        PosenasError: if there is none.
    """
    files = sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and not file.is_dir()
    )
    if not files:
        raise PosenasError(
            f"{path}: no image lies directly in this folder (looked for {', '.join(sorted(ENDINGS))})"
        )
    return ImageFiles(path, files[:limit], image_ids(files)[:limit], warn, most_pixels)


def image_ids(files: Sequence[Path]) -> list[int]:
    """Return an id for each file: the numbers that they are called by, as COCO's are, or else 0, 1, ...

    The numbers are used only if all files are called by one, and all differ.
    """
    stems = [file.stem for file in files]
    if all(stem.isascii() and stem.isdecimal() and len(stem) <= _MOST_DIGITS for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(len(files)))
