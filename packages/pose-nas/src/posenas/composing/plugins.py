"""Plugins: found through entry points, each isolated from the others.

Finding reads metadata and source text and imports nothing of a plugin. A plugin that is broken, outdated or
doubly offered is a row with a reason, never an exception.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import metadata

from packaging.utils import canonicalize_name

from posenas.composing.distributions import (
    DISABLE,
    GROUP,
    Status,
    describe,
    entry_points,
    folder_name,
    is_editable,
    is_installed,
    left_out,
    one_line,
)
from posenas.composing.importable import SourceLook, look_at
from posenas.contract.errors import suggestion
from posenas.contract.kinds import CLASS_KINDS, COMPONENT_KINDS
from posenas.runs.events import RunEvents

KINDS = (*CLASS_KINDS, "zoo", "weights", "hooks")

_ENTRY_POINT = re.compile(r"(?P<module>\w+(\.\w+)*)(\s*:\s*(?P<attribute>\w+(\.\w+)*))?(\s*\[.*\])?")


@dataclass(frozen=True)
class Plugin:
    """One entry point of an installed distribution.

    Attributes:
        entry_point: its value, `module:object`.
        problem: why it cannot be used, in one line; empty if the status is ok.
    """

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: str
    status: Status = "ok"
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.distribution} {self.version}"

    def is_called(self, name: str) -> bool:
        """Return whether this is its name, alone or after its distribution's, as in `nas-evo:evo`."""
        distribution, _, own = name.rpartition(":")
        same = canonicalize_name(distribution) == canonicalize_name(self.distribution)
        return name == self.name or (same and own == self.name)


@dataclass(frozen=True)
class Owner:
    """The component whose fault something is.

    In words it is the plugin with its distribution and version, which are looked up only then.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        plugin = find_plugin(self.kind, self.name)
        return f"{self.kind} {self.name}" if plugin is None else str(plugin)

    @property
    def remedy(self) -> str:
        """What to do about its fault."""
        return to_mend(find_plugin(self.kind, self.name))


def find_plugins(kinds: Iterable[str] = KINDS) -> tuple[Plugin, ...]:
    """Return every installed plugin of these kinds, usable or not, by kind and name; import none of them."""
    look = functools.cache(look_at)
    return tuple(examined(plugin, look) for plugin in offered(tuple(kinds)))


def find_misplaced() -> tuple[Plugin, ...]:
    """Return the entry points in groups that look like ours and are none, such as `posenas.spaces`.

    Their kind is the group as it is written.
    """
    known = [GROUP + kind for kind in KINDS]
    return tuple(
        Plugin(group, name, *describe(distribution, installed=is_installed)[:2], value, "broken", problem)
        for distribution in metadata.distributions()
        for group, name, value in entry_points(distribution)
        if group not in known
        if (problem := _misspelt(group, known))
    )


def _misspelt(group: str, known: list[str]) -> str:
    if group.startswith(GROUP) or get_close_matches(group.lower(), known, cutoff=0.85):
        return f"no group is called {group}: {suggestion(group.lower(), known)}"
    return ""


def find_plugin(kind: str, name: str) -> Plugin | None:
    """Return the plugin of that name, or of `DISTRIBUTION:NAME`; None if there is none.

    The second form chooses among distributions that offer the same name.
    """
    own_name = name.rpartition(":")[2]
    found = [plugin for plugin in offered((kind,), named=own_name) if plugin.is_called(name)]
    if not found:
        return None
    usable = [plugin for plugin in found if plugin.status != "disabled"] or found
    if name != usable[0].name and len(usable) == 1 and usable[0].status == "doubled":
        return replace(usable[0], status="ok", problem="")
    return usable[0]


def remedy(plugin: Plugin) -> str:
    """Return what to do about a plugin that cannot be used: the tail of an error."""
    if is_editable(plugin.distribution):
        return f"mend {_module(plugin)}, or pip install -e again if its entry points were changed"
    return f"try pip install --upgrade {plugin.distribution}, or tell its authors"


def to_mend(plugin: Plugin | None, place: str = "") -> str:
    """Return what to do about a bug of a plugin: whoever installed it as editable is its author.

    Args:
        plugin: None for a component that no package offers.
        place: file and line of the bug, if they are known.
    """
    if plugin is None or not is_editable(plugin.distribution):
        return "tell its authors"
    return f"mend {place or _module(plugin)}"


def _module(plugin: Plugin) -> str:
    return f"the module {plugin.entry_point.partition(':')[0]}"


def offered(kinds: tuple[str, ...], *, named: str = "") -> tuple[Plugin, ...]:
    """Return the plugins of these kinds, or those of one name, as the metadata tells, source unseen."""
    plugins: list[Plugin] = []
    seen: set[str] = set()
    installed = functools.cache(is_installed)
    disabled, groups = left_out(), {GROUP + kind: kind for kind in kinds}
    for distribution in metadata.distributions():
        lines = [line for line in entry_points(distribution) if line[0] in groups]
        # The first on the path is the one that imports find; an editable install may leave another.
        folder = canonicalize_name(folder_name(distribution))
        if not lines or folder in seen:
            continue
        seen |= {folder} - {""}
        lines = [line for line in lines if named in ("", line[1])]
        if not lines:
            continue
        name, version, status, problem = describe(distribution, installed=installed)
        if canonicalize_name(name) in disabled:
            status, problem = "disabled", f"{DISABLE} names {name}: take the name out of it"
        plugins += [
            Plugin(groups[group], own, name, version, value, status, problem) for group, own, value in lines
        ]
    plugins.sort(
        key=lambda plugin: (
            kinds.index(plugin.kind),
            plugin.name,
            plugin.status == "disabled",
            plugin.distribution,
        )
    )
    usable = defaultdict(list)
    for plugin in plugins:
        if plugin.status != "disabled":
            usable[plugin.kind, plugin.name].append(plugin)
    return tuple(_or_doubled(plugin, usable[plugin.kind, plugin.name]) for plugin in plugins)


def _or_doubled(plugin: Plugin, namesakes: Iterable[Plugin]) -> Plugin:
    others = [other for other in namesakes if other is not plugin]
    if not others or plugin.status != "ok" or plugin.kind == "hooks":  # listeners are not chosen by name
        return plugin
    names = ", ".join(f"{other.distribution} {other.version}" for other in others)
    remedy = f"set {DISABLE}={','.join(other.distribution for other in others)}"
    if plugin.kind in COMPONENT_KINDS:
        remedy = f"choose {plugin.distribution}:{plugin.name}, or {remedy}"
    return replace(plugin, status="doubled", problem=f"also offered by {names}: {remedy}")


def examined(plugin: Plugin, look: Callable[[str], SourceLook]) -> Plugin:
    """Return the plugin, broken if its source tells that it cannot be imported.

    Args:
        plugin: of any status.
        look: reads the source of a module.
    """
    if plugin.status != "ok":
        return plugin
    try:
        problem = _source_problem(plugin, look)
    except Exception as error:
        problem = f"its source cannot be examined: {type(error).__name__}: {error}"
    return replace(plugin, status="broken", problem=one_line(problem)) if problem else plugin


def _source_problem(plugin: Plugin, look: Callable[[str], SourceLook]) -> str:
    match = _ENTRY_POINT.fullmatch(plugin.entry_point)
    # A module may serve as a whole set of hooks; every other kind is an object in one.
    if not match or not (match["attribute"] or plugin.kind == "hooks"):
        return f"malformed entry point {plugin.entry_point!r}, expected module:object"
    seen = look(match["module"])
    attribute = (match["attribute"] or "").partition(".")[0]
    if not seen.problem and attribute and seen.names is not None and attribute not in seen.names:
        return f"module {match['module']} defines no {attribute}"
    if not seen.problem and plugin.kind == "hooks":
        return _unheard(seen.marked)
    return seen.problem


def _unheard(marked: Iterable[str]) -> str:
    """Return what is wrong with listening functions, by their names; empty if each is an event's."""
    events = [name for name in vars(RunEvents) if not name.startswith("_")]
    wrong = sorted(set(marked) - set(events))
    return f"no event is called {wrong[0]}: {suggestion(wrong[0], events)}" if wrong else ""
