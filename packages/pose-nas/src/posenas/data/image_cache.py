"""Pixels in a file on disk, each valid while the image file that they were made from stays as it is."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from posenas.data.remarks import Remark, unkept_remark

if TYPE_CHECKING:
    from numpy.typing import NDArray

FileVersion: TypeAlias = tuple[int, int]
"""The bytes of a file, and the nanosecond of its last change."""

_FIELDS = 6
"""Numbers of an entry's record: file version, image height and width, bits, checksum."""
_RECORD = _FIELDS * 8


class Made(NamedTuple):
    """Pixels that were made from an image.

    Attributes:
        pixels: (h, w, 3).
        height: of the whole image.
        width: of the whole image.
        stretched: how many of 16 bits the image uses, where it was stretched to them; else None.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int
    stretched: int | None


def file_version(path: Path) -> FileVersion | None:
    """Return the version of a file; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # whoever reads the file tells the reason
        return None
    return found.st_size, found.st_mtime_ns


def bytes_of(sizes: NDArray[np.int64]) -> int:
    """Return the bytes of the file for entries of (N, 2) heights and widths."""
    return len(sizes) * _RECORD + 3 * int(sizes.prod(axis=1).sum())


class ImageCache:
    """A file with room for the pixels of N entries, which processes fill and read side by side.

    An entry's record holds the version of its image file and a checksum. It is written after the pixels. So
    an entry that was half written when its process was killed, or that was damaged, or whose image file has
    changed, counts as missing. Processes that write an entry at the same time write the same bytes.
    """

    def __init__(self, path: Path, sizes: NDArray[np.int64]) -> None:
        """Open the file, which takes room on disk only for what is written.

        Args:
            path: the file; it is made where it is missing.
            sizes: (N, 2) heights and widths.

        Raises:
            OSError: where the file cannot be opened or made.
        """
        self._path, self._sizes = path, sizes
        self._remarks: list[Remark] = []
        self._places = len(sizes) * _RECORD + np.cumsum(3 * sizes.prod(axis=1)) - 3 * sizes.prod(axis=1)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        weakref.finalize(self, os.close, self._file)
        if os.fstat(self._file).st_size != bytes_of(sizes):
            os.ftruncate(self._file, bytes_of(sizes))

    def __reduce__(self) -> tuple[type[ImageCache], tuple[Path, NDArray[np.int64]]]:
        return ImageCache, (self._path, self._sizes)

    def __str__(self) -> str:
        return str(self._path)

    def get(self, entry: int, file: Path, make: Callable[[], Made]) -> Made:
        """Return an entry, made and kept where it is missing.

        Args:
            entry: its number.
            file: the image file that it is made from.
            make: makes it. What has not the entry's size is not kept.
        """
        version = file_version(file)  # before the file is read: it may change meanwhile
        if version is None:
            return make()
        with self._disk_errors():
            found = self.read(entry, version)
            if found is not None:
                return found
        made = make()
        if made.pixels.shape[:2] == tuple(self._sizes[entry]):
            with self._disk_errors():
                self._write(entry, version, made)
        return made

    def take_remarks(self) -> tuple[Remark, ...]:
        """Return what the disk refused since this was last called."""
        taken = tuple(self._remarks)
        self._remarks.clear()
        return taken

    def read(self, entry: int, version: FileVersion | None = None) -> Made | None:
        """Return an entry; None where it is missing, damaged, or of another version of its file.

        Args:
            entry: its number.
            version: of its image file; None takes any.

        Raises:
            OSError: where the disk fails.
        """
        record = np.zeros(_FIELDS, np.int64)
        os.preadv(self._file, [record.data], entry * _RECORD)
        *found, height, width, bits, checksum = record.tolist()
        if not height or version not in (None, tuple(found)):
            return None
        pixels = np.empty((*self._sizes[entry].tolist(), 3), np.uint8)
        read = os.preadv(self._file, [pixels.reshape(-1).data], int(self._places[entry]))
        if read < pixels.nbytes or _checksum(pixels) != checksum:
            return None
        return Made(pixels, height, width, bits or None)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Note an error of the disk: everything can be made again."""
        try:
            yield
        except OSError as error:
            self._remarks.append(unkept_remark(self._path, str(error.strerror)))

    def _write(self, entry: int, version: FileVersion, made: Made) -> None:
        pixels = np.ascontiguousarray(made.pixels)
        _write_all(self._file, pixels.reshape(-1).data, int(self._places[entry]))
        numbers = (*version, made.height, made.width, made.stretched or 0, _checksum(pixels))
        _write_all(self._file, np.array(numbers, np.int64).data, entry * _RECORD)


def _write_all(file: int, content: memoryview, place: int) -> None:
    content = content.cast("B")
    while content:
        written = os.pwrite(file, content, place)
        content, place = content[written:], place + written


def _checksum(pixels: NDArray[np.uint8]) -> int:
    """Return the sum of the pixels, eight bytes at a time, which a lost page or a damaged byte changes."""
    flat = pixels.reshape(-1)
    whole = flat.size // 8 * 8
    return (int(flat[:whole].view(np.uint64).sum()) + int(flat[whole:].sum())) % 2**63
