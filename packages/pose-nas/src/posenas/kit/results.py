"""What the checks of a package found, one result each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from posenas.composing.plugins import Plugin
from posenas.contract.errors import PosenasError
from posenas.kit.check import BugError
from posenas.kit.components import (
    ComponentCheck,
    check_options,
    checks_of_plugin,
    missing_options,
    plugins_of,
)
from posenas.kit.kinds import refusal_of

Status = Literal["ok", "FAILED", "not run"]


@dataclass(frozen=True)
class Result:
    """What one check found.

    Attributes:
        plugin: whose component was asked.
        check: the check's name; `is_made` where there is no component to ask, `works_with_a_toy` where
            it is asked for its methods alone.
        status: `not run` where the component needs an option or files that are not given, or cannot
            work with the kit's toy.
        words: what is checked, or what is wrong and the remedy.
        seconds: how long it took.
        bug: a bug of the plugin with its file and line, if the check met one.
    """

    plugin: Plugin
    check: str
    status: Status
    words: str
    seconds: float = 0.0
    bug: str = ""


def results_of(name: str, options: Mapping[str, Any]) -> Iterator[Result]:
    """Run every check of what a package offers, and yield the results one by one.

    Args:
        name: of the distribution, or of one component: `KIND:NAME` or `DISTRIBUTION:NAME`.
        options: values by table and key, such as `{"dataset.root": "data"}`.

    Raises:
        PosenasError: where nothing is offered, or none of it has an option that is given.
    """
    plugins = plugins_of(name)
    check_options(plugins, options)
    for plugin in plugins:
        try:
            missing = missing_options(plugin, options)
            if missing:
                words = f"give {', '.join(f'-o {option}=...' for option in missing)}"
                yield Result(plugin, "is_made", "not run", words)
                continue
            checks = list(checks_of_plugin(plugin, options))
        except PosenasError as error:
            yield Result(plugin, "is_made", "FAILED", str(error))
            continue
        yield from _asked(checks)
        refusal = refusal_of(plugin.kind, checks[0].component)
        if refusal:
            yield Result(plugin, "works_with_a_toy", "not run", refusal)


def _asked(checks: Sequence[ComponentCheck]) -> Iterator[Result]:
    """Yield the results of a component's checks one by one; from the first bug on, all of them at the end."""
    held: list[Result] = []
    for check in checks:
        result = _result(check)
        if result.bug or held:
            held.append(result)
        else:
            yield result
    yield from (_told_once(result, held) for result in held)


def _told_once(result: Result, others: Sequence[Result]) -> Result:
    """Return the result of a check; of a bug that several met, the first one tells it, without a remedy."""
    met = [each.check for each in others if each.bug == result.bug]
    if not result.bug or len(met) == 1:
        return result
    if result.check == met[0]:
        return replace(result, words=result.bug)
    return replace(result, status="not run", words=f"the bug that {met[0]} met")


def _result(check: ComponentCheck) -> Result:
    began = time.perf_counter()
    status: Status = "ok"
    words, bug = check.check.sentence, ""
    try:
        missing = check.check(check.component)
        if missing:
            status, words = "not run", missing
    except PosenasError as error:
        status, words = "FAILED", str(error)
        bug = error.bug if isinstance(error, BugError) else ""
    return Result(check.plugin, check.check.name, status, words, time.perf_counter() - began, bug)
