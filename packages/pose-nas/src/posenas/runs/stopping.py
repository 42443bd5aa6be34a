"""Requests to stop: SIGTERM and SIGHUP end a command as Ctrl-C does, in one line and with its state kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from posenas.contract.errors import PosenasError

REQUESTS = (signal.SIGTERM, signal.SIGHUP)


class OthersEndedError(PosenasError):
    """Another of the processes that train together ended. Who started them says which one, and why."""


class StopRequests:
    """A handler of signals that raises KeyboardInterrupt and remembers which signals came."""

    def __init__(self) -> None:
        self.received: list[int] = []

    def __call__(self, number: int, _: object) -> None:
        self.received.append(number)
        raise KeyboardInterrupt


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, and yield which of them came.

    One that is ignored, as under nohup, stays ignored.
    """
    requests = StopRequests()
    ours = _is_main_thread() and [each for each in REQUESTS if signal.getsignal(each) == signal.SIG_DFL]
    for number in ours or ():
        signal.signal(number, requests)
    try:
        yield requests
    finally:
        for number in ours or ():
            signal.signal(number, signal.SIG_DFL)


def stop_requested() -> bool:
    """Return whether SIGTERM or SIGHUP came to this process within `stop_requests`."""
    handlers = [signal.getsignal(number) for number in REQUESTS]
    return any(isinstance(each, StopRequests) and bool(each.received) for each in handlers)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C and requests to stop wait until the end of the context.

    Python would print and forget them while a loader's destructor waits for the workers.
    """
    handlers = _handlers() if _is_main_thread() else {}
    waiting: list[tuple[int, Any]] = []
    for number in handlers:
        signal.signal(number, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number, frame in waiting:
        handlers[number](number, frame)


def leave_stopping_to_parent() -> None:
    """Leave Ctrl-C and a lost terminal to the process that started this one, and that ends it.

    SIGTERM stays as it is: torch's loader has a handler of its own for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _handlers() -> dict[int, Callable[[int, Any], Any]]:
    """Return the present handlers that are functions, by their signals."""
    handlers: dict[int, Callable[[int, Any], Any]] = {}
    for number in (signal.SIGINT, *REQUESTS):
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
    return handlers


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
