"""The journal of a run: every effect's result, one line each, only ever appended to.

It holds no clock readings, so a run that was killed and resumed ends with the same bytes as one that was not.
Its lines are chained by checksums, and the file `journal.head` beside it counts them. So no line can be
changed, and none lost, in silence.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import canonical_json
from posenas.runs.chain import START, ChainedLines, chained_line, read_chain
from posenas.runs.files import content_name, disk_errors
from posenas.runs.kept_file import KeptFile


def effect_key(effect: str, inputs: Mapping[str, Any]) -> str:
    """Return the key by which an effect with these inputs is known."""
    return content_name(canonical_json({"effect": effect, "inputs": inputs}).encode())


class Journal:
    """The results of effects by key, backed by a file.

    Attributes:
        records: what every line holds, in order.
        file: the lines themselves, which nobody else may change meanwhile.

    Raises:
        PosenasError: if a line was changed or lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        chain = _read_whole(path)
        if chain.torn:  # by a kill; the next line must stand by itself
            os.truncate(path, chain.size)
        self.file = KeptFile(path)
        self.records = chain.records
        self._checksum = chain.checksums[-1] if chain.checksums else START
        self._by_key = {record["key"]: record for record in self.records}
        if self.records:
            self._count()

    def find(self, key: str) -> Any | None:
        """Return the result recorded under the key, or None."""
        record = self._by_key.get(key)
        return None if record is None else record["result"]

    def append(self, effect: str, key: str, *, inputs: Mapping[str, Any], result: object) -> None:
        """Record the result of an effect; it is on disk before this returns.

        A write that fails midway leaves the journal as it was.

        Args:
            effect: the effect's name.
            key: what the result is found by.
            inputs: what the effect was given, as plain data.
            result: plain data.

        Raises:
            PosenasError: if the journal cannot be written.
        """
        record = {"effect": effect, "key": key, "inputs": inputs, "result": result}
        line, checksum = chained_line(record, after=self._checksum)
        whole = line
        with disk_errors(self._path), self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self._path, before)
                raise
        self.file.wrote(whole)
        self.records.append(record)
        self._by_key[key] = record
        self._checksum = checksum
        self._count()

    def _count(self) -> None:
        """Write the head.

        It is written in place and cut, since it always has the same length. It is not flushed, since an older
        head is true too.
        """
        head = f"{len(self.records):010d} {self._checksum}\n".encode()
        path = head_of(self._path)
        with disk_errors(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                os.pwrite(descriptor, head, 0)
                os.ftruncate(descriptor, len(head))
            finally:
                os.close(descriptor)


def head_of(journal: Path) -> Path:
    """Return the file that counts a journal's lines: it holds their number, and the last one's checksum."""
    return journal.with_suffix(".head")


def read_records(path: Path) -> list[Mapping[str, Any]]:
    """Return every whole line of a journal that another process may be writing; none if there is no file.

    Raises:
        PosenasError: if a line was changed or lost.
    """
    return _read_whole(path).records


def _read_whole(path: Path) -> ChainedLines:
    head = _read_head(head_of(path))  # before the journal, which may grow meanwhile
    chain = read_chain(path)
    if head is not None:
        _check_counted(chain, path, *head)
    return chain


def _read_head(path: Path) -> tuple[int, str] | None:
    """Return the number of lines and the last one's checksum; None if nothing was counted yet."""
    content = path.read_bytes() if path.exists() else b""
    if not content.strip(b"\0"):  # a power cut may leave a file without its content
        return None
    try:
        number, checksum = content.decode().split()
        return int(number), checksum
    except ValueError:
        raise PosenasError(f"{path}: is damaged; delete it: it only counts the journal's lines") from None


def _check_counted(chain: ChainedLines, path: Path, number: int, checksum: str) -> None:
    """Check that no counted line is missing.

    A last line that was cut off may have been counted; every other one must be there.
    """
    found = len(chain.records)
    if found == number - 1 and chain.torn:
        return
    if not found:
        raise PosenasError(
            f"{path}: is empty or gone, and {head_of(path).name} counts {number} lines; restore the file, or "
            "begin a new run in another folder"
        )
    if found < number:
        raise PosenasError(
            f"{path}: lines were lost: it has {found}, and {head_of(path).name} counts {number}; restore the "
            f"file, or delete {head_of(path)} and resume: what they held is computed again"
        )
    if number < 1 or chain.checksums[number - 1] != checksum:
        raise PosenasError(
            f"{path}: line {number} is not the one that {head_of(path).name} notes: one of them is of "
            f"another run; restore it, or delete {head_of(path)} if the journal is right"
        )
