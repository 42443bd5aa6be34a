"""The journal of a run: every effect's result, one JSON line each, only ever appended to.

It holds no clock readings, so that a run that was killed and resumed ends with the same bytes as one
that was not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posenas.errors import PosenasError
from posenas.files import content_name, disk_errors
from posenas.genotype import canonical_json
from posenas.strict_json import parse_json


def effect_key(effect: str, inputs: Mapping[str, Any]) -> str:
    """What an effect with these inputs is known by."""
    return content_name(canonical_json({"effect": effect, "inputs": inputs}).encode())


class Journal:
    """Results of effects by key, backed by a file.

    Raises:
        PosenasError: where a line before the last one cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _drop_torn_line(path)
        self.records = read_records(path)
        self._by_key = {record["key"]: record for record in self.records}

    def find(self, key: str) -> Any | None:
        """The result recorded under the key, or None."""
        record = self._by_key.get(key)
        return None if record is None else record["result"]

    def append(self, effect: str, key: str, *, inputs: Mapping[str, Any], result: Any) -> None:
        """On disk before it returns; a write that fails midway leaves the journal as it was."""
        record = {"effect": effect, "key": key, "inputs": inputs, "result": result}
        line = (canonical_json(record) + "\n").encode()
        with disk_errors(self._path), self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self._path, before)
                raise
        self.records.append(record)
        self._by_key[key] = record


def _drop_torn_line(path: Path) -> None:
    """A last line that was cut off by a kill goes from the file, so that the next one stands by itself."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_records(path: Path) -> list[Mapping[str, Any]]:
    """Every whole line of a journal that another process may be writing; none where there is no file.

    Raises:
        PosenasError: where one of them is no entry.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    records: list[Mapping[str, Any]] = []
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            record = parse_json(line)
            record["key"], record["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise PosenasError(
                f"{path}, line {number}: not a journal entry ({error}); restore the file or start anew"
            ) from error
        records.append(record)
    return records
