"""The static look, with real imports as its oracle."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from posenas.composing.importable import look_at

IMPORTABLE = {
    "empty": "",
    "guarded": "try:\n    import absent_module\nexcept ImportError:\n    absent_module = None\n",
    "guarded_otherwise": "try:\n    import absent_module\nexcept ModuleNotFoundError:\n    pass\n",
    "fallback": "try:\n    import json\nexcept ModuleNotFoundError:\n    import absent_module as json\n",
    "guarded_twice": "try:\n    import absent_module\nexcept (OSError, ImportError):\n    pass\n",
    "guarded_barely": "try:\n    import absent_module\nexcept:\n    pass\n",
    "typed": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import absent_module\n",
    "suppressed": "import contextlib\nwith contextlib.suppress(ImportError):\n    import absent_module\n",
    "deferred": "def late():\n    import absent_module\n    raise ValueError\n",
    "conditional_raise": "import sys\nif sys.maxsize < 0:\n    raise ImportError\n",
    "relative": "from . import empty\nfrom .deep.er import leaf\n",
    "latin": "# -*- coding: latin-1 -*-\nname = '\xe9'\n",
    "escape": "pattern = r'\\d' + '\\\\d'\n",
}
NOT_IMPORTABLE = {
    "syntax": ("x = 1\ndef broken(:\n", "line 2: the source is broken"),
    "null": ("x = '\0'\n", "the source is broken"),
    "missing": ("import os\nimport absent_module.deep\n", "line 2: it imports absent_module, which is not"),
    "missing_from": ("from absent_module.deep import x\n", "line 1: it imports absent_module"),
    "missing_in_try": ("try:\n    import absent_module\nexcept OSError:\n    pass\n", "line 2: it imports"),
    "raises": ("raise RuntimeError('unfinished')\n", "line 1: the import ends in: raise RuntimeError("),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh package with a module of each case; forgotten again afterwards."""
    name = f"lookpackage_{abs(hash(tmp_path))}"
    folder = tmp_path / name
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "deep" / "er" / "leaf.py").write_text("Leaf = 1\n")
    for module, source in IMPORTABLE.items():
        encoding = "latin-1" if module == "latin" else "utf-8"
        (folder / f"{module}.py").write_bytes(source.encode(encoding))
    for module, (source, _) in NOT_IMPORTABLE.items():
        (folder / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("module", sorted(IMPORTABLE))
def test_what_imports_looks_importable(package: str, module: str) -> None:
    assert look_at(f"{package}.{module}").problem == ""
    assert package not in sys.modules
    importlib.import_module(f"{package}.{module}")


@pytest.mark.parametrize("module", sorted(NOT_IMPORTABLE))
def test_what_does_not_import_is_told(package: str, module: str) -> None:
    problem = look_at(f"{package}.{module}").problem
    assert NOT_IMPORTABLE[module][1] in problem
    assert f"{module}.py" in problem
    with pytest.raises((ImportError, SyntaxError, ValueError, RuntimeError)):
        importlib.import_module(f"{package}.{module}")


@pytest.mark.parametrize("path", ["absent", "empty.deeper", "deep.absent"])
def test_missing_modules_are_named_by_their_first_missing_part(package: str, path: str) -> None:
    assert look_at(f"{package}.{path}").problem == f"there is no module {package}.{path}"
    assert look_at(f"absent_module.{path}").problem == "there is no module absent_module"


def test_folders_without_an_init_are_looked_into(package: str) -> None:
    assert look_at(f"{package}.deep.er.leaf").names == {"Leaf"}


def test_a_broken_parent_package_is_found_first(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "__init__.py").write_text("import absent_module\n")
    assert "__init__.py, line 1: it imports absent_module" in look_at(f"{package}.empty").problem


def test_modules_without_source_count_as_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "module_without_specification", ModuleType("made by hand"))
    assert look_at("module_without_specification").problem == ""
    for module in ("sys", "math"):
        look = look_at(module)
        assert (look.problem, look.names) == ("", None)
    assert look_at("__main__").problem == ""


def test_an_escape_the_compiler_warns_of_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "escaping_module.py").write_text("pattern = '\\d'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert look_at("escaping_module").problem == ""


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("class A: x = 1\ndef f(): y = 1\nasync def g(): ...\n", {"A", "f", "g"}),
        ("import os.path\nimport json as j\nfrom math import pi as p, tau\n", {"os", "j", "p", "tau"}),
        ("if True:\n    a = b, c = 1, 2\nelse:\n    d: int = 3\n", {"a", "b", "c", "d"}),
        ("from math import *\n", None),
        ("def __getattr__(name): return name\n", None),
    ],
)
def test_names_bound_at_module_level(
    source: str, names: set[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binding_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert look_at("binding_module").names == names
