"""The command that compares a finished search with chance."""

from __future__ import annotations

import json
from pathlib import Path

import click

from posenas.cli.run_commands import stoppable
from posenas.cli.shared_options import accept_option, finite, json_last_option
from posenas.cli.terminal import say


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--random",
    type=click.IntRange(min=0),
    help="Random genotypes of the winner's cost to score as the candidates were.  [default: as many]",
)
@click.option(
    "--trained",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Of these, how many to train and score as the winner was.",
)
@click.option(
    "--alone",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Candidates to train alone, for the rank correlation with their shared-weight scores.",
)
@click.option(
    "--alone-epochs",
    type=click.IntRange(min=1),
    help="Passes over the people in training each of them.  [default: the winner's]",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1),
    callback=finite,
    default=0.05,
    show_default=True,
    help="How much costs may differ and still count as equal, as a share.",
)
@accept_option
@json_last_option
def compare(
    run: Path,
    random: int | None,
    trained: int,
    alone: int,
    alone_epochs: int | None,
    tolerance: float,
    accept_changes: bool,
    as_json: bool,
) -> None:
    """Compare the search of a finished RUN with random genotypes of equal cost and with training alone."""
    from posenas.composing.compose import compose
    from posenas.networks.devices import processes_here, use_threads
    from posenas.reporting.comparison.compare import Size, compare as compare_run
    from posenas.reporting.comparison.verdict import judge
    from posenas.reporting.listeners import run_events
    from posenas.reporting.report import write_report
    from posenas.reporting.results import read_results
    from posenas.runs.run import open_run

    opened, recipe = open_run(run)
    composition = compose(recipe)
    use_threads(composition.loading_processes(beside=processes_here()))
    size = Size(random, trained, alone, alone_epochs, tolerance)
    with stoppable(f"posenas compare {run}"), run_events() as events:
        comparison = compare_run(composition, opened, size, events=events, accept_changes=accept_changes)
    verdict = judge(comparison, read_results(opened, composition.recipe))
    assert verdict is not None  # a run without one is refused
    for sentence in verdict.sentences():
        say(sentence, err=as_json)
    page = write_report(run)
    say(f"report: {page}", err=True)
    if as_json:
        click.echo(json.dumps({"run": str(run)} | verdict.as_dict()))
