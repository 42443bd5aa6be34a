"""Sizes of image files as they are seen: equal to those of the decoded images."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.contract.samples import UnreadableImageError
from posenas.data.images.file_image import FileImage
from posenas.data.images.upright import upright_size


def turned(path: Path, orientation: int, order: str = "<") -> Path:
    """A JPEG of 40 x 30 pixels, as stored, with a camera's note on how it was held."""
    data = cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes()
    entries = struct.pack(f"{order}HHHIHHHHIHH", 2, 271, 3, 1, 7, 0, 274, 3, 1, orientation, 0)
    note = b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + entries
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + data[2:])
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_has_the_size_of_the_decoded_one(tmp_path, orientation, order):
    path = turned(tmp_path / "a.jpg", orientation, order)
    height, width, _ = FileImage(path).read().shape
    assert upright_size(path, 10_000) == (width, height)
    assert (width, height) == ((40, 30) if orientation < 5 else (30, 40))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".tif", ".gif", ".ppm", ".jp2", ".avif"])
def test_every_format_has_the_size_of_the_decoded_image(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)
    cv2.imwrite(str(path), noise)
    assert upright_size(path, 100_000) == (200, 300)


def test_a_size_behind_a_long_note_is_found(tmp_path):
    data = cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes()
    note = b"\xff\xe2" + struct.pack(">H", 65_000) + bytes(64_998)
    (tmp_path / "a.jpg").write_bytes(data[:2] + 2 * note + data[2:])
    assert upright_size(tmp_path / "a.jpg", 10_000) == (40, 30)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"text", None])
def test_no_image_is_refused(tmp_path, content):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r"a\.jpg"):
        upright_size(path, 10_000)
    with pytest.raises(UnreadableImageError, match="no image file"):
        upright_size(tmp_path, 10_000)
