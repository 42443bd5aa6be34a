"""The command that looks for what must be mended."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from posenas.cli.shared_options import json_option, set_option
from posenas.cli.terminal import say, tell


@click.command()
@click.option(
    "--recipe", type=click.Path(path_type=Path), help="Look at the data of the recipe in this TOML file."
)
@click.option("--dataset", metavar="NAME", help="Look at the data of this dataset.")
@set_option("Set an option, such as dataset.root=FOLDER.", metavar="dataset.KEY=VALUE")
@json_option
def doctor(recipe: Path | None, dataset: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Look at environment, machine, devices, plugins and data, and say what to mend.

    Every line begins with ok, warn or mend. Ends with status 2 if something must be mended, else with 0.
    """
    from posenas.cli.doctor import examine

    findings = examine(folder=Path.cwd(), recipe=recipe, dataset=dataset, assignments=assignments)
    counts = {status: sum(each.status == status for each in findings) for status in ("ok", "warn", "mend")}
    if as_json:
        click.echo(json.dumps({**counts, "findings": [dataclasses.asdict(each) for each in findings]}))
    else:
        for finding in findings:
            tell(finding)
        say(f"{counts['mend']} to mend, {counts['warn']} to consider, {counts['ok']} in order")
    if counts["mend"]:
        sys.exit(2)
