"""Image files, whole and damaged."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.data.images import FileImage
from posenas.samples import UnreadableImageError


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = (10, 20, 200)
    return write(tmp_path / "image.jpg", image)


def write(path: Path, bgr: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), bgr)
    return path


def test_reads_red_first(jpeg):
    image = FileImage(jpeg).read()
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[20, 50], (200, 20, 10), atol=6)


def test_grey_file_has_three_channels(tmp_path):
    path = write(tmp_path / "grey.png", np.full((5, 6), 77, np.uint8))
    assert (FileImage(path).read() == 77).all()
    assert FileImage(path).read().shape == (5, 6, 3)


def test_is_known_by_its_path_and_travels_to_other_processes(jpeg):
    source = FileImage(jpeg)
    assert str(source) == str(jpeg)
    assert pickle.loads(pickle.dumps(source)) == source


def message(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        FileImage(path).read()
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing_file(tmp_path):
    assert "No such file" in message(tmp_path / "absent.jpg")


def test_folder(tmp_path):
    assert "directory" in message(tmp_path).lower()


def test_empty_file(jpeg):
    jpeg.write_bytes(b"")
    assert "empty" in message(jpeg)


def test_text_file(jpeg):
    jpeg.write_bytes(b"<html>404</html>" * 20)
    assert "not an image" in message(jpeg)


@pytest.mark.parametrize("share", [0.99, 0.8, 0.5])
@pytest.mark.parametrize("progressive", [False, True], ids=["sequential", "progressive"])
def test_jpeg_cut_off_anywhere_in_its_scan(jpeg, share, progressive):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    jpeg.write_bytes(data[: int(share * len(data))])
    assert "cut off" in message(jpeg)


def test_jpeg_with_bytes_after_its_end_is_whole(jpeg):
    jpeg.write_bytes(jpeg.read_bytes() + b"appended by a camera")
    assert FileImage(jpeg).read().shape == (40, 60, 3)


def test_cut_off_jpeg_is_found_behind_a_whole_preview(jpeg):
    preview = jpeg.read_bytes()
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    whole = preview[:2] + segment + preview[2:]
    jpeg.write_bytes(whole)
    assert FileImage(jpeg).read().shape == (40, 60, 3)
    jpeg.write_bytes(whole[:-40])
    assert "cut off" in message(jpeg)


def test_cut_off_png(tmp_path, capfd):
    path = write(
        tmp_path / "image.png", np.random.default_rng(0).integers(0, 256, (30, 30, 3)).astype(np.uint8)
    )
    path.write_bytes(path.read_bytes()[:-200])
    assert "damaged" in message(path)
    capfd.readouterr()


@pytest.mark.parametrize("ending", [".tif", ".bmp", ".gif", ".jp2", ".ppm"])
def test_opencv_makes_no_remarks_of_its_own(tmp_path, capfd, ending):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    path = write(tmp_path / f"image{ending}", noise)
    path.write_bytes(path.read_bytes()[:60])
    message(path)
    assert capfd.readouterr().err == ""
