"""The public face: every name loads, and the other packages need nothing else of the core."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import posenas
import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
PAGES = (
    "annotations",
    "charts",
    "geometry",
    "heatmaps",
    "layers",
    "scoring",
    "testing",
    "training",
    "weights",
)
PUBLIC = {"posenas", *(f"posenas.{page}" for page in PAGES)}


def imports_of_packages() -> Iterator[tuple[str, str, str]]:
    """Yield each name that a package beside the core imports from it: the file, the module and the name."""
    for file in sorted(PACKAGES.glob("*/src/**/*.py")):
        if file.is_relative_to(PACKAGES / "pose-nas"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "posenas":
                yield from ((file.name, str(node.module), alias.name) for alias in node.names)
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                yield from ((file.name, name, name) for name in names if name.split(".")[0] == "posenas")


def test_every_name_of_the_face_loads() -> None:
    assert len(posenas.__all__) > 50
    for name in posenas.__all__:
        assert getattr(posenas, name) is not None


def test_names_of_the_face_keep_their_names() -> None:
    homes = ast.parse(Path(posenas.__file__).with_suffix(".pyi").read_text()).body
    for home in homes:
        if isinstance(home, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in home.names), home.module


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_a_page_loads(page: str) -> None:
    module = import_module(f"posenas.{page}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_packages_import_from_the_public_face_alone() -> None:
    assert not [found for found in imports_of_packages() if found[1] not in PUBLIC]


def test_what_a_plugin_is_declared_with_loads_nothing_heavy() -> None:
    check = (
        "import sys; from posenas import Choice, Level, SearchSpace, Trial, ZooEntry; "
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_an_unknown_name_is_refused_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="Unheard"):
        posenas.Unheard  # noqa: B018
