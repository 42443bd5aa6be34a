"""Checks: plain functions that take a component and raise an error where it does not keep its word."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posenas.composing.culprit import plugin_in
from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Check:
    """One question to a component of a kind.

    Attributes:
        ask: takes the component, and raises an error where the answer is no. It may return why there is
            nothing to ask. Its docstring's first line is `Check that ...`.
        remedy: what its authors can do about a failure.
        needs: the capability that a component must have to be asked.
    """

    ask: Callable[[Any], str | None]
    remedy: str
    needs: type = object

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name of the function that asks, such as `levels_are_true`."""
        return self.ask.__name__

    @property
    def sentence(self) -> str:
        """What is checked, in one sentence."""
        words = (inspect.getdoc(self.ask) or "").partition("\n\n")[0].replace("\n", " ")
        words = words.removeprefix("Check that ")
        return words[:1].upper() + words[1:]

    def __call__(self, component: Any) -> str:
        """Ask the component, and return why there is nothing to ask; or nothing.

        Raises:
            PosenasError: what is wrong in one line, and the remedy at its end.
        """
        try:
            return self.ask(component) or ""
        except Exception as error:  # a plugin is tried here, and may raise anything
            raise self._told(error) from error

    def _told(self, error: Exception) -> PosenasError:
        bug = _first(error)
        words = str(error) if isinstance(error, PosenasError) else f"{_reason(error):.200}"
        culprit = None if isinstance(bug, PosenasError) else plugin_in(bug.__traceback__)
        if culprit is None:
            return PosenasError(f"{words}; {self.remedy}")
        return BugError(
            f"a bug in {culprit}: {words}; {self.remedy}", f"a bug in {culprit}: {_reason(bug):.200}"
        )


class BugError(PosenasError):
    """A plugin raised what is no answer of a check: many checks may meet the same bug.

    Attributes:
        bug: the plugin, the file, the line and the reason; the same words for each check that meets it.
    """

    def __init__(self, words: str, bug: str) -> None:
        super().__init__(words)
        self.bug = bug


def _first(error: BaseException) -> BaseException:
    """Return what an error of ours was made from, or the error itself."""
    while isinstance(error, PosenasError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def require(condition: bool, problem: str) -> None:
    """Raise PosenasError with the problem where the condition does not hold."""
    if not condition:
        raise PosenasError(problem)
