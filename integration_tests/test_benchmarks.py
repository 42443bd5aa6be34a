"""Every benchmark still fits the code that it measures: its imports are there, and so are its options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
_RAY = "ray_engine.py"
"""Needs an extra that has an environment of its own."""
_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {error!r}")
"""


def test_every_benchmark_is_imported() -> None:
    names = [path.stem for path in sorted(BENCHMARKS.glob("*.py")) if path.name != _RAY]
    assert len(names) > 40
    found = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *names],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "", found.stdout


@pytest.mark.slow
def test_no_call_of_a_benchmark_lacks_an_argument_or_an_attribute() -> None:
    """By mypy, which is told to look for nothing else."""
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", *map(str, sorted(BENCHMARKS.glob("*.py")))],
        cwd=BENCHMARKS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    broken = [line for line in found.stdout.splitlines() if line.endswith(("[call-arg]", "[name-defined]"))]
    assert broken == []
    assert "checked" in found.stdout or "no issues" in found.stdout
