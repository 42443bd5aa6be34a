"""Whole bodies on a pretended accelerator: nothing stays on the CPU, and the host seldom waits.

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


@pytest.mark.skipif(
    not (TOOLS / "simulated_device.py").is_file(), reason="no pretended device: POSENAS_TEST_TOOLS is not set"
)
def test_a_sandwich_step_and_an_evaluation_of_whole_bodies() -> None:
    program = Path(__file__).with_name("on_a_pretended_device.py")
    ended = subprocess.run(
        [sys.executable, program, TOOLS], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    device, cpu = found["device"], found["cpu"]
    assert found["operations"] > 1000
    assert len(device["losses"]) == 4
    # Only the losses that are displayed, one of each network.
    assert device["step"] == {"aten._local_scalar_dense.default in sandwich_step.py": 4}
    assert device["evaluation"] == {}
    assert device["losses"] == cpu["losses"]
    assert device["keypoints"] == cpu["keypoints"]
