"""Checks: plain functions that take a component and raise an error where it does not keep its word."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Check:
    """One question to a component of a kind.

    Attributes:
        ask: takes the component, and raises an error where the answer is no. Its docstring's
            first line is `Check that ...`.
        remedy: what its authors can do about a failure.
        needs: the capability that a component must have to be asked.
    """

    ask: Callable[[Any], None]
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

    def __call__(self, component: Any) -> None:
        """Ask the component.

        Raises:
            PosenasError: what is wrong in one line, and the remedy at its end.
        """
        try:
            self.ask(component)
        except PosenasError as error:
            raise PosenasError(f"{error}; {self.remedy}") from error
        except Exception as error:  # a plugin is tried here, and may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PosenasError(f"{reason:.200}; {self.remedy}") from error


def require(condition: bool, problem: str) -> None:
    """Raise PosenasError with the problem where the condition does not hold."""
    if not condition:
        raise PosenasError(problem)
