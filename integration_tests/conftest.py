"""Runs the command line in this process, as a user would type it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
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
