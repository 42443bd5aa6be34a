"""The command that watches a run from another terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posenas.cli.terminal import say, tell
from posenas.contract.errors import PosenasError
from posenas.runs.stopping import stop_requested

if TYPE_CHECKING:
    from rich.console import Console

    from posenas.reporting.watching import Watched

_SECONDS = 1.0
_LEFT = "no longer watching; the run is left as it is"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Print the present state, and end.")
def watch(run: Path, once: bool) -> None:
    """Show what happens in RUN while another process works on it.

    It only reads: the run goes on as without it. It ends when the run or its process ends, or with Ctrl-C.
    """
    from rich.console import Console

    from posenas.reporting.watch_page import watch_page

    console = Console()
    states = _states(run)
    if once:
        console.print(watch_page(next(states)))
        return
    try:
        last = _live(states, console) if console.is_terminal else _lines(states)
    except KeyboardInterrupt:
        if stop_requested():  # by a signal, which the status tells
            raise PosenasError(_LEFT) from None
        say(_LEFT)
        return
    tell(_ending(last))


def _states(path: Path) -> Iterator[Watched]:
    """Yield the state of a run about once a second, until it has ended or nobody works on it any more."""
    from posenas.reporting.watching import look
    from posenas.runs.run import open_run

    run, recipe = open_run(path)
    seen: Watched | None = None
    while True:
        seen = look(run, recipe, now=time.time(), before=seen)
        yield seen
        if seen.results.finished or seen.left:
            return
        time.sleep(_SECONDS)


def _live(states: Iterator[Watched], console: Console) -> Watched:
    from rich.live import Live

    from posenas.reporting.watch_page import watch_page

    last = next(states)
    with Live(watch_page(last), console=console, auto_refresh=False) as live:
        for last in states:
            live.update(watch_page(last), refresh=True)
    return last


def _lines(states: Iterator[Watched]) -> Watched:
    from posenas.reporting.watching import changes

    before: Watched | None = None
    for seen in states:
        for line in changes(before, seen):
            tell(line)
        before = seen
    assert before is not None  # the first state is always there
    return before


def _ending(last: Watched) -> str:
    answer = last.results.answer
    if answer is None:
        return f"the run has stopped: `posenas resume {last.path}` continues it"
    from posenas.reporting.progress import trial_line

    return f"the run has ended; its answer: {trial_line(answer)}"
