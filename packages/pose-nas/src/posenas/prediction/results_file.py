"""A COCO keypoint results file that grows frame by frame."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from posenas.runs.files import disk_errors


class ResultsFile:
    """A results file with one line for each pose, so that a long video need not fit into the memory.

    It has its name once it is closed, and before that `.partial` behind it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._begun = False
        with disk_errors(path):
            self._file = self._partial.open("w")
            self._file.write("[")

    def add(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Write one line for each of these poses."""
        with disk_errors(self._path):
            for result in results:
                self._file.write(",\n" if self._begun else "\n")
                self._file.write(json.dumps(result))
                self._begun = True

    def close(self) -> None:
        """End the list, and give the file its name."""
        with disk_errors(self._path):
            self._file.write("\n]\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._path)
