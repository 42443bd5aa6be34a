"""Lines of JSON in a file, each with a checksum that covers the line before it too.

A line that was changed, removed, added or moved is found, and named by its number. If a kill cut off the last
line, it has no line break and does not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import canonical_json
from posenas.runs.files import content_name

START = ""
"""The checksum that the first line follows."""

_RESTORE = "restore the file from a copy"
_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{16})"\}')


@dataclass(frozen=True)
class ChainedLines:
    """The whole lines of a file.

    Attributes:
        records: what the lines hold.
        checksums: the lines', in the same order.
        size: the lines' bytes.
        torn: whether something without a line break stands behind them.
    """

    records: list[Mapping[str, Any]]
    checksums: list[str]
    size: int
    torn: bool


def chained_line(record: Mapping[str, Any], *, after: str) -> tuple[bytes, str]:
    """Return the line of a record that holds something, and its checksum.

    Args:
        record: plain data.
        after: the checksum of the line before.
    """
    body = canonical_json(record)
    checksum = _checksum(body.encode(), after)
    return f'{body[:-1]},"checksum":"{checksum}"}}\n'.encode(), checksum


def read_chain(path: Path, *, remedy: str = _RESTORE) -> ChainedLines:
    """Return the whole lines of a file that another process may be writing; none if there is no file.

    Args:
        path: the file.
        remedy: what the user is told to do if a line is damaged.

    Raises:
        PosenasError: if a line is not the one that was written there.
    """
    content = path.read_bytes() if path.exists() else b""
    *lines, rest = content.split(b"\n")
    chain = ChainedLines([], [], len(content) - len(rest), bool(rest))
    checksum = START
    for number, line in enumerate(lines, start=1):
        record, checksum = _read_line(line, f"{path}, line {number}", after=checksum, remedy=remedy)
        chain.records.append(record)
        chain.checksums.append(checksum)
    return chain


def read_first_record(path: Path) -> Mapping[str, Any] | None:
    """Return what the first line of a file holds; None if there is no whole line.

    Raises:
        PosenasError: if it is not the one that was written there.
    """
    if not path.exists():
        return None
    with path.open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    return _read_line(line[:-1], f"{path}, line 1", after=START)[0]


def _read_line(
    line: bytes, where: str, *, after: str, remedy: str = _RESTORE
) -> tuple[Mapping[str, Any], str]:
    end = line.rfind(b',"checksum":')
    found = _CHECKSUM.fullmatch(line, max(end, 0))
    if found is None and line.startswith(b"{") and line.endswith(b"}") and end < 0:
        raise PosenasError(
            f"{where}: has no checksum: it was edited, or an earlier version of posenas wrote it, which can "
            "finish the run"
        )
    body = line[:end] + b"}"
    if found is None or found[1].decode() != _checksum(body, after):
        raise PosenasError(f"{where}: is damaged, or a line before it was removed or moved; {remedy}")
    record: Mapping[str, Any] = json.loads(body)
    return record, found[1].decode()


def _checksum(body: bytes, after: str) -> str:
    return content_name(after.encode() + body)
