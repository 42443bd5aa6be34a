"""The files of a new package."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from posenas.cli.scaffold.names import Names
from posenas.contract.errors import PosenasError

_FIXED = ("--space", "fixed", "-o", "space.width=0.25")
_RANDOM = ("--strategy", "random", "-o", "strategy.candidates=2", "-o", "strategy.final_epochs=2")
_SMALL = (
    *("-o", "strategy.epochs=1", "-o", "head.input_size=64,64"),
    *("-o", "dataset.train_images=200", "-o", "dataset.val_images=50"),
)


def files_of(names: Names) -> dict[str, str]:
    """Return the text of each file of a package, by its path in the package's folder."""
    environment = Environment(
        loader=PackageLoader("posenas.cli.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the files are no HTML
    )
    templates = {
        "pyproject.toml": "pyproject.toml",
        f"{names.module}.py": f"{names.kind}.py",
        f"test_{names.module}.py": "test.py",
        "README.md": "README.md",
        ".github/workflows/test.yml": "test.yml",
    }
    values = {"names": names, "first_search": shlex.join(first_search(names))}
    return {
        path: environment.get_template(f"{template}.jinja").render(values)
        for path, template in templates.items()
    }


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write a package's files into a folder that is new or empty.

    Raises:
        PosenasError: where there is a file of the folder's name, or something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PosenasError(f"{folder} exists and is no empty folder: move it, or choose another name")
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def first_search(names: Names) -> list[str]:
    """Return the words of a small search that tries the component with the core's own ones."""
    others = {
        "space": _RANDOM,
        "strategy": ("-o", "strategy.rounds=2", "-o", "strategy.candidates=2", *_FIXED),
    }
    own = (f"--{names.kind}", names.component)
    if names.kind == "cost":
        own = ("--limit", f"{names.figure}<=100")
    return ["posenas", "compose", *own, *others.get(names.kind, (*_FIXED, *_RANDOM)), *_SMALL]
