"""Crops that every candidate of a search is shown: from a file, or read anew each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from posenas.contract.errors import PosenasError
from posenas.data.image_cache import ImageCache
from posenas.data.reading import BatchKey, CropReader, worker_loader
from posenas.runs.stopping import interrupts_deferred

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IN_MEMORY = 256 * 2**20
"""The bytes of a split's crops up to which they stay in memory: 1,820 people at 256 x 192."""


class StoredCrops(Protocol):
    """Crops that are no longer in memory than they are looked at."""

    def parts(self, size: int) -> Iterator[Tensor]:
        """Yield all crops in their order, (n, H, W, 3) uint8, `size` at a time or fewer at the end."""
        ...


@dataclass(frozen=True)
class CropsInFile:
    """Crops in a file.

    Attributes:
        file: where they lie.
        positions: their entries, in the order in which they are shown.
    """

    file: ImageCache
    positions: list[int]

    def parts(self, size: int) -> Iterator[Tensor]:
        """Yield all crops, `size` at a time.

        Raises:
            PosenasError: where a crop was damaged since it was made.
        """
        for wanted in _divided(self.positions, size):
            yield torch.from_numpy(np.stack([self._pixels(position) for position in wanted]))

    def _pixels(self, position: int) -> NDArray[np.uint8]:
        made = self.file.read(position)
        if made is None:
            raise PosenasError(
                f"{self.file}: crop {position} was damaged while the file was in use; `posenas resume` makes "
                "it again"
            )
        return made.pixels


@dataclass(frozen=True)
class CropsReadAgain:
    """Crops that are decoded and warped in each pass.

    Attributes:
        reader: reads them.
        positions: of those that can be read, in the order in which they are shown.
        workers: processes that read at most; with 0 this one does.
    """

    reader: CropReader
    positions: list[int]
    workers: int

    def parts(self, size: int) -> Iterator[Tensor]:
        """Yield all crops, `size` at a time.

        Raises:
            PosenasError: where an image can no longer be read.
        """
        keys: list[BatchKey[Any]] = [BatchKey(wanted) for wanted in _divided(self.positions, size)]
        loader = worker_loader(
            self.reader, keys, workers=min(self.workers, len(keys)), device=torch.device("cpu")
        )
        for read in loader:
            for message in read.unreadable.values():
                raise PosenasError(f"{message}; it was readable: restore it, then `posenas resume`")
            yield read.images
        with interrupts_deferred():
            del loader


def _divided(positions: list[int], size: int) -> list[list[int]]:
    return [positions[start : start + size] for start in range(0, len(positions), size)]
