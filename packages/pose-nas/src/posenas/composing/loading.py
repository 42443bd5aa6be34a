"""The plugins that are chosen: imported, and checked to be what their kind must be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

from posenas.composing.distributions import CORE, GROUP, one_line
from posenas.composing.importable import look_at
from posenas.composing.plugins import Plugin, examined, find_plugin, offered, remedy
from posenas.composing.slow_imports import named_while_slow
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.kinds import PROTOCOLS
from posenas.runs.files import kept_directory

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


def load(kind: str, name: str) -> type[Any]:
    """Return the component class of that kind and name; `DISTRIBUTION:NAME` where two offer the name.

    Raises:
        PosenasError: if nothing offers it, if its plugin cannot be used, or if the object lacks what the kind
            must do.
    """
    chosen = find_plugin(kind, name)
    if chosen is None:
        raise PosenasError(_unknown(kind, name, offered((kind,))))
    return load_class(examined(chosen, look_at))


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
    entry_point = metadata.EntryPoint(plugin.name, plugin.entry_point, GROUP + plugin.kind)
    try:
        with kept_directory(), named_while_slow(str(plugin)):
            return entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a foreign module may also leave by SystemExit or a panic
        reason = one_line(f"{type(error).__name__}: {error}")
        raise PosenasError(f"{plugin} cannot be imported: {reason}; {remedy(plugin)}") from error


def check_installed(choices: Iterable[tuple[str, str]]) -> None:
    """Raise PosenasError that names all components (kind, name) that are missing and that an extra brings."""
    wanted = [choice for choice in choices if choice in KNOWN_EXTRAS]
    rows = offered(tuple(dict.fromkeys(kind for kind, _ in wanted)))
    missing = [
        (kind, name)
        for kind, name in wanted
        if not any(plugin.kind == kind and plugin.is_called(name) for plugin in rows)
    ]
    if missing:
        raise PosenasError(_not_installed(missing))


def _not_installed(missing: Sequence[tuple[str, str]]) -> str:
    *others, last = [f"{kind} {name}" for kind, name in missing]
    named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
    extras = ",".join(sorted({KNOWN_EXTRAS[choice] for choice in missing}))
    return f"{named} not installed: pip install {CORE}[{extras}]"


def _unknown(kind: str, name: str, rows: Iterable[Plugin]) -> str:
    installed = {plugin.name for plugin in rows}
    if ":" in name:
        installed |= {f"{plugin.distribution}:{plugin.name}" for plugin in rows}
    if (kind, name) in KNOWN_EXTRAS:
        return _not_installed([(kind, name)])
    known = installed | {known_name for known_kind, known_name in KNOWN_EXTRAS if known_kind == kind}
    listed = ", ".join(sorted(installed)) or "none"
    return f"unknown {kind} {name!r} (installed: {listed}); {suggestion(name, known)}"


def _nonconformance(component: object, protocol: type[Any]) -> str:
    if not isinstance(component, type):
        return "is not a class"
    if not dataclasses.is_dataclass(component) or not component.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not a frozen dataclass"
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    missing = [name for name in methods if not callable(getattr(component, name, None))]
    return f"lacks {', '.join(missing)}" if missing else ""
