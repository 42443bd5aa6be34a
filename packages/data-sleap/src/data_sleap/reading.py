"""Label files of either kind, told apart by their endings."""

from __future__ import annotations

from pathlib import Path

from posenas import PosenasError

from data_sleap.deeplabcut import read_csv
from data_sleap.labels import Labels
from data_sleap.places import ENDINGS
from data_sleap.slp import read_slp


def read_labels(file: Path) -> Labels:
    """Return what a label file holds.

    Raises:
        PosenasError: if it is no label file, or malformed.
    """
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise PosenasError(
            f"{file}: no label file of SLEAP (.slp, .pkg.slp) or DeepLabCut (.csv); choose another file"
        )
    return read_csv(file) if ending == ".csv" else read_slp(file)
