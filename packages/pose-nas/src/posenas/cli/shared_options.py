"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import click

from posenas.contract.errors import PosenasError

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
log_option = click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="LOG",
    help="Log losses, metrics and costs elsewhere too: tensorboard or mlflow; repeatable.",
)


def finite(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Return an option's number, but refuse "nan" and "inf": nothing compares with them as a bound should.

    Raises:
        PosenasError: for either.
    """
    if value is not None and not math.isfinite(value):
        raise PosenasError(f"{parameter.opts[0]} {value}: not a number; give one")
    return value


def cache_options(command: Command) -> Command:
    """Add `--cache` and `--no-cache` to a command, which gets them as `cache`, the field of a `Run`."""

    @click.option(
        "--cache",
        "shared",
        type=click.Path(path_type=Path),
        help="Keep decoded images and crops in this folder, for other runs too.  [default: the run's folder, "
        "until the search ends]",
    )
    @click.option("--no-cache", "without", is_flag=True, help="Keep none of them on disk.")
    @wraps(command)
    def run(*arguments: Any, shared: Path | None, without: bool, **options: Any) -> Any:
        from posenas.runs.run import OWN_CACHE

        if shared is not None and without:
            raise PosenasError("--cache and --no-cache exclude each other; leave one of them out")
        cache = OWN_CACHE if shared is None else shared.absolute()
        return command(*arguments, cache=None if without else cache, **options)

    return run


def set_option(help_text: str, *, metavar: str = "TABLE.KEY=VALUE") -> Callable[[Command], Command]:
    """Return the repeatable option `--set`, or `-o`; the command gets its values as `assignments`."""
    return click.option("--set", "-o", "assignments", multiple=True, metavar=metavar, help=help_text)
