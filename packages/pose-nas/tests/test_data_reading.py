"""Workers: Ctrl-C while they are ended, a parent that is killed, and sources that do not keep their word."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from posenas.contract.samples import UnreadableImageError
from posenas.data.images.source import read_source
from posenas.runs.stopping import interrupts_deferred


def test_an_interrupt_waits_until_the_workers_are_ended() -> None:
    steps = []

    def end_workers() -> None:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            steps.append("ended")

    with pytest.raises(KeyboardInterrupt):
        end_workers()
    assert steps == ["ended"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_without_an_interrupt_nothing_is_raised() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_deferred():
        pass
    assert signal.getsignal(signal.SIGINT) is before


ORPHAN = """
import os, signal, sys, time
from posenas.data.reading import end_with
parent = os.getpid()
if os.fork():
    if sys.argv[1] == "before":
        os.kill(parent, signal.SIGKILL)
    time.sleep(60)
if sys.argv[1] == "before":
    while os.getppid() == parent:
        time.sleep(0.01)
end_with(parent)
os.write(1, b"watching\\n")
time.sleep(60)
"""


@pytest.mark.parametrize("killed", ["before", "after"])
def test_a_worker_ends_with_its_parent_whenever_that_is_killed(killed: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN, killed], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            if killed == "after":
                assert parent.stdout.readline() == "watching\n"
                parent.kill()
            rest = parent.communicate(timeout=30)[0]  # ends only when the child has closed its end
            assert rest == ""
        finally:
            parent.kill()


class Strange:
    """A source that answers with anything, or raises."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __str__(self) -> str:
        return "picture 13"

    def read(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (KeyError("frame 13"), r"^picture 13: KeyError: 'frame 13' \(test_data_reading.py, line \d+\)$"),
        (UnreadableImageError("picture 13: cut off"), "^picture 13: cut off$"),
        (np.zeros((4, 4), np.uint8), r"read gives an array \(4, 4\) of uint8, expected \(H, W, 3\) of uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"read gives an array \(4, 4, 4\) of uint8"),
        (np.zeros((4, 4, 3)), r"read gives an array \(4, 4, 3\) of float64"),
        ("13.png", "read gives str"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line_that_names_it(answer: Any, says: str) -> None:
    with pytest.raises(UnreadableImageError, match=says):
        read_source(Strange(answer))
