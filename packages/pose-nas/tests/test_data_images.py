"""Image files, whole and damaged."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.contract.samples import UnreadableImageError
from posenas.data.images.file_image import FileImage


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


def test_a_bomb_is_refused_from_its_header(tmp_path):
    """Of 30,000 x 30,000 pixels, which nothing decodes: the header is all that there is."""
    path = tmp_path / "bomb.png"
    whole = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    path.write_bytes(whole[:16] + (30_000).to_bytes(4, "big") * 2 + whole[24:])
    assert "30000 x 30000 pixels are more than the 134,217,728" in message(path)


def test_the_bound_is_an_option(jpeg):
    assert FileImage(jpeg, most_pixels=2400).read().shape == (40, 60, 3)
    with pytest.raises(UnreadableImageError, match="60 x 40 pixels are more than the 2,399"):
        FileImage(jpeg, most_pixels=2399).read()


def test_a_pipe_and_a_device_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "a device or a pipe" in message(tmp_path / "pipe.jpg")
    assert "a device or a pipe" in message(Path("/dev/zero"))


@pytest.mark.parametrize("ending", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_than_16_bits_are_stretched(tmp_path, ending, bits):
    eight = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    eight[0, 0] = 255
    path = write(tmp_path / f"deep{ending}", eight.astype(np.uint16) << (bits - 8))
    pixels, stretched = FileImage(path).decode()
    assert stretched == bits
    assert (pixels == eight[..., ::-1]).all()


@pytest.mark.parametrize("ending", [".png", ".tif", ".pnm", ".jp2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_read_as_opencv_reads_them(tmp_path, ending, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (64, 80, channels)).astype(np.uint16)
    path = write(tmp_path / f"deep{ending}", deep)
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert FileImage(path).decode().stretched is None
    assert (FileImage(path).read() == expected[..., ::-1]).all()


def test_floats_are_named(tmp_path):
    path = write(tmp_path / "float.tiff", np.zeros((5, 6), np.float32))
    assert "an image of floats, which is not read" in message(path)


def test_opencvs_words_and_sources_are_not_shown(tmp_path, monkeypatch):
    def fail(*_):
        raise cv2.error("OpenCV(5.0.0) /io/opencv/modules/imgcodecs/src/loadsave.cpp:77: error")

    path = write(tmp_path / "image.png", np.zeros((5, 6), np.uint8))
    monkeypatch.setattr(cv2, "imdecode", fail)
    assert message(path) == f"{path}: not an image, or damaged"
