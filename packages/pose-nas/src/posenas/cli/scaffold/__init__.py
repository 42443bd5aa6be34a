"""New packages with one component, made from templates."""

from __future__ import annotations

from posenas.cli.scaffold.names import Names, names_of
from posenas.cli.scaffold.package import files_of, first_search, write

__all__ = ["Names", "files_of", "first_search", "names_of", "write"]
