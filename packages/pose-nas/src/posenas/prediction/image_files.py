"""Image files as frames: a single one, or those of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, IdIndex, numbered
from posenas.contract.samples import UnreadableImageError
from posenas.data.images.file_image import MOST_PIXELS, FileImage
from posenas.data.images.search import last_parts
from posenas.data.remarks import RemarkedImages, depth_remark
from posenas.prediction.annotated_images import AnnotatedImages
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


@dataclass(frozen=True)
class ImageFiles:
    """Images and their ids; those of a folder that cannot be read are named and passed over.

    Attributes:
        place: the folder or the file, for errors.
        ids: of an annotation file; None numbers the images from 1.
        warn: told the name of each file that cannot be read, and why; at the end, once of each kind of remark
            on the others.
        most_pixels: images with more are not read.
    """

    place: Path
    files: Sequence[Path]
    ids: Sequence[FileId] | None
    warn: Callable[[str], None]
    most_pixels: int = MOST_PIXELS
    rate: None = None

    @property
    def total(self) -> int:
        return len(self.files)

    def find(self, image: int | str) -> int | None:
        """Return the number of the image that a detector calls so; None if there is none.

        It may be the file's name, the id that an annotation file tells, or else the name without its ending,
        as text or as the number that it is.
        """
        name = None if isinstance(image, int) else self._names.get(last_parts(image)[0])
        position = self._ids.find(image) if name is None else name
        return None if position is None else self._numbers[position]

    @cached_property
    def _numbers(self) -> Sequence[int]:
        return range(1, len(self.files) + 1) if self.ids is None else numbered(self.ids)

    @cached_property
    def _names(self) -> dict[str, int]:
        return {file.name: position for position, file in enumerate(self.files)}

    @cached_property
    def _ids(self) -> IdIndex:
        return IdIndex([file.stem for file in self.files] if self.ids is None else self.ids)

    def frames(self) -> Iterator[Frame]:
        """Yield the images in their order.

        Raises:
            PosenasError: if none can be read.
        """
        read, remarked = 0, RemarkedImages(self.warn)
        ids = self._numbers if self.ids is None else self.ids
        for number, identity, file in zip(self._numbers, ids, self.files, strict=True):
            try:
                pixels, bits = FileImage(file, self.most_pixels).decode()
            except UnreadableImageError as error:
                if len(self.files) == 1:
                    raise PosenasError(str(error)) from None
                self.warn(str(error))
                continue
            read += 1
            remarked.note([] if bits is None else [depth_remark(file, bits)])
            other = None if type(identity) is int and identity == number else identity
            yield Frame(number, pixels, file.name, other)
        remarked.tell()
        if not read:
            raise PosenasError(f"{self.place}: none of its {len(self.files)} images can be read")


def one_image(
    path: Path,
    *,
    warn: Callable[[str], None],
    annotated: AnnotatedImages | None = None,
    most_pixels: int = MOST_PIXELS,
) -> ImageFiles:
    """Return the frames of a single image file.

    Args:
        path: the image.
        warn: told what is odd about it.
        annotated: tells its id; None for 1.
        most_pixels: an image with more is not read.

    Raises:
        PosenasError: if its id is not told.
    """
    return _images(path, [path], annotated=annotated, warn=warn, most_pixels=most_pixels)


def image_folder(
    path: Path,
    *,
    limit: int | None,
    warn: Callable[[str], None],
    annotated: AnnotatedImages | None = None,
    most_pixels: int = MOST_PIXELS,
) -> ImageFiles:
    """Return the files directly in a folder that are called images, by name; hidden ones are left out.

    Args:
        path: the folder.
        limit: at most this many files; None for all.
        warn: told the name of each file that cannot be read, and what is odd about the others.
        annotated: tells the ids; None for 1, 2, ... in the order of the names.
        most_pixels: images with more are not read.

    Raises:
        PosenasError: if there is none, or the id of one is not told.
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
    return _images(path, files[:limit], annotated=annotated, warn=warn, most_pixels=most_pixels)


def _images(
    place: Path,
    files: Sequence[Path],
    *,
    annotated: AnnotatedImages | None,
    warn: Callable[[str], None],
    most_pixels: int,
) -> ImageFiles:
    ids = None if annotated is None else annotated.ids_of(files)
    return ImageFiles(place, files, ids, warn, most_pixels)
