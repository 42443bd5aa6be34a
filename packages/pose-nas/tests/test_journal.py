import errno
import json
import os
from pathlib import Path

import pytest
from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.journal import Journal


def test_results_are_found_again_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append("train", "k1", inputs={"epochs": 2}, result="a.safetensors")
    assert Journal(path).find("k1") == "a.safetensors"
    assert Journal(path).find("k2") is None


def test_a_line_cut_off_by_a_kill_is_dropped_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("train", "k1", inputs={}, result=1)
    whole = path.read_bytes()
    journal.append("evaluate", "k2", inputs={}, result=2)
    both = path.read_bytes()
    for length in range(len(whole), len(both)):
        path.write_bytes(both[:length])
        reopened = Journal(path)
        assert reopened.find("k1") == 1
        assert reopened.find("k2") is None
        assert path.read_bytes() == whole
        reopened.append("evaluate", "k2", inputs={}, result=2)
        assert path.read_bytes() == both


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"key": "a", "result": 1}\nrubbish\n{"key": "b", "result": 1}\n')
    with pytest.raises(PosenasError, match=r"journal\.jsonl, line 2"):
        Journal(path)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("train", "k1", inputs={}, result=1)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PosenasError, match=r"disk is full.*posenas resume"):
            journal.append("train", "k2", inputs={}, result=2)
    assert path.read_bytes() == before
    assert journal.find("k2") is None
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["k1"]


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PosenasError, match="disk is full"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]
