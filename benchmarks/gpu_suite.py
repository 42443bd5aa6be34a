"""The tests that search from end to end, run on a device."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gpu_measuring import Bench, Item

ROOT = Path(__file__).parents[1]
TESTS = (
    "integration_tests/test_every_pair.py",
    "integration_tests/test_zoom_search.py",
    "integration_tests/test_whole_bodies.py",
    "integration_tests/test_python_search.py",
)
STOPPED = "stopped after seconds"
SMALL = ("integration_tests/test_every_pair.py::test_nothing_installed_is_left_out",)


def suite_items(*, small: bool) -> dict[str, Item]:
    """One item for each file of tests, each a process of its own."""
    return {Path(test).stem: partial(suite, test=test) for test in (SMALL if small else TESTS)}


def suite(bench: Bench, *, test: str) -> dict[str, Any]:
    """How many tests passed, and which did not; a file that has not ended by the deadline says so."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if bench.device.type == "cpu" else {}
    left = max(bench.deadline - time.monotonic(), 1.0)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            test,
        ]
        try:
            ended = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **hidden},
                check=False,
                timeout=left,
                capture_output=True,
            )
        except subprocess.TimeoutExpired:
            return {STOPPED: left}
        if not report.exists():
            return {"failed to start": ended.stdout.decode().strip()[-500:]}
        return counted(report)


def counted(report: Path) -> dict[str, Any]:
    """Return the counts of a report in JUnit's format, and the names of the tests that failed."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [each for each in cases if each.find("failure") is not None or each.find("error") is not None]
    skipped = [each for each in cases if each.find("skipped") is not None]
    return {
        "passed": len(cases) - len(failed) - len(skipped),
        "failed": [str(each.get("name")) for each in failed],
        "skipped": len(skipped),
    }
