"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

Command: TypeAlias = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
json_last_option = click.option(
    "--json", "as_json", is_flag=True, help="End standard output with one JSON object."
)
accept_option = click.option(
    "--accept-changes",
    is_flag=True,
    help="Continue a run though its data, packages or torch changed since it began; its report will say so.",
)
engine_option = click.option(
    "--engine",
    metavar="ENGINE",
    default="local",
    help="What trains and scores candidates: local, ray, HOST:PORT or ray://HOST:PORT.  [default: local]",
)


def set_option(help_text: str, *, metavar: str = "TABLE.KEY=VALUE") -> Callable[[Command], Command]:
    """Return the repeatable option `--set`, or `-o`; the command gets its values as `assignments`."""
    return click.option("--set", "-o", "assignments", multiple=True, metavar=metavar, help=help_text)
