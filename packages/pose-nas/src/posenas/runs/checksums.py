"""The checksums of a finished run's results, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.runs.files import write_atomically

FILE = "SHA256SUMS"


def write_results(run: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, by their names in the run's folder, and then their checksums."""
    for name, content in files.items():
        write_atomically(run / name, content)
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    write_atomically(run / FILE, "".join(sorted(lines)).encode())


def read_result(run: Path, name: str) -> bytes:
    """Return a result's content; without checksums it is returned as it lies there.

    Raises:
        PosenasError: if it is not what was written, or is missing though it was.
        OSError: if it cannot be read, or was never written.
    """
    again = f"`posenas resume {run}` writes it anew"
    written = _checksums(run).get(name)
    if written is not None and not (run / name).exists():
        raise PosenasError(f"{run / name}: is missing; {again}")
    content = (run / name).read_bytes()
    if written is not None and written != hashlib.sha256(content).hexdigest():
        raise PosenasError(f"{run / name}: is damaged: {FILE} has another checksum; {again}")
    return content


def _checksums(run: Path) -> dict[str, str]:
    """Return the checksums by the files' names; none before the run is finished."""
    path = run / FILE
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    pairs = (line.partition("  ") for line in text.splitlines())
    return {name: checksum for checksum, _, name in pairs}
