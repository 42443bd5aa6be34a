"""Broken files of every kind: one printable line each, and no number that is not finite is taken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fuzzing import finished_run, outcomes


def check(inputs: int, seed: int, folder: Path, run: Path | None) -> Counter[str]:
    """How many inputs of each kind were taken."""
    found = list(outcomes(inputs, seed, folder, run))
    faults = [f"{each.kind}: {each.fault}" for each in found if each.fault]
    assert not faults, "\n".join(faults[:5])
    return Counter(each.kind for each in found if each.taken)


def test_a_few_of_every_kind(tmp_path: Path) -> None:
    check(160, 12, tmp_path, None)


@pytest.mark.slow
def test_many_of_every_kind(tmp_path: Path) -> None:
    taken = check(3000, 0, tmp_path, finished_run(tmp_path))
    assert len(taken) == 11  # each kind has inputs that still make sense
