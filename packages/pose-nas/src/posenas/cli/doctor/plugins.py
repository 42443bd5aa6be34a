"""Checks of installed plugins: listed from metadata alone, then really loaded."""

from __future__ import annotations

from collections.abc import Iterator

from posenas.cli.doctor.finding import Finding
from posenas.composing.loading import load, load_entry
from posenas.composing.plugins import find_misplaced, find_plugins, remedy
from posenas.contract.errors import PosenasError
from posenas.contract.kinds import CLASS_KINDS
from posenas.contract.zoo import zoo_problem

AREA = "plugins"


def check_listed() -> Iterator[Finding]:
    """Yield broken, outdated and doubly offered plugins with their reasons, and the usable ones by kind."""
    plugins = find_plugins()
    for plugin in (*plugins, *find_misplaced()):
        if plugin.status == "broken":
            remedy = f"pip install --upgrade {plugin.distribution}, or pip uninstall {plugin.distribution}"
            yield Finding(AREA, "mend", f"{plugin} is broken: {plugin.problem}", remedy)
        elif plugin.status not in ("ok", "disabled"):  # the problem says what to do
            yield Finding(AREA, "mend", f"{plugin} is {plugin.status}: {plugin.problem}")
    for kind in CLASS_KINDS:
        names = [plugin.name for plugin in plugins if plugin.kind == kind and plugin.status == "ok"]
        if names:
            yield Finding(AREA, "ok", f"{kind}: {', '.join(names)}")
        else:
            yield Finding(AREA, "warn", f"no usable {kind} is installed", "pip install pose-nas[ofa]")


def check_loading() -> Iterator[Finding]:
    """Load every plugin whose listing is in order, to find what fails in a compiled library."""
    loaded = 0
    for plugin in find_plugins():
        if plugin.status != "ok":
            continue
        try:
            found = load(plugin.kind, plugin.name) if plugin.kind in CLASS_KINDS else load_entry(plugin)
        except PosenasError as error:
            yield Finding(AREA, "mend", str(error))
            continue
        problem = zoo_problem(found) if plugin.kind == "zoo" else ""
        if problem:
            yield Finding(AREA, "mend", f"{plugin} is not a zoo entry: it {problem}", remedy(plugin))
        else:
            loaded += 1
    yield Finding(AREA, "ok", f"{loaded} plugins can be loaded")
