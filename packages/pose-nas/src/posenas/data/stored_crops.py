"""Crops that are kept for every candidate of a search: in memory, or in a file where they are many."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from posenas.contract.errors import PosenasError
from posenas.runs.files import disk_errors

MOST_IN_MEMORY = 256 * 2**20
"""The bytes of a split's crops up to which they stay in memory: 1,820 people at 256 x 192."""


class StoredImages(Protocol):
    """Images (N, H, W, 3) uint8 that are read in parts. A tensor is one."""

    def __getitem__(self, part: slice, /) -> Tensor: ...

    def __setitem__(self, part: slice, images: Tensor, /) -> None: ...


class ImagesInFile:
    """Images (N, H, W, 3) uint8 in a file without a name, which goes with the process, however that ends.

    Parts are read into memory of their own, so that a process holds no more than it asks for.
    """

    def __init__(self, shape: Sequence[int], folder: Path) -> None:
        """Make an empty file.

        Args:
            shape: N, H, W and 3.
            folder: on the disk that the file is to lie on; it is made where it is missing.

        Raises:
            PosenasError: where the disk has too little room, or the folder cannot be written.
        """
        self._shape, self._folder = tuple(shape), folder
        self._bytes = math.prod(self._shape[1:])
        wanted = self._bytes * self._shape[0]
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < wanted:
                raise PosenasError(
                    f"{folder}: {self._shape[0]:,} crops need {wanted / 1e9:.1f} GB on disk, and "
                    f"{free / 1e9:.1f} GB are free; free some space, then `posenas resume`"
                )
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def __getitem__(self, part: slice) -> Tensor:
        """Return a part without steps, read from the file."""
        start, stop, _ = part.indices(self._shape[0])
        images = np.empty(max(0, stop - start) * self._bytes, np.uint8)
        unread = images.data
        with disk_errors(self._folder):
            self._file.seek(start * self._bytes)
            while unread and (count := self._file.readinto(unread)):
                unread = unread[count:]
        if unread:
            raise PosenasError(f"{self._folder}: crops {start} to {stop} are read before they were written")
        return torch.from_numpy(images).view(max(0, stop - start), *self._shape[1:])

    def __setitem__(self, part: slice, images: Tensor) -> None:
        """Write a part without steps."""
        start, _, _ = part.indices(self._shape[0])
        unwritten = images.reshape(-1).numpy().data
        with disk_errors(self._folder):
            self._file.seek(start * self._bytes)
            while unwritten:
                unwritten = unwritten[self._file.write(unwritten) :]


def room_for(count: int, size: tuple[int, int], folder: Path | None) -> StoredImages:
    """Return room for crops, still without values.

    Args:
        count: how many.
        size: their height and width, pixels.
        folder: where a file may lie; None keeps any number in memory.

    Raises:
        PosenasError: where the disk has too little room, or the folder cannot be written.
    """
    shape = (count, *size, 3)
    if folder is None or math.prod(shape) <= MOST_IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    return ImagesInFile(shape, folder)
