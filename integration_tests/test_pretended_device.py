"""Trainings on a pretended accelerator: nothing stays on the CPU, and the host seldom waits.

It is found by POSENAS_TEST_TOOLS, a folder with `simulated_device.py`, or beside the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(os.environ.get("POSENAS_TEST_TOOLS", Path(__file__).parents[2] / "shared" / "tools"))


pytestmark = pytest.mark.skipif(
    not (TOOLS / "simulated_device.py").is_file(), reason="no pretended device: POSENAS_TEST_TOOLS is not set"
)


def printed_by(program: str, *arguments: str) -> dict[str, Any]:
    """What a program in this folder found on the CPU and the device."""
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name(program), TOOLS, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_a_sandwich_step_and_an_evaluation_of_whole_bodies() -> None:
    found = printed_by("on_a_pretended_device.py")
    device, cpu = found["device"], found["cpu"]
    assert found["operations"] > 1000
    assert len(device["losses"]) == 4
    assert device["step"] == {}
    assert device["evaluation"] == {}
    assert device["losses"] == cpu["losses"]
    assert device["keypoints"] == cpu["keypoints"]


@pytest.mark.parametrize("estimator", ["soft", pytest.param("single", marks=pytest.mark.slow)])
def test_a_step_of_both_groups_and_an_update_of_the_controller(estimator: str) -> None:
    """The controller stays on the CPU, so it never waits."""
    found = printed_by("bilevel_on_a_pretended_device.py", estimator)
    device, cpu = found["device"], found["cpu"]
    assert found["operations"] > 1000
    # Of each half, which operations are drawn.
    assert device["step"] == ({"copy to the host in mixture.py": 2} if estimator == "single" else {})
    assert device["update"] == {}
    for what in ("losses", "values", "controller"):
        assert device[what] == cpu[what]
    assert len(device["losses"]) == 2
