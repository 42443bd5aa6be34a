"""The files that a run keeps decoded images and crops in, so that later readers need not make them again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.data.image_cache import ImageCache, bytes_of
from posenas.data.images.file_image import FileImage
from posenas.runs.files import content_name, disk_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.batches import View
    from posenas.contract.samples import Sample
    from posenas.data.person_crop import PersonCrop

_RULES = 1
"""To be raised where pixels are made in another way than before."""


@dataclass(frozen=True)
class DecodedCache:
    """A file of decoded images.

    Attributes:
        file: the images.
        entries: the number of each image in it, by its path.
    """

    file: ImageCache
    entries: Mapping[Path, int]


def decoded_cache(
    samples: Sequence[Sample], folder: Path, *, warn: Callable[[str], None]
) -> DecodedCache | None:
    """Return a file for the decoded images of samples; None where it would be of no use.

    A trainer reads images in random order, which a disk is slow at. So the memory must be able to hold them
    all: the system keeps there what it has read of a file, once for all processes.

    Args:
        samples: those whose source is no image file are left out.
        folder: where the file lies; it is made where it is missing.
        warn: told where memory or disk have too little room.

    Raises:
        PosenasError: where the folder cannot be written.
    """
    sized = {
        sample.source.path: (sample.height, sample.width)
        for sample in samples
        if isinstance(sample.source, FileImage)
    }
    if not sized:
        return None
    sizes = np.array(list(sized.values()), np.int64)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if bytes_of(sizes) > memory:
        warn(
            f"{len(sizes):,} images take {bytes_of(sizes) / 1e9:.1f} GB decoded, and this machine has "
            f"{memory / 1e9:.1f} GB of memory: each is decoded whenever it is needed; make them smaller, or "
            "take more workers"
        )
        return None
    file = _opened(
        folder, ["decoded", [[str(path.absolute()), *size] for path, size in sized.items()]], sizes, warn
    )
    if file is None:
        return None
    return DecodedCache(file, {path: entry for entry, path in enumerate(sized)})


def crop_cache(
    crops: Sequence[PersonCrop],
    samples: Sequence[Sample],
    view: View,
    folder: Path,
    *,
    warn: Callable[[str], None],
) -> ImageCache | None:
    """Return a file for crops as an evaluation sees them; None where the disk has too little room.

    Args:
        crops: each has an entry, in their order.
        samples: the images that the crops point into, all of them files.
        view: the size and the rule of the crops.
        folder: where the file lies; it is made where it is missing.
        warn: told where the disk has too little room.

    Raises:
        PosenasError: where the folder cannot be written.
    """
    boxes = [[os.path.abspath(str(samples[crop.sample].source)), *crop.box] for crop in crops]  # noqa: PTH100
    sizes = np.tile(np.array([[view.height, view.width]], np.int64), (len(crops), 1))
    return _opened(folder, ["crops", view.height, view.width, view.crop, boxes], sizes, warn)


def _opened(
    folder: Path, content: object, sizes: NDArray[np.int64], warn: Callable[[str], None]
) -> ImageCache | None:
    """Return the file that is named after what it holds, unless it would take half of what is free."""
    name = content_name(json.dumps([_RULES, cv2.__version__, content]).encode())
    path = folder / f"{name}.images"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        missing = bytes_of(sizes) - (path.stat().st_blocks * 512 if path.exists() else 0)
        free = shutil.disk_usage(folder).free
        if 2 * missing > free:
            warn(
                f"{folder}: {len(sizes):,} images need {missing / 1e9:.1f} GB on disk, more than half of the "
                f"{free / 1e9:.1f} GB that are free: each is decoded whenever it is needed; free some space, "
                "or choose another folder (--cache, or TMPDIR for `posenas evaluate`)"
            )
            return None
        return ImageCache(path, sizes)
