"""What the checks of a package found, one result each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from posenas.composing.plugins import Plugin
from posenas.contract.errors import PosenasError
from posenas.kit.check import BugError
from posenas.kit.components import ComponentCheck, checks_of_plugin, missing_options, plugins_of, unread_files
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
    """

    plugin: Plugin
    check: str
    status: Status
    words: str
    seconds: float = 0.0


def results_of(name: str, options: Mapping[str, Any]) -> Iterator[Result]:
    """Run every check of what a package offers, and yield the results one by one.

    Args:
        name: of the distribution, or of one component: `KIND:NAME` or `DISTRIBUTION:NAME`.
        options: values by table and key, such as `{"dataset.root": "data"}`.

    Raises:
        PosenasError: where nothing is offered.
    """
    for plugin in plugins_of(name):
        try:
            missing = missing_options(plugin, options)
            if missing:
                words = f"give {', '.join(f'-o {option}=...' for option in missing)}"
                yield Result(plugin, "is_made", "not run", words)
                continue
            checks = list(checks_of_plugin(plugin, options))
            unread = unread_files(plugin, checks[0].component)
            if unread:
                yield Result(plugin, "is_made", "not run", f"{unread}; give its files by -o")
                continue
        except PosenasError as error:
            yield Result(plugin, "is_made", "FAILED", str(error))
            continue
        seen: dict[str, str] = {}
        yield from (_result(check, seen) for check in checks)
        refusal = refusal_of(plugin.kind, checks[0].component)
        if refusal:
            yield Result(plugin, "works_with_a_toy", "not run", refusal)


def _result(check: ComponentCheck, seen: dict[str, str]) -> Result:
    """Run a check.

    Args:
        check: with its component.
        seen: the checks that met a bug of the plugin first, by the bug; this one is added.
    """
    began = time.perf_counter()
    status: Status = "ok"
    words = check.check.sentence
    try:
        missing = check.check(check.component)
        if missing:
            status, words = "not run", missing
    except BugError as error:
        first = seen.setdefault(error.bug, check.check.name)
        status, words = "FAILED", str(error)
        if first != check.check.name:
            status, words = "not run", f"the bug that {first} met"
    except PosenasError as error:
        status, words = "FAILED", str(error)
    return Result(check.plugin, check.check.name, status, words, time.perf_counter() - began)
