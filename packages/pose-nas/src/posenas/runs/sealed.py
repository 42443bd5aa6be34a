"""Files of one JSON object each, with a checksum of what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posenas.contract.genotype import canonical_json
from posenas.runs.files import content_name, write_atomically
from posenas.runs.strict_json import parse_json

_CHECKSUM = "checksum"


def write_sealed(path: Path, record: Mapping[str, Any]) -> None:
    """Write an object to a file, in a form that people can read too."""
    sealed = {**record, _CHECKSUM: _checksum(path, record)}
    write_atomically(path, (json.dumps(sealed, indent=1, sort_keys=True) + "\n").encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what was written to the file under this name.

    Raises:
        ValueError: if the file holds anything else.
    """
    record = parse_json(path.read_bytes())
    if not isinstance(record, dict) or record.pop(_CHECKSUM, None) != _checksum(path, record):
        raise ValueError("its checksum does not fit")
    return record


def _checksum(path: Path, record: Mapping[str, Any]) -> str:
    return content_name(canonical_json([path.name, record]).encode())
