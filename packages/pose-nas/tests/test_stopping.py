"""SIGTERM and SIGHUP, which end a command as Ctrl-C does."""

from __future__ import annotations

import signal

import pytest
from posenas.runs.stopping import REQUESTS, interrupts_deferred, stop_requested, stop_requests


@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_is_an_interrupt_and_is_remembered(number: int) -> None:
    with stop_requests() as requests:
        assert not stop_requested()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stop_requested()
    assert requests.received == [number]
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as requests:
            signal.raise_signal(signal.SIGHUP)
        assert not requests.received
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, *REQUESTS])
def test_a_deferred_request_waits_until_the_end(number: int) -> None:
    steps = []

    def write() -> None:
        with interrupts_deferred():
            signal.raise_signal(number)
            steps.append("written")

    with stop_requests(), pytest.raises(KeyboardInterrupt):
        write()
    assert steps == ["written"]
