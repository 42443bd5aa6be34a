"""The command that makes a package of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from posenas.cli.terminal import say
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.kinds import CLASS_KINDS


@click.command()
@click.argument("distribution", metavar="PACKAGE")
@click.option("--kind", metavar=f"[{'|'.join(CLASS_KINDS)}]", required=True, help="What the package offers.")
@click.option("--name", help="The component's name.  [default: the package's, without the kind]")
def new(distribution: str, kind: str, name: str | None) -> None:
    """Make a package with one component of your own, in a folder of that name: an example that works.

    It has a module, a project file, a test, a README and a workflow that runs the test.
    """
    import shlex

    from posenas.cli.scaffold import files_of, first_search, names_of, write

    _check_kind(kind)
    names = names_of(distribution, kind=kind, component=name)
    files = files_of(names)
    write(files, Path(distribution))
    say(f"made {distribution}: {', '.join(files)}\n\nnext:")
    say(f"  pip install -e {distribution}")
    say(f"  posenas check {distribution}")
    say(f"  {shlex.join(first_search(names))}")


def _check_kind(kind: str) -> None:
    """Raise PosenasError for a kind that has no example, with the page where there is one to copy."""
    if kind in CLASS_KINDS:
        return
    pages = {"weights": "weights", "zoo": "zoo", "hooks": "listener"}
    if kind in pages:
        raise PosenasError(
            f"posenas new makes no package of kind {kind}, which is a few lines: "
            f"docs/plugins/{pages[kind]}.md has them, with the entry point"
        )
    raise PosenasError(f"{kind!r} is no kind that posenas new makes; {suggestion(kind, CLASS_KINDS)}")
