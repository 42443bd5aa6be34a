"""Lines for the terminal. JSON goes another way: it escapes control characters itself."""

from __future__ import annotations

import click

from posenas.contract.messages import message, printable


def say(text: object, *, err: bool = False) -> None:
    """Print each line of the text without control characters."""
    for line in str(text).split("\n"):
        click.echo(printable(line), err=err)


def tell(text: object, *, err: bool = False) -> None:
    """Print each line of a text that quotes files: printable, and below 400 characters."""
    for line in str(text).split("\n"):
        click.echo(message(line), err=err)
