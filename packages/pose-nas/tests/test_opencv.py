"""OpenCV that is installed twice, or cannot be imported, is told in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from posenas.cli.opencv import opencv_failure

BROKEN = {
    "a library is missing": "raise ImportError('libGL.so.1: cannot open shared object file')",
    "a part is of another version": "import sys; sys.no_such_attribute",
}


def failing_import(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """Return what importing a module cv2 of this text raises."""
    (folder / "cv2").mkdir()
    (folder / "cv2" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cv2"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises((ImportError, AttributeError)) as caught:
        import cv2  # noqa: F401
    return caught.value


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_failing_import_is_told_with_its_remedy(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = opencv_failure(failing_import(tmp_path, text, monkeypatch))
    assert told.startswith("OpenCV cannot be used: ")
    assert told.endswith("pip install opencv-python-headless")
    assert "\n" not in told


def test_it_is_found_behind_other_errors() -> None:
    error = RuntimeError("a plugin cannot be imported")
    error.__cause__ = ModuleNotFoundError("No module named 'cv2'", name="cv2")
    assert "No module named 'cv2'" in opencv_failure(error)


def test_a_folder_that_a_removal_left_is_told() -> None:
    with pytest.raises(AttributeError) as caught:
        ModuleType("cv2").INTER_AREA  # noqa: B018
    assert "INTER_AREA" in opencv_failure(caught.value)


def test_other_errors_are_none_of_opencvs() -> None:
    with pytest.raises(AttributeError) as caught:
        ModuleType("numpy").absent  # noqa: B018
    for error in (
        caught.value,
        ModuleNotFoundError("No module named 'x'", name="x"),
        ValueError("cv2"),
        None,
    ):
        assert opencv_failure(error) == ""


def test_two_are_told_of_at_the_start(tmp_path: Path) -> None:
    metadata = tmp_path / "opencv_python-4.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: opencv-python\nVersion: 4.9\n")
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(tmp_path))))
    command = [sys.executable, "-c", "from posenas.cli import main; main()", "show"]
    asked = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    first = asked.stderr.splitlines()[0]
    assert first.startswith("warning: opencv-python and opencv-python-headless overwrite each other's")
    assert "pip uninstall opencv-python opencv-python-headless, then pip install opencv-" in first
