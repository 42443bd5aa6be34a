"""The options of commands that use a network with weights of its own, or with those of a file."""

from __future__ import annotations

from pathlib import Path

import click

from posenas.cli.shared_options import Command
from posenas.contract.errors import PosenasError, suggestion


def weights_options(command: Command) -> Command:
    """Add to a command the file of weights, and the space of a genotype's file."""
    command = click.option("--space", metavar="NAME", help="The space of a genotype's file.  [default: ofa]")(
        command
    )
    return click.option(
        "--init",
        metavar="FILE",
        help="The network's weights: safetensors, a torch file, a Keras file, or a run's folder.  "
        "[default: the run's own]",
    )(command)


def check_weights(network: str, *, init: str | None, space: str | None) -> None:
    """Raise PosenasError for a network that has no weights, or a space that nothing is read of.

    Args:
        network: a zoo entry, a genotype's file or a run's folder.
        init: the file of its weights; None for a run's own.
        space: of a genotype's file.
    """
    from posenas.composing.named_networks import zoo_names

    path = Path(network)
    if space is not None and not path.is_file():
        raise PosenasError(f"--space {space}: {network} is no genotype's file; leave it out")
    if init is not None or path.is_dir():
        return
    names = zoo_names()
    if path.is_file() or network in names:
        raise PosenasError(f"{network}: a network without weights; add --init FILE, or give a run's folder")
    raise PosenasError(
        f"{network}: no run here (no recipe.toml), and no network of the zoo; {suggestion(network, names)}"
    )
