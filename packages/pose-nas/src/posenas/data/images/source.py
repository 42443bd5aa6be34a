"""Images of a dataset's own sources, which may do anything."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.samples import UnreadableImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.samples import ImageSource


def read_source(source: ImageSource) -> NDArray[np.uint8]:
    """Return the image of a dataset's own source.

    Raises:
        UnreadableImageError: if it raises anything, or gives something else; the error tells where.
    """
    try:
        image = source.read()
    except UnreadableImageError:
        raise
    except Exception as error:  # whatever a stranger's source does, the image is left out and told
        frame = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join([f"{type(error).__name__}:", *str(error).split()])
        raise UnreadableImageError(
            f"{source}: {words} ({Path(frame.filename).name}, line {frame.lineno})"
        ) from error
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        shape = getattr(image, "shape", None)
        found = type(image).__name__ if shape is None else f"an array {shape} of {image.dtype}"
        raise UnreadableImageError(f"{source}: read gives {found}, expected (H, W, 3) of uint8")
    return image
