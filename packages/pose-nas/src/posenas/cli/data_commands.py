"""Commands about datasets."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from posenas.cli.shared_options import json_option, set_option
from posenas.cli.terminal import say, tell


@click.group()
def data() -> None:
    """Look at datasets."""


@data.command()
@click.argument("name")
@set_option("Set an option, such as dataset.root=FOLDER.", metavar="dataset.KEY=VALUE")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data-check.png"),
    show_default=True,
    help="File for the picture.",
)
@click.option("--samples", type=click.IntRange(min=1), default=16, show_default=True, help="People to draw.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--strict", is_flag=True, help="End with status 2 if something is found.")
@json_option
def check(
    name: str,
    assignments: tuple[str, ...],
    out: Path,
    samples: int,
    seed: int,
    strict: bool,
    as_json: bool,
) -> None:
    """Open dataset NAME, draw people and their mirrored twins, and list what is wrong with it."""
    from posenas.composing.building import make
    from posenas.data.checking.check import check_dataset
    from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables

    tables = merge({}, [parse_assignment(text) for text in assignments], flags={"dataset": name})
    dataset = make("dataset", recipe_from_tables(tables).dataset)
    result = check_dataset(dataset, samples=samples, seed=seed, out=out)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result) | {"picture": str(out)}, default=str))
    else:
        tell(result)
        say(f"picture: {out}")
    if strict and result.findings:
        sys.exit(2)
