"""Paths that the user gives, opened as sources of frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2

from posenas.contract.errors import PosenasError
from posenas.data.images.file_image import MOST_PIXELS
from posenas.prediction.annotated_images import AnnotatedImages
from posenas.prediction.camera import open_camera
from posenas.prediction.frames import Source
from posenas.prediction.image_files import image_folder, one_image
from posenas.prediction.video import open_video


def open_source(
    path: Path,
    *,
    limit: int | None,
    warn: Callable[[str], None],
    annotated: AnnotatedImages | None = None,
    most_pixels: int = MOST_PIXELS,
) -> Source:
    """Return the frames at a path. A file's content tells what it is, whatever it is called.

    Args:
        path: an image, a folder of images, a video, or the number of a camera.
        limit: at most this many frames; None for all.
        warn: told what is wrong with a part of it.
        annotated: tells the ids of images; None numbers them from 1.
        most_pixels: images with more are not read.

    Raises:
        PosenasError: if there is nothing that could be a frame, or ids are told that are not of images.
    """
    if path.is_dir():
        return image_folder(path, limit=limit, warn=warn, annotated=annotated, most_pixels=most_pixels)
    if not path.exists() and path.name == str(path) and path.name.isdecimal():
        return open_camera(int(path.name), limit=limit)
    if not path.exists():
        raise PosenasError(f"{path}: no such file or folder")
    if not path.is_file():
        raise PosenasError(f"{path}: neither a file nor a folder")
    with path.open("rb"):
        pass  # a file that may not be read is told from one that holds something else
    if cv2.haveImageReader(str(path)):
        return one_image(path, warn=warn, annotated=annotated, most_pixels=most_pixels)
    if annotated is not None:
        raise PosenasError(f"{path}: the frames of a video are numbered from 0; leave --ids-of out")
    return open_video(path, limit=limit, warn=warn)
