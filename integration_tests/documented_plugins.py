"""The packages that the pages on plugins print, as strangers would install them."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    page.stem: page.read_text()
    for page in (DOCS / "write-a-plugin.md", *sorted((DOCS / "plugins").glob("*.md")))
}
TUTORIAL = PAGES["write-a-plugin"]
_FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PRINTED = [(page, *found) for page, text in PAGES.items() for found in _FILE.findall(text)]
"""Every file that a page prints: the page, the file's name and its content."""
FILES = {name: content for _, name, content in PRINTED}
HOMES = {
    name.partition("/")[0]: page for page, name, _ in PRINTED if name.partition("/")[2] == "pyproject.toml"
}
"""The page that prints a package, by the package's name."""


def commands(page: str) -> list[list[str]]:
    """Return the words behind `posenas` of each command that a page prints."""
    return [
        shlex.split(line)[1:] for line in re.findall(r"^\$ (posenas .*)$", PAGES[page], flags=re.MULTILINE)
    ]


def package(name: str) -> dict[str, Any]:
    """Return what the fixture `install` needs of a package that a page prints."""
    project = tomllib.loads(FILES[f"{name}/pyproject.toml"])["project"]
    return {
        "name": project["name"],
        "source": FILES[f"{name}/{name.replace('-', '_')}.py"],
        "entry_points": project["entry-points"],
        "requires": tuple(project["dependencies"]),
    }
