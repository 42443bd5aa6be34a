"""`posenas new`: each kind of package is installed, checked and trained as it is made."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from posenas.cli.scaffold import first_search, names_of
from posenas.contract.kinds import CLASS_KINDS
from posenas.testing import checks_of
from running import Answer, refusal

Posenas = Callable[..., Answer]
Make = Callable[[str], Path]

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
FILES = {"pyproject.toml", "README.md", ".github/workflows/test.yml"}
PROTOCOLS_DECIDE = "ARG002"
"""Ruff's rule against parameters that a method does not use."""


@pytest.fixture
def made(posenas: Posenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the package `own-KIND`, and puts it where Python looks, with pip's metadata."""
    before = set(sys.modules)

    def make(kind: str) -> Path:
        answer = posenas("new", f"own-{kind}", "--kind", kind)
        assert answer.status == 0, answer.err
        folder = tmp_path / f"own-{kind}"
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        info = folder / f"own_{kind}-{project['version']}.dist-info"
        info.mkdir()
        headers = [f"Name: {project['name']}", f"Version: {project['version']}"]
        headers += [f"Requires-Dist: {text}" for text in project["dependencies"]]
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *headers, ""]))
        ((group, points),) = project["entry-points"].items()
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return folder

    yield make
    for module in set(sys.modules) - before:
        if Path(getattr(sys.modules[module], "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[module]


@pytest.mark.parametrize("kind", CLASS_KINDS)
def test_what_is_made_passes_the_kit(made: Make, kind: str) -> None:
    folder = made(kind)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    files = {path for path in files if ".dist-info" not in path}
    assert files == {*FILES, f"own_{kind}.py", f"test_own_{kind}.py"}
    checks = checks_of(f"own-{kind}")
    assert len(checks) > 3
    for check in checks:
        check()


def test_what_is_made_keeps_the_house_rules(posenas: Posenas, tmp_path: Path) -> None:
    for kind in CLASS_KINDS:
        assert posenas("new", f"own-{kind}", "--kind", kind).status == 0
    config = ("--config", str(PROJECT))
    for words in (("check", "--ignore", PROTOCOLS_DECIDE), ("format", "--check")):
        subprocess.run([sys.executable, "-m", "ruff", *words, *config, "."], cwd=tmp_path, check=True)


def test_the_next_commands_are_printed(posenas: Posenas, tmp_path: Path) -> None:
    answer = posenas("new", "My.Head", "--kind", "head", "--name", "direct")
    made, _, _, install, check, search = answer.out.splitlines()
    assert made.startswith("made My.Head: pyproject.toml, my_head.py, ")
    assert (install, check) == ("  pip install -e My.Head", "  posenas check My.Head")
    assert search.startswith("  posenas compose --head direct ")
    assert search.strip() in (tmp_path / "My.Head" / "README.md").read_text()
    project = tomllib.loads((tmp_path / "My.Head" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"posenas.head": {"direct": "my_head:MyHead"}}
    assert project["dependencies"] == ["pose-nas>=0.2,<0.3"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("a b",), "'a b' is no name of a package: take letters, digits"),
        (("../up",), "'../up' is no name of a package"),
        (("mine", "--name", "a:b"), "'a:b' is no name of a component"),
        (("3d-head",), "module 3d_head, which Python cannot import"),
        (("lambda",), "module lambda, which Python cannot import"),
        (("torch",), "module torch, and there is one already"),
        (("email",), "module email, and there is one already"),
        (
            ("heatmap-head",),
            "'heatmap' is offered by pose-nas 0.2.0: give yours another name with --name",
        ),
        (("full",), "full exists and is no empty folder"),
        (("file",), "file exists and is no empty folder"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    posenas: Posenas, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.py").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert says in refusal(posenas("new", *words, "--kind", "head"))
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(posenas: Posenas, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert posenas("new", "own", "--kind", "cost").status == 0
    assert (tmp_path / "own" / "own.py").exists()


@pytest.mark.slow
def test_what_is_made_is_typed(posenas: Posenas, tmp_path: Path) -> None:
    modules = []
    for kind in CLASS_KINDS:
        assert posenas("new", f"own-{kind}", "--kind", kind).status == 0
        modules.append(f"own-{kind}/own_{kind}.py")
    done = run(sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", *modules, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that also sees what is installed in this one; its folder of commands."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin"


@pytest.mark.slow
def test_what_is_made_is_installed_by_pip_and_searches(
    posenas: Posenas, tmp_path: Path, environment: Path
) -> None:
    names = [names_of(f"own-{kind}", kind=kind, component=f"own-{kind}") for kind in CLASS_KINDS]
    for each in names:
        answer = posenas("new", each.distribution, "--kind", each.kind, "--name", each.component)
        assert answer.status == 0, answer.err
    python = str(environment / "python")
    editable = [word for each in names for word in ("-e", each.distribution)]
    done = run(python, "-m", "pip", "install", "--no-deps", *editable, cwd=tmp_path)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("pip finds no hatchling, which builds the packages")
    assert done.returncode == 0, done.stderr
    command = [python, "-c", "from posenas.cli import main; main()"]
    listed = json.loads(run(*command, "plugins", "--json", cwd=tmp_path).stdout)
    own = {row["name"]: row["status"] for row in listed if row["distribution"].startswith("own-")}
    assert own == {each.component: "ok" for each in names}
    for each in names:
        checked = run(*command, "check", each.distribution, cwd=tmp_path)
        assert (checked.returncode, " 0 failed, 0 not run" in checked.stdout) == (0, True), checked.stdout
        tested = run(python, "-m", "pytest", "-q", cwd=tmp_path / each.distribution)
        assert tested.returncode == 0, tested.stdout
        searched = run(*command, *first_search(each)[1:], "--run", each.kind, cwd=tmp_path)
        assert searched.returncode == 0, searched.stderr
        assert "warning" not in searched.stderr.lower()


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
