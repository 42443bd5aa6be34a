"""Checks of Python and the required packages: present, in the declared versions, and importable."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from posenas.cli.doctor.finding import Finding
from posenas.cli.opencv import overwritten_opencv

AREA = "environment"
CORE = "pose-nas"


def check_python() -> Iterator[Finding]:
    """Yield the finding about Python's version."""
    version = platform.python_version()
    declared = SpecifierSet(metadata.metadata(CORE)["Requires-Python"] or "")
    if declared.contains(version, prereleases=True):
        yield Finding(AREA, "ok", f"python {version}, {declared} needed")
    else:
        yield Finding(
            AREA, "mend", f"python {version}, but {declared} is needed", "make an environment with such a one"
        )


def check_requirements() -> Iterator[Finding]:
    """Yield one finding for each package that the core requires."""
    for text in metadata.requires(CORE) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _requirement(requirement)


def _requirement(requirement: Requirement) -> Finding:
    name, declared = requirement.name, requirement.specifier
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(AREA, "mend", f"{name} is not installed", f'pip install "{name}{declared}"')
    if declared.contains(version, prereleases=True):
        return Finding(AREA, "ok", f"{name} {version}, {declared} needed")
    return Finding(
        AREA,
        "mend",
        f"{name} {version}, but {declared} is needed",
        f'pip install --upgrade "{name}{declared}"',
    )


def check_opencv() -> Iterator[Finding]:
    """Yield a finding if several distributions of OpenCV are installed."""
    problem, remedy = overwritten_opencv()
    if problem:
        yield Finding(AREA, "warn", problem, remedy)


def importing(module: str) -> Iterator[Finding]:
    """Import the module and yield the finding that it can be; whatever the import raises is raised."""
    imported = importlib.import_module(module)
    yield Finding(AREA, "ok", f"{module} {getattr(imported, '__version__', '')} can be imported")
