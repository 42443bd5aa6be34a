"""Plugins: found through entry points, and loaded when chosen, each isolated from the others.

Finding reads metadata and source text and imports nothing of a plugin. A plugin that is broken, outdated or
doubly offered is a row with a reason, never an exception.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import metadata
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import posenas
from posenas.composing.importable import SourceLook, look_at
from posenas.composing.slow_imports import named_while_slow
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.kinds import CLASS_KINDS, COMPONENT_KINDS, PROTOCOLS
from posenas.runs.events import RunEvents

Status = Literal["ok", "broken", "outdated", "doubled", "disabled"]

KINDS = (*CLASS_KINDS, "zoo", "hooks")

KNOWN_EXTRAS: Mapping[tuple[str, str], str] = {
    ("dataset", "cocowholebody"): "wholebody",
    ("dataset", "sleap"): "sleap",
    ("dataset", "wbf"): "wholebody",
    ("dataset", "wbh"): "wholebody",
    ("evaluator", "hand"): "wholebody",
    ("evaluator", "nme"): "wholebody",
    ("evaluator", "wholebody"): "wholebody",
    ("head", "vector"): "cnf",
    ("space", "autopose"): "autopose",
    ("space", "cnf"): "cnf",
    ("space", "evo"): "evo",
    ("space", "ofa"): "ofa",
    ("head", "kapao"): "kapao",
    ("head", "zoom"): "zoom",
    ("space", "yolo"): "kapao",
    ("strategy", "bilevel"): "autopose",
    ("strategy", "first-order"): "cnf",
    ("strategy", "gumbel"): "autopose",
    ("strategy", "neuroevolution"): "evo",
    ("strategy", "reinforce"): "autopose",
    ("strategy", "sandwich"): "ofa",
    ("strategy", "second-order"): "cnf",
    ("strategy", "synchronous"): "cnf",
}
"""The extra of pose-nas that brings a component, should it not be installed."""

CORE = "pose-nas"
DISABLE = "POSENAS_DISABLE"
"""The variable that names distributions to leave out, separated by commas."""
_GROUP = "posenas."
_MAY_BE_OURS = re.compile(r"\[\s*pos", re.IGNORECASE)
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


def find_plugins(kinds: Iterable[str] = KINDS) -> tuple[Plugin, ...]:
    """Return every installed plugin of these kinds, usable or not, by kind and name; import none of them."""
    look = functools.cache(look_at)
    return tuple(_examined(plugin, look) for plugin in _offered(tuple(kinds)))


def find_misplaced() -> tuple[Plugin, ...]:
    """Return the entry points in groups that look like ours and are none, such as `posenas.spaces`.

    Their kind is the group as it is written.
    """
    known = [_GROUP + kind for kind in KINDS]
    return tuple(
        Plugin(group, name, *_describe(distribution)[:2], value, "broken", problem)
        for distribution in metadata.distributions()
        for group, name, value in _entry_points(distribution)
        if group not in known
        if (problem := _misspelt(group, known))
    )


def _misspelt(group: str, known: list[str]) -> str:
    if group.startswith(_GROUP) or get_close_matches(group.lower(), known, cutoff=0.85):
        return f"no group is called {group}: {suggestion(group.lower(), known)}"
    return ""


def find_plugin(kind: str, name: str) -> Plugin | None:
    """Return the plugin of that name, or of `DISTRIBUTION:NAME`; None if there is none.

    The second form chooses among distributions that offer the same name.
    """
    offered = [plugin for plugin in _offered((kind,)) if plugin.is_called(name)]
    if not offered:
        return None
    usable = [plugin for plugin in offered if plugin.status != "disabled"] or offered
    if name != usable[0].name and len(usable) == 1 and usable[0].status == "doubled":
        return replace(usable[0], status="ok", problem="")
    return usable[0]


def load(kind: str, name: str) -> type[Any]:
    """Return the component class of that kind and name; `DISTRIBUTION:NAME` where two offer the name.

    Raises:
        PosenasError: if nothing offers it, if its plugin cannot be used, or if the object lacks what the kind
            must do.
    """
    chosen = find_plugin(kind, name)
    if chosen is None:
        raise PosenasError(_unknown(kind, name, _offered((kind,))))
    return load_class(_examined(chosen, look_at))


def load_class(plugin: Plugin) -> type[Any]:
    """Return the class that a plugin of a kind in `CLASS_KINDS` offers.

    Raises:
        PosenasError: if the plugin cannot be used, or the object lacks what its kind must do.
    """
    component = load_entry(plugin)
    problem = _nonconformance(component, PROTOCOLS[plugin.kind])
    if problem:
        raise PosenasError(f"{plugin} is no {plugin.kind}: {plugin.entry_point} {problem}; {remedy(plugin)}")
    assert isinstance(component, type)
    return component


def offering(kind: str, name: str) -> Plugin:
    """Return the plugin of a component that was loaded."""
    plugin = find_plugin(kind, name)
    assert plugin is not None
    return plugin


def load_entry(plugin: Plugin) -> object:
    """Return what a plugin's entry point names, of any kind.

    Raises:
        PosenasError: if the plugin cannot be used or its import fails in whatever way.
    """
    if plugin.status == "broken":
        raise PosenasError(f"{plugin} is broken: {plugin.problem}; {remedy(plugin)}")
    if plugin.status != "ok":
        raise PosenasError(f"{plugin} is {plugin.status}: {plugin.problem}")
    entry_point = metadata.EntryPoint(plugin.name, plugin.entry_point, _GROUP + plugin.kind)
    try:
        with named_while_slow(str(plugin)):
            return entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a foreign module may also leave by SystemExit or a panic
        reason = _one_line(f"{type(error).__name__}: {error}")
        raise PosenasError(f"{plugin} cannot be imported: {reason}; {remedy(plugin)}") from error


def _unknown(kind: str, name: str, offered: Iterable[Plugin]) -> str:
    installed = {plugin.name for plugin in offered}
    if ":" in name:
        installed |= {f"{plugin.distribution}:{plugin.name}" for plugin in offered}
    extra = KNOWN_EXTRAS.get((kind, name))
    if extra:
        return f"{kind} {name} is not installed: pip install {CORE}[{extra}]"
    known = installed | {known_name for known_kind, known_name in KNOWN_EXTRAS if known_kind == kind}
    listed = ", ".join(sorted(installed)) or "none"
    return f"unknown {kind} {name!r} (installed: {listed}); {suggestion(name, known)}"


def remedy(plugin: Plugin) -> str:
    """Return what to do about a plugin that cannot be used: the tail of an error."""
    return f"try pip install --upgrade {plugin.distribution}, or tell its authors"


def _nonconformance(component: object, protocol: type[Any]) -> str:
    if not isinstance(component, type):
        return "is not a class"
    if not dataclasses.is_dataclass(component) or not component.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not a frozen dataclass"
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    missing = [name for name in methods if not callable(getattr(component, name, None))]
    return f"lacks {', '.join(missing)}" if missing else ""


def _offered(kinds: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Return the plugins of these kinds as the metadata tells, source unseen."""
    plugins: list[Plugin] = []
    seen: set[str] = set()
    disabled, groups = _disabled(), {_GROUP + kind: kind for kind in kinds}
    for distribution in metadata.distributions():
        lines = [line for line in _entry_points(distribution) if line[0] in groups]
        if not lines:
            continue
        name, version, status, problem = _describe(distribution)
        # The first on the path is the one that imports find; an editable install may leave another.
        if canonicalize_name(name) in seen:
            continue
        seen.add(canonicalize_name(name))
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
    return tuple(_or_doubled(plugin, plugins) for plugin in plugins)


def _disabled() -> set[str]:
    """Return the distributions that are left out.

    Raises:
        PosenasError: where one of them is not installed, or is the core.
    """
    names = [name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()]
    for name in names:
        if not _installed(name):
            raise PosenasError(f"{DISABLE} names {name!r}, which is not installed; take the name out of it")
        if canonicalize_name(name) == CORE:
            raise PosenasError(f"{DISABLE} names {name}, which is the core; take the name out of it")
    return {canonicalize_name(name) for name in names}


def _entry_points(distribution: metadata.Distribution) -> Iterator[tuple[str, str, str]]:
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


def _describe(distribution: metadata.Distribution) -> tuple[str, str, Status, str]:
    """Return the name, version, status and problem that all plugins of the distribution share."""
    # Only a folder name, which importlib.metadata does not offer, is left where nothing can be read.
    name = str(getattr(getattr(distribution, "_path", None), "name", "unknown")).partition("-")[0]
    version = "unknown"
    try:
        headers = distribution.metadata
        if not headers.get_all("Name") or not headers.get_all("Version"):
            return name, version, "broken", "its metadata cannot be read: it lacks the name or the version"
        name, version = headers["Name"], headers["Version"]
        return name, version, *_requirement_problem(name, headers.get_all("Requires-Dist") or [])
    except Exception as error:
        reason = _one_line(f"{type(error).__name__}: {error}")
        return name, version, "broken", f"its metadata cannot be read: {reason}"


def _requirement_problem(name: str, texts: Iterable[str]) -> tuple[Status, str]:
    if canonicalize_name(name) == CORE:  # it runs, so its own requirements are no question
        return "ok", ""
    missing = []
    for requirement in map(Requirement, texts):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(requirement.name) != CORE:
            missing += [] if _installed(requirement.name) else [requirement.name]
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


def _installed(distribution: str) -> bool:
    return next(iter(metadata.distributions(name=distribution)), None) is not None


def _or_doubled(plugin: Plugin, plugins: Iterable[Plugin]) -> Plugin:
    key = (plugin.kind, plugin.name)
    others = [
        other
        for other in plugins
        if (other.kind, other.name) == key and other is not plugin and other.status != "disabled"
    ]
    if not others or plugin.status != "ok" or plugin.kind == "hooks":  # listeners are not chosen by name
        return plugin
    names = ", ".join(f"{other.distribution} {other.version}" for other in others)
    remedy = f"set {DISABLE}={','.join(other.distribution for other in others)}"
    if plugin.kind in COMPONENT_KINDS:
        remedy = f"choose {plugin.distribution}:{plugin.name}, or {remedy}"
    return replace(plugin, status="doubled", problem=f"also offered by {names}: {remedy}")


def _examined(plugin: Plugin, look: Callable[[str], SourceLook]) -> Plugin:
    if plugin.status != "ok":
        return plugin
    try:
        problem = _source_problem(plugin, look)
    except Exception as error:
        problem = f"its source cannot be examined: {type(error).__name__}: {error}"
    return replace(plugin, status="broken", problem=_one_line(problem)) if problem else plugin


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


def _one_line(text: str) -> str:
    return " ".join(text.split())
