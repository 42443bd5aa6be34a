"""Pixels in a file: the same as without it, and made again where they are missing, damaged or out of date."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
from posenas.data import image_cache
from posenas.data.image_cache import ImageCache, Made, bytes_of

SIZES = np.array([[8, 6], [5, 7], [3, 3]], np.int64)


def picture(entry: int, *, seed: int = 0) -> Made:
    height, width = SIZES[entry].tolist()
    pixels = np.random.default_rng([seed, entry]).integers(0, 256, (height, width, 3), np.uint8)
    return Made(pixels, 100 + entry, 200, 12 if entry == 1 else None)


def never() -> Made:
    raise AssertionError("made again")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "image.jpg").write_bytes(b"one")
    return tmp_path / "image.jpg"


def same(one: Made, other: Made) -> bool:
    return np.array_equal(one.pixels, other.pixels) and one[1:] == other[1:]


def test_an_entry_is_made_once_for_all_who_open_the_file(file: Path) -> None:
    cache = ImageCache(file.parent / "cache", SIZES)
    for entry in (2, 0, 1):
        assert same(cache.get(entry, file, lambda entry=entry: picture(entry)), picture(entry))
    for opened in (cache, ImageCache(file.parent / "cache", SIZES), pickle.loads(pickle.dumps(cache))):
        assert all(same(opened.get(entry, file, never), picture(entry)) for entry in range(3))
    assert (file.parent / "cache").stat().st_size == bytes_of(SIZES)
    assert cache.take_remarks() == ()


def test_a_changed_image_file_makes_its_entry_again(file: Path) -> None:
    cache = ImageCache(file.parent / "cache", SIZES)
    cache.get(0, file, lambda: picture(0))
    file.write_bytes(b"another")
    assert same(cache.get(0, file, lambda: picture(0, seed=1)), picture(0, seed=1))
    os.utime(file, ns=(0, 0))
    assert same(cache.get(0, file, lambda: picture(0, seed=2)), picture(0, seed=2))
    assert same(cache.get(0, file, never), picture(0, seed=2))


def test_a_missing_image_file_is_whoever_makes_its_affair(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "cache", SIZES)
    assert same(cache.get(0, tmp_path / "none", lambda: picture(0)), picture(0))
    assert cache.read(0) is None


def test_every_damaged_byte_of_an_entry_is_noticed(file: Path) -> None:
    cache = ImageCache(file.parent / "cache", SIZES)
    for entry in range(3):
        cache.get(entry, file, lambda entry=entry: picture(entry))
    whole = (file.parent / "cache").read_bytes()
    for place in (0, 8, 40, len(SIZES) * 48, len(whole) - 1, len(whole) - 12):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (file.parent / "cache").write_bytes(damaged)
        opened = ImageCache(file.parent / "cache", SIZES)
        entry = 2 if place > len(whole) - 28 else 0
        assert same(opened.get(entry, file, lambda: picture(0)), picture(0)), place
        others = [other for other in range(3) if other != entry]
        assert all(same(opened.get(other, file, never), picture(other)) for other in others), place


def test_a_file_that_was_cut_off_gets_its_room_back(file: Path) -> None:
    path = file.parent / "cache"
    cache = ImageCache(path, SIZES)
    for entry in range(3):
        cache.get(entry, file, lambda entry=entry: picture(entry))
    os.truncate(path, bytes_of(SIZES) - 5)
    assert cache.read(2) is None
    opened = ImageCache(path, SIZES)
    assert path.stat().st_size == bytes_of(SIZES)
    assert same(opened.get(0, file, never), picture(0))
    assert opened.read(2) is None


def test_what_has_another_size_is_not_kept(file: Path) -> None:
    cache = ImageCache(file.parent / "cache", SIZES)
    for _ in range(2):
        assert same(cache.get(0, file, lambda: picture(1)), picture(1))
    assert cache.read(0) is None


def test_a_full_disk_is_noted_and_the_pixels_are_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = ImageCache(file.parent / "cache", SIZES)
    with monkeypatch.context() as patched:
        patched.setattr(image_cache.os, "pwrite", full)
        assert same(cache.get(0, file, lambda: picture(0)), picture(0))
    (remark,) = cache.take_remarks()
    assert remark.kind == "unkept"
    assert remark.text.endswith("cache (No space left on device)")
    assert cache.take_remarks() == ()
    assert same(cache.get(0, file, lambda: picture(0)), picture(0))
    assert same(cache.get(0, file, never), picture(0))


def write_half(path: Path, file: Path) -> None:
    """Write an entry's pixels, and be killed before its record."""
    write = os.pwrite

    def killed(descriptor: int, content: memoryview, place: int) -> int:
        write(descriptor, content[:20], place)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    image_cache.os.pwrite = killed
    ImageCache(path, SIZES).get(0, file, lambda: picture(0, seed=9))


def write_often(path: Path, file: Path) -> None:
    for _ in range(100):
        for entry in range(3):
            found = ImageCache(path, SIZES).get(entry, file, lambda entry=entry: picture(entry))
            assert same(found, picture(entry))


def test_an_entry_that_was_half_written_counts_as_missing(file: Path) -> None:
    path = file.parent / "cache"
    process = multiprocessing.get_context("fork").Process(target=write_half, args=(path, file))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert path.stat().st_size == bytes_of(SIZES)
    cache = ImageCache(path, SIZES)
    assert same(cache.get(0, file, lambda: picture(0)), picture(0))
    assert same(cache.get(0, file, never), picture(0))


def test_processes_write_side_by_side(file: Path) -> None:
    path = file.parent / "cache"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_often, args=(path, file)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(same(ImageCache(path, SIZES).get(entry, file, never), picture(entry)) for entry in range(3))
