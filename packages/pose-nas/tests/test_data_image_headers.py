"""Sizes from headers, and where a JPEG ends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from posenas.data.images.headers import image_size
from posenas.data.images.jpeg import jpeg_layout

NOISE = np.random.default_rng(0).integers(0, 256, (37, 53, 3)).astype(np.uint8)
ENDINGS = (".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".ppm", ".pam", ".ras", ".jp2", ".avif")


def encoded(ending: str, image: np.ndarray = NOISE, *options: int) -> bytes:
    return cv2.imencode(ending, image, options)[1].tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_every_format(ending: str) -> None:
    assert image_size(encoded(ending)) == (53, 37)


@pytest.mark.parametrize("ending", [".pfm", ".hdr"])
def test_of_formats_of_floats(ending: str) -> None:
    assert image_size(encoded(ending, NOISE.astype(np.float32) / 255)) == (53, 37)


def test_of_further_forms() -> None:
    assert image_size(encoded(".webp", NOISE, cv2.IMWRITE_WEBP_QUALITY, 80)) == (53, 37)
    extended = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (52).to_bytes(3, "little") + (36).to_bytes(3, "little")
    assert image_size(extended) == (53, 37)
    assert image_size(b"P2 # a comment 1 2\n# and 3\n 53 37 255 1 2") == (53, 37)
    assert image_size(encoded(".pbm", NOISE[..., 0])) == (53, 37)
    big = b"MM\0+\0\x08\0\0" + (16).to_bytes(8, "big") + (2).to_bytes(8, "big")
    for tag, value in ((256, 53), (257, 37)):
        big += tag.to_bytes(2, "big") + b"\0\x10" + (1).to_bytes(8, "big") + value.to_bytes(8, "big")
    assert image_size(big) == (53, 37)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_header_has_no_size_or_another(ending: str) -> None:
    whole, rng = encoded(ending), np.random.default_rng(1)
    for length in range(0, 80, 3):
        image_size(whole[:length])
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[int(rng.integers(0, 120))] = int(rng.integers(0, 256))
        image_size(bytes(damaged))
    assert image_size(whole[:2]) is None


@pytest.mark.parametrize("content", [b"", b"text", b"P5 x y", b"RIFF1234WAVE", b"#?RGBE\n\n", b"\0" * 100])
def test_what_is_no_image_has_none(content: bytes) -> None:
    assert image_size(content) is None


@pytest.fixture(params=[(0, 0), (1, 0), (0, 2)], ids=["sequential", "progressive", "restarts"])
def jpeg(request: pytest.FixtureRequest) -> bytes:
    progressive, restarts = request.param
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3)).astype(np.uint8)
    return encoded(
        ".jpg", noise, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts
    )


def test_a_jpeg_with_anything_behind_is_whole(jpeg: bytes) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        film = rng.integers(0, 256, 50_000).astype(np.uint8).tobytes()
        assert jpeg_layout(jpeg + film) == ((90, 120), len(jpeg))
    assert jpeg_layout(jpeg + jpeg[:-2]).end == len(jpeg)


def test_a_jpeg_that_is_cut_off_anywhere_is_found(jpeg: bytes) -> None:
    for length in [*range(2, len(jpeg), 7), len(jpeg) - 1]:
        assert jpeg_layout(jpeg[:length]).end is None
