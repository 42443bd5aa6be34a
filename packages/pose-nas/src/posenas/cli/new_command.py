"""The command that makes a package of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from posenas.cli.terminal import say
from posenas.contract.kinds import CLASS_KINDS


@click.command()
@click.argument("distribution", metavar="PACKAGE")
@click.option("--kind", type=click.Choice(CLASS_KINDS), required=True, help="What the package offers.")
@click.option("--name", help="The component's name.  [default: the package's, without the kind]")
def new(distribution: str, kind: str, name: str | None) -> None:
    """Make a package with one component of your own, in a folder of that name: an example that works.

    It has a module, a project file, a test, a README and a workflow that runs the test.
    """
    import shlex

    from posenas.cli.scaffold import files_of, first_search, names_of, write

    names = names_of(distribution, kind=kind, component=name)
    files = files_of(names)
    write(files, Path(distribution))
    say(f"made {distribution}: {', '.join(files)}\n\nnext:")
    say(f"  pip install -e {distribution}")
    say(f"  posenas check {distribution}")
    say(f"  {shlex.join(first_search(names))}")
