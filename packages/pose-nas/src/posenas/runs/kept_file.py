"""A file that one process alone writes, and that a stranger's code may damage meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posenas.runs.files import write_atomically


class KeptFile:
    """A file with a copy of what this process wrote there, so that it can be put back.

    The file is read again only when its size or its time of change is another one.

    Attributes:
        path: the file.
        content: what this process read or wrote; empty if there was no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = bytearray(path.read_bytes() if path.exists() else b"")
        self._seen = self._look()

    def wrote(self, line: bytes) -> None:
        """Take in what this process appended."""
        self.content += line
        self._seen = self._look()

    def change(self) -> str:
        """Return what somebody else did to the file, such as `grew by 7 bytes`; empty for nothing."""
        now = self._look()
        if now == self._seen:
            return ""
        found = self.path.read_bytes() if now else b""
        if found == self.content:
            self._seen = now
            return ""
        difference = len(found) - len(self.content)
        if not now:
            return "was deleted"
        if difference == 0:
            return "was changed"
        return f"{'grew' if difference > 0 else 'shrank'} by {abs(difference)} bytes"

    def put_back(self) -> None:
        """Write the content that this process knows."""
        write_atomically(self.path, bytes(self.content))
        self._seen = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns


def put_back(files: Iterable[KeptFile]) -> str:
    """Put back every file that somebody else changed, and return in words which; empty for none."""
    told = []
    for file in files:
        change = file.change()
        if change:
            file.put_back()
            told.append(f"{file.path.name} {change}")
    return ", ".join((*told, "all of that is put back")) if told else ""
