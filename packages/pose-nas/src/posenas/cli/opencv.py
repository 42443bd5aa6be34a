"""What is wrong with OpenCV, in one line: several distributions bring one module `cv2` and break it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import ModuleType, TracebackType

_DISTRIBUTIONS = (
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
)
_NEEDED = "opencv-python-headless"


def overwritten_opencv() -> tuple[str, str]:
    """Return that several distributions of OpenCV are installed, and the remedy; empty where there is one.

    They write into one folder, so that files of the last one replace some of the others'.
    """
    found = _installed()
    if len(found) < 2:
        return "", ""
    return f"{' and '.join(found)} overwrite each other's module cv2", _remedy(found)


def opencv_failure(error: BaseException | None) -> str:
    """Return that OpenCV cannot be used, and what to do, if the error or its cause says so; else nothing."""
    while error is not None and not _is_of_opencv(error):
        error = error.__cause__
    if error is None:
        return ""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"OpenCV cannot be used: {reason}; {_remedy(_installed())}"


def _installed() -> list[str]:
    return [name for name in _DISTRIBUTIONS if next(iter(metadata.distributions(name=name)), None)]


def _remedy(found: list[str]) -> str:
    install = f"pip install {_NEEDED}"
    return f"pip uninstall {' '.join(found)}, then {install}" if found else install


def _is_of_opencv(error: BaseException) -> bool:
    """Return whether the module cannot be imported, or lacks what it should have, as after half a removal."""
    if isinstance(error, ImportError) and _is_cv2(error.name or ""):
        return True
    if (
        isinstance(error, AttributeError)
        and isinstance(error.obj, ModuleType)
        and _is_cv2(error.obj.__name__)
    ):
        return True
    return isinstance(error, ImportError | AttributeError) and _ends_in_cv2(error.__traceback__)


def _is_cv2(module: str) -> bool:
    return module.partition(".")[0] == "cv2"


def _ends_in_cv2(traceback: TracebackType | None) -> bool:
    file = ""
    while traceback is not None:
        file, traceback = traceback.tb_frame.f_code.co_filename, traceback.tb_next
    return "cv2" in Path(file).parts[:-1]
