"""An answer in time: a plugin that hangs is left behind, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from posenas.contract.errors import PosenasError

Answer = TypeVar("Answer")


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Return what a call returns, or raise what it raises.

    Args:
        seconds: after them the call is left to itself, in a thread that does not keep the process alive.
        ask: calls the plugin.

    Raises:
        PosenasError: if there is no answer in time.
    """
    answers: SimpleQueue[tuple[Answer | None, Exception | None]] = SimpleQueue()

    def answer() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:  # it is raised again where it was asked for
            answers.put((None, error))

    Thread(target=answer, daemon=True).start()
    try:
        answered, error = answers.get(timeout=seconds)
    except Empty:
        raise PosenasError(f"no answer within {seconds:g} s; tell its authors") from None
    if error is not None:
        raise error
    return answered  # type: ignore[return-value]  # it is None only where the call returned None
