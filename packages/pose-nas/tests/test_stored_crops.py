"""Crops of a large split lie in a file, and are the same as in memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.data import stored_crops
from posenas.data.stored_crops import ImagesInFile, room_for


class Usage(NamedTuple):
    free: int


def test_few_crops_stay_in_memory_and_many_lie_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(room_for(4, (8, 6), tmp_path), torch.Tensor)
    monkeypatch.setattr(stored_crops, "MOST_IN_MEMORY", 4 * 8 * 6 * 3 - 1)
    assert isinstance(room_for(4, (8, 6), tmp_path), ImagesInFile)
    assert isinstance(room_for(4, (8, 6), None), torch.Tensor)


def test_what_was_written_is_read_in_any_parts(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (11, 8, 6, 3), dtype=torch.uint8)
    stored = ImagesInFile(images.shape, tmp_path)
    for start in (6, 0, 3, 9):
        stored[start : start + 3] = images[start : start + 3]
    for start, stop in ((0, 11), (2, 7), (10, 20), (4, 4)):
        assert torch.equal(stored[start:stop], images[start:stop])
    assert list(tmp_path.iterdir()) == []  # nothing is left of it, however the process ends


def test_what_was_never_written_is_no_image(tmp_path: Path) -> None:
    stored = ImagesInFile((4, 8, 6, 3), tmp_path)
    stored[0:2] = torch.zeros(2, 8, 6, 3, dtype=torch.uint8)
    with pytest.raises(PosenasError, match="crops 1 to 3 are read before they were written"):
        stored[1:3]


def test_a_disk_with_too_little_room_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(3_000_000_000))
    with pytest.raises(PosenasError, match=r"104,125 crops need 15.4 GB on disk, and 3.0 GB are free"):
        ImagesInFile((104_125, 256, 192, 3), tmp_path)


def test_a_folder_is_made_and_one_that_cannot_be_is_told(tmp_path: Path) -> None:
    ImagesInFile((4, 8, 6, 3), tmp_path / "made" / "for it")
    assert (tmp_path / "made" / "for it").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(PosenasError, match="cannot be written"):
        ImagesInFile((4, 8, 6, 3), tmp_path / "file")
