"""The order of the house: which room may import which. It walks every import, those for type checkers too."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "packages"
CORE = "posenas"
ALONE = "pose_run"
"""The package for machines that have nothing else of ours."""

ROOMS = (
    "contract",
    "runs",
    "networks",
    "data",
    "learning",
    "composing",
    "searching",
    "reporting",
    "prediction",
    "exporting",
    "kit",
    "standard",
    "cli",
)
"""Each room imports itself and those before it."""

SHELF = "standard"
"""Built-in components: reached by entry points, and imported by nobody."""

PAGES = {
    "annotations",
    "api",
    "charts",
    "geometry",
    "heatmaps",
    "layers",
    "scoring",
    "testing",
    "training",
    "weights",
}
"""Modules at the core's top: the public face, which may import every room, and which no room imports."""


def modules() -> dict[str, Path]:
    """Return every module of every package, by its dotted name."""
    found = {}
    for source in PACKAGES.glob("*/src"):
        for file in source.rglob("*.py"):
            parts = file.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports(module: str) -> set[str]:
    """Return the project's own modules that a module imports anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return {name for name in found if name in MODULES} - {module}


IMPORTS = {module: imports(module) for module in MODULES}


def room(module: str) -> str:
    """Return the room of one of the core's modules; the face itself has none."""
    return module.split(".")[1] if "." in module else ""


def within_core() -> list[tuple[str, str]]:
    """Return every import between two of the core's modules in rooms."""
    return [
        (module, other)
        for module, others in IMPORTS.items()
        for other in others
        if room(module) in ROOMS and module.startswith(f"{CORE}.") and other.startswith(f"{CORE}.")
    ]


def test_every_module_of_the_core_is_in_a_room() -> None:
    assert {room(module) for module in MODULES if module.startswith(f"{CORE}.")} == {*ROOMS, *PAGES}


def test_the_architecture_lists_the_rooms_in_their_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("| room | holds |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == ROOMS


def test_every_page_of_the_face_is_named() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert not [name for name in PAGES - {"api"} if f"`posenas.{name}`" not in page]


def test_no_room_imports_the_face() -> None:
    assert not [f"{module} imports {other}" for module, other in within_core() if room(other) in PAGES]


def test_rooms_import_only_what_stands_before_them() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, other in within_core()
        if room(other) in ROOMS and ROOMS.index(room(other)) > ROOMS.index(room(module))
    ]
    assert not wrong


def test_nobody_imports_the_shelf() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, other in within_core()
        if room(other) == SHELF and room(module) != SHELF
    ]
    assert not wrong


def test_there_is_no_circle() -> None:
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names one


def test_packages_import_the_core_and_themselves() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if module.split(".")[0] != other.split(".")[0]
        and (other.split(".")[0] != CORE or module.split(".")[0] == ALONE)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "statement",
    [
        "import posenas",
        "import " + ", ".join(sorted(module for module in MODULES if room(module) == "contract")),
        "import sys; sys.argv[1:] = ['--help']; from posenas.cli import main; main()",
        "import sys; sys.argv[1:] = ['plugins']; from posenas.cli import main; main()",
    ],
    ids=["face", "contract", "help", "plugins"],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    check = "import sys; heavy = {'torch', 'numpy', 'cv2'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; {check}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
