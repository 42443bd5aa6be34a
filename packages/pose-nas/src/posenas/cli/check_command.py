"""The command that checks what a package offers."""

from __future__ import annotations

import json

import click

from posenas.cli.shared_options import json_option, set_option
from posenas.cli.terminal import say, tell


@click.command()
@click.argument("package")
@set_option(
    "Set an option, such as space.widest=48 or dataset.root=data; each goes to the components that have it."
)
@json_option
@click.pass_context
def check(context: click.Context, package: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Check every component that PACKAGE offers: a line for each check, and a remedy for each failure.
    PACKAGE is an installed distribution, or one component as KIND:NAME or PACKAGE:NAME. The status is 1 where
    a check failed. `posenas.testing` runs the same checks in a plugin's own tests."""
    from posenas.kit.results import results_of
    from posenas.runs.recipe import parse_assignment

    options = {".".join(path): value for path, value in map(parse_assignment, assignments)}
    results = []
    for result in results_of(package, options):
        results.append(result)
        if not as_json:
            component = f"{result.plugin.kind} {result.plugin.name}"
            tell(f"{result.status:<8}{component:<24}{result.check}: {result.words}")
    if as_json:
        rows = [
            {
                "kind": result.plugin.kind,
                "name": result.plugin.name,
                "distribution": result.plugin.distribution,
                "version": result.plugin.version,
                "check": result.check,
                "status": result.status.lower(),
                "words": result.words,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ]
        click.echo(json.dumps(rows, indent=1))
    else:
        counts = [
            sum(result.status == status for result in results) for status in ("ok", "FAILED", "not run")
        ]
        say(f"\n{counts[0]} ok, {counts[1]} failed, {counts[2]} not run")
    if any(result.status == "FAILED" for result in results):
        context.exit(1)
