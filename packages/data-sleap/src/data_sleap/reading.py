"""Label files of either kind, told apart by their endings."""

from __future__ import annotations

from pathlib import Path

from data_sleap.deeplabcut import read_csv
from data_sleap.labels import Labels
from data_sleap.places import check_ending
from data_sleap.slp import read_slp


def read_labels(file: Path) -> Labels:
    """Return what a label file holds.

    Raises:
        PosenasError: if it is no label file, or malformed.
    """
    check_ending(file)
    return read_csv(file) if file.suffix.lower() == ".csv" else read_slp(file)
