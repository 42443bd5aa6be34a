import errno
import json
import os
from pathlib import Path

import pytest
from posenas.contract.errors import PosenasError
from posenas.runs.files import write_atomically
from posenas.runs.journal import Journal, read_records


def written(path: Path, number: int) -> list[bytes]:
    """The lines of a journal of so many effects."""
    journal = Journal(path)
    for index in range(number):
        journal.append("evaluate", f"k{index}", inputs={"epochs": 2}, result={"oks.AP": 0.1 * index})
    return path.read_bytes().splitlines(keepends=True)


def test_results_are_found_again_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append("train", "k1", inputs={"epochs": 2}, result="a.safetensors")
    assert Journal(path).find("k1") == "a.safetensors"
    assert Journal(path).find("k2") is None


def test_a_line_cut_off_by_a_kill_is_dropped_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("train", "k1", inputs={}, result=1)
    whole, head = path.read_bytes(), path.with_suffix(".head").read_bytes()
    journal.append("evaluate", "k2", inputs={}, result=2)
    both = path.read_bytes()
    for length in range(len(whole), len(both)):
        path.write_bytes(both[:length])
        path.with_suffix(".head").write_bytes(head)
        reopened = Journal(path)
        assert reopened.find("k1") == 1
        assert reopened.find("k2") is None
        assert path.read_bytes() == whole
        reopened.append("evaluate", "k2", inputs={}, result=2)
        assert path.read_bytes() == both


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = written(path, 3)
    path.write_bytes(b"".join([lines[0], b"rubbish\n", lines[2]]))
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


@pytest.mark.parametrize("line", range(4))
def test_every_changed_removed_or_moved_line_is_named(tmp_path: Path, line: int) -> None:
    path = tmp_path / "journal.jsonl"
    lines = written(path, 4)
    changed = lines[line].replace(b'"epochs":2', b'"epochs":3')
    other = (line + 1) % 4
    swapped = list(lines)
    swapped[line], swapped[other] = lines[other], lines[line]
    for damaged in (
        [*lines[:line], changed, *lines[line + 1 :]],
        swapped,
        [*lines[:line], *lines[line + 1 :]],
    ):
        path.write_bytes(b"".join(damaged))
        for read in (Journal, read_records):
            if len(damaged) == 3 and line == 3:
                with pytest.raises(
                    PosenasError, match=r"lines were lost: it has 3, and journal\.head counts 4"
                ):
                    read(path)
            else:
                first = min(line, other) if damaged is swapped else line
                with pytest.raises(PosenasError, match=rf"journal\.jsonl, line {first + 1}: "):
                    read(path)


def test_every_flipped_bit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    content = b"".join(written(path, 2))
    for place in range(len(content) - 1):  # without the last line's end there is a line that was cut off
        for bit in (0, 3, 6):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(PosenasError, match=r"journal\.jsonl"):
                Journal(path)


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_journal_that_had_lines_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, 2)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(PosenasError, match=r"is empty or gone, and journal\.head counts 2 lines"):
        Journal(path)


def test_a_counter_that_is_gone_or_behind_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    head = path.with_suffix(".head")
    written(path, 1)
    behind = head.read_bytes()
    Journal(path).append("evaluate", "k", inputs={}, result=0)
    right = head.read_bytes()
    for before in (behind, None, bytes(len(right))):
        head.unlink() if before is None else head.write_bytes(before)
        Journal(path)
        assert head.read_bytes() == right


def test_a_counter_that_somebody_wrote_more_into_is_right_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("evaluate", "k0", inputs={}, result=0)
    right = path.with_suffix(".head").read_bytes()
    path.with_suffix(".head").write_text("rubbish " * 20)
    journal.append("evaluate", "k1", inputs={}, result=0)
    assert len(path.with_suffix(".head").read_bytes()) == len(right)
    assert len(Journal(path).records) == 2


def test_a_counter_of_another_journal_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, 2)
    head = path.with_suffix(".head")
    head.write_bytes(head.read_bytes().replace(b" ", b" f")[:-2] + b"\n")
    with pytest.raises(PosenasError, match=r"line 2 is not the one that journal\.head notes"):
        Journal(path)
    head.write_bytes(b"rubbish")
    with pytest.raises(PosenasError, match=r"journal\.head: is damaged; delete it"):
        Journal(path)


def test_a_journal_without_checksums_is_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"effect":"run","inputs":{"recipe":"0"},"key":"run","result":{"posenas":"0.1.0"}}\n')
    with pytest.raises(PosenasError, match=r"line 1: has no checksum: .* an earlier version of posenas"):
        Journal(path)
