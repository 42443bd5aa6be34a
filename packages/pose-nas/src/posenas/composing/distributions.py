"""What the installed distributions tell in their metadata: what they offer, and what they need.

Nothing here raises for a distribution that is damaged or outdated: its plugins get the reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import posenas
from posenas.contract.errors import PosenasError

Status = Literal["ok", "broken", "outdated", "doubled", "disabled"]

CORE = "pose-nas"
DISABLE = "POSENAS_DISABLE"
"""The variable that names distributions to leave out, separated by commas."""
GROUP = "posenas."
"""What the names of entry-point groups begin with."""
_MAY_BE_OURS = re.compile(r"\[\s*pos", re.IGNORECASE)


def left_out() -> set[str]:
    """Return the distributions that are left out.

    Raises:
        PosenasError: where one of them is not installed, or is the core.
    """
    names = [name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()]
    for name in names:
        if not is_installed(name):
            raise PosenasError(f"{DISABLE} names {name!r}, which is not installed; take the name out of it")
        if canonicalize_name(name) == CORE:
            raise PosenasError(f"{DISABLE} names {name}, which is the core; take the name out of it")
    return {canonicalize_name(name) for name in names}


def entry_points(distribution: metadata.Distribution) -> Iterator[tuple[str, str, str]]:
    """Yield (group, name, value) of each line in a group that is ours, or may be meant to be.

    `importlib.metadata` would give up on the whole file for one line that it cannot read.
    """
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        text = error.object.decode(errors="replace")  # what cannot be read becomes a row
    except (OSError, ValueError):
        return
    if not _MAY_BE_OURS.search(text):
        return
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and line[0] not in "#;" and _MAY_BE_OURS.match(f"[{group}"):
            name, _, value = line.partition("=")
            yield group, name.strip(), value.strip()


def folder_name(distribution: metadata.Distribution) -> str:
    """Return the distribution's name as the folder of its metadata has it, which is not read; "" without one.

    `importlib.metadata` offers no such name.
    """
    folder = str(getattr(getattr(distribution, "_path", None), "name", ""))
    return folder.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")[0]


def describe(
    distribution: metadata.Distribution, *, installed: Callable[[str], bool]
) -> tuple[str, str, Status, str]:
    """Return the name, version, status and problem that all plugins of the distribution share.

    Args:
        distribution: the one to read.
        installed: tells whether a distribution is there; `is_installed`, which may be remembered meanwhile.
    """
    name, version = folder_name(distribution) or "unknown", "unknown"
    try:
        headers = distribution.metadata
        if not headers.get_all("Name") or not headers.get_all("Version"):
            return name, version, "broken", "its metadata cannot be read: it lacks the name or the version"
        name, version = headers["Name"], headers["Version"]
        return name, version, *_requirement_problem(name, headers.get_all("Requires-Dist") or [], installed)
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        return name, version, "broken", f"its metadata cannot be read: {reason}"


def _requirement_problem(
    name: str, texts: Iterable[str], installed: Callable[[str], bool]
) -> tuple[Status, str]:
    if canonicalize_name(name) == CORE:  # it runs, so its own requirements are no question
        return "ok", ""
    missing = []
    for requirement in map(Requirement, texts):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(requirement.name) != CORE:
            missing += [] if installed(requirement.name) else [requirement.name]
        elif not requirement.specifier.contains(posenas.__version__, prereleases=True):
            needed = ",".join(sorted(map(str, requirement.specifier), reverse=True))
            wanted = f"'{CORE}{needed}'" if _is_newer(requirement) else name
            upgrade = f"pip install --upgrade {wanted}"
            return "outdated", f"needs {CORE}{needed}, this is {posenas.__version__}: {upgrade}"
    if missing:
        names = " ".join(missing)
        return "broken", f"needs {names}, not installed: pip install {names}"
    return "ok", ""


def _is_newer(core: Requirement) -> bool:
    """Return whether a later core is asked for than this one."""
    lowest = [each.version for each in core.specifier if each.operator in (">=", ">", "~=", "==")]
    return any(Version(version.removesuffix(".*")) > Version(posenas.__version__) for version in lowest)


def is_installed(distribution: str) -> bool:
    """Return whether a distribution of that name is installed."""
    return next(iter(metadata.distributions(name=distribution)), None) is not None


def required_versions(distribution: str) -> dict[str, str]:
    """Return the versions of what a distribution requires, without extras and the core, by canonical name."""
    required = map(Requirement, metadata.requires(distribution) or [])
    names = [
        canonicalize_name(each.name)
        for each in required
        if not each.marker or each.marker.evaluate({"extra": ""})
    ]
    return {name: metadata.version(name) for name in names if name != CORE}


def is_editable(distribution: str) -> bool:
    """Return whether a distribution was installed by `pip install -e`: its source is somebody's own."""
    found = next(iter(metadata.distributions(name=distribution)), None)
    try:
        origin = json.loads((found and found.read_text("direct_url.json")) or "{}")
    except (OSError, ValueError):  # damaged metadata, which is told elsewhere
        return False
    return isinstance(origin, dict) and bool((origin.get("dir_info") or {}).get("editable"))


def one_line(text: str) -> str:
    """Return the text without line breaks."""
    return " ".join(text.split())
