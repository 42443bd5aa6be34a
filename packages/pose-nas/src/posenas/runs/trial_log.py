"""The log of a run in progress: its trials, one line each in `trials.jsonl`.

The file follows from the journal: a resumed run gives the same trials again, and lines that do not fit are
written anew. So nothing waits for the disk, and every trial costs the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from posenas.contract.trial import Trial
from posenas.runs.chain import START, chained_line
from posenas.runs.files import disk_errors

TRIAL_LOG = "trials.jsonl"


class TrialLog:
    """A writer of trials in their order, past those that the file holds already; to be used as a context."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checksum = START
        with disk_errors(path):
            path.touch()
            self._known = path.read_bytes().splitlines(keepends=True)
            self._known.reverse()  # the next one is the last
            self._file = path.open("r+b", buffering=0)

    def add(self, trial: Trial) -> None:
        """Write a trial, unless it is there."""
        line, self._checksum = chained_line(trial.as_dict(), after=self._checksum)
        with disk_errors(self._path):
            if self._known and self._known.pop() == line:
                self._file.seek(len(line), os.SEEK_CUR)
                return
            self._known.clear()
            self._file.truncate(self._file.tell())
            while line:
                line = line[self._file.write(line) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
