"""Runs the command line in this process, as a user would type it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from odd_components import write_package
from posenas.cli import main
from running import Answer


@pytest.fixture
def posenas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["posenas", *map(str, arguments)])
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capfd.readouterr()
        return Answer(status, out, err)

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a package where Python looks for packages: its module, and the metadata that pip would write."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def write(
        name: str,
        source: str,
        *,
        entry_points: Mapping[str, Mapping[str, str]],
        requires: tuple[str, ...] = ("pose-nas>=0.2,<0.3",),
    ) -> None:
        (site / f"{name.replace('-', '_')}.py").write_text(source)
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        headers = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
        headers += [f"Requires-Dist: {text}" for text in requires]
        (info / "METADATA").write_text("\n".join(headers) + "\n")
        lines = []
        for group, points in entry_points.items():
            lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        importlib.invalidate_caches()

    yield write
    for module in set(sys.modules) - before:
        if Path(getattr(sys.modules[module], "__file__", None) or "/").is_relative_to(site):
            del sys.modules[module]


@pytest.fixture
def install_odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Puts the package `odd` where Python looks for packages; takes a kind and the source of a component."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield partial(write_package, tmp_path / "site")
    sys.modules.pop("odd", None)
