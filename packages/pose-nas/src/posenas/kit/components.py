"""The components that a package offers, made and with the checks that apply to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import SkipTest

from packaging.utils import canonicalize_name

from posenas.composing.loading import load_class
from posenas.composing.options import describe_options, make_component
from posenas.composing.plugins import Plugin, find_plugins
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.kinds import CLASS_KINDS
from posenas.kit.check import Check
from posenas.kit.kinds import checks_for


@dataclass(frozen=True)
class ComponentCheck:
    """A check with the component that it asks.

    Attributes:
        plugin: the entry point that the component was made from.
        component: an instance.
        check: what it is asked.
    """

    plugin: Plugin
    component: Any
    check: Check

    def __str__(self) -> str:
        return f"{self.plugin.kind}-{self.plugin.name}-{self.check}"

    def __call__(self) -> None:
        """Ask the component.

        Raises:
            PosenasError: the plugin with its version, what is wrong, and the remedy, in one line.
            unittest.SkipTest: why there is nothing to ask; pytest skips the test with it.
        """
        try:
            missing = self.check(self.component)
        except PosenasError as error:
            raise PosenasError(f"{self.plugin}: {self.check}: {error}") from error
        if missing:
            raise SkipTest(f"{self.plugin}: {missing}")


def checks_of(name: str, *, options: Mapping[str, Any] | None = None) -> list[ComponentCheck]:
    """Return every check of every component that a package offers, for `pytest.mark.parametrize`.

    Args:
        name: of the distribution; or of one component, `KIND:NAME` such as `space:plain`, or
            `DISTRIBUTION:NAME`.
        options: values by table and key, such as `{"dataset.root": "tests/data"}`; each goes to the
            components that have such an option. Those of other kinds than the package's are not used.

    Raises:
        PosenasError: where nothing is offered, a component cannot be made, or none has an option.
    """
    plugins, options = plugins_of(name), options or {}
    absent = {*CLASS_KINDS} - {plugin.kind for plugin in plugins}
    check_options(plugins, [each for each in options if each.partition(".")[0] not in absent])
    return [each for plugin in plugins for each in checks_of_plugin(plugin, options)]


def check_options(plugins: Iterable[Plugin], options: Iterable[str]) -> None:
    """Raise PosenasError where none of the plugins has an option, such as `head.bet`; names the nearest.

    Args:
        plugins: whose options may be given.
        options: the names, such as `dataset.root`. One of a plugin that cannot be imported is let pass.
    """
    known: set[str] = set()
    for plugin in plugins:
        try:
            known |= {f"{plugin.kind}.{option.name}" for option in describe_options(load_class(plugin))}
        except PosenasError:
            return  # its own line tells why, and nobody knows its options
    for name in options:
        if name not in known:
            raise PosenasError(f"unknown option {name!r} of what is checked; {suggestion(name, known)}")


def checks_of_plugin(plugin: Plugin, options: Mapping[str, Any]) -> Iterator[ComponentCheck]:
    """Make a plugin's component, and yield the checks that apply to it.

    Args:
        plugin: one of a kind that is a class.
        options: as in `checks_of`.

    Raises:
        PosenasError: where the component cannot be made.
    """
    component = _made(plugin, options)
    for check in (
        (_FILES,)
        if plugin.kind == "dataset" and files_are_given(component)
        else checks_for(plugin.kind, component)
    ):
        yield ComponentCheck(plugin, component, check)


def plugins_of(name: str) -> list[Plugin]:
    """Return the installed plugins of a distribution, or the one that a form with a colon names.

    Args:
        name: `DISTRIBUTION`; or, for one component, `KIND:NAME`, `DISTRIBUTION:NAME` or
            `KIND:DISTRIBUTION:NAME`. A distribution that is named is chosen where others offer the same name.

    Raises:
        PosenasError: where there is none.
    """
    plugins = [chosen for plugin in find_plugins(CLASS_KINDS) if (chosen := _named(plugin, name)) is not None]
    if not plugins:
        others = [plugin for plugin in find_plugins() if _named(plugin, name) is not None]
        if others:
            raise PosenasError(_unchecked(name, others[0]))
        raise PosenasError(
            f"{name} offers no component: name an installed package, KIND:NAME such as space:fixed, or "
            "PACKAGE:NAME; `posenas plugins` lists all"
        )
    return plugins


def _unchecked(name: str, plugin: Plugin) -> str:
    tries = {
        "weights": "`posenas train NETWORK --init FILE --dry-run` tries an importer of weights",
        "zoo": "`posenas zoo` builds zoo entries",
    }
    how = tries.get(plugin.kind, "a short run tries it")
    return f"{name} offers {plugin.kind} {plugin.name}, and nothing of a kind that is checked; {how}"


def _named(plugin: Plugin, name: str) -> Plugin | None:
    """Return the plugin if the name is its own; as usable where its distribution is named, too."""
    kind, colon, component = name.partition(":")
    if (kind, component) == (plugin.kind, plugin.name):
        return plugin
    by_distribution = canonicalize_name(name) == canonicalize_name(plugin.distribution)
    by_both = bool(colon) and plugin.is_called(component if kind == plugin.kind else name)
    if not by_distribution and not by_both:
        return None
    return replace(plugin, status="ok", problem="") if plugin.status == "doubled" else plugin


def missing_options(plugin: Plugin, options: Mapping[str, Any]) -> list[str]:
    """Return the options without a default that are not given, such as `strategy.genotype`."""
    named = [
        f"{plugin.kind}.{option.name}" for option in describe_options(load_class(plugin)) if option.required
    ]
    return [name for name in named if name not in options]


def files_are_given(dataset: Any) -> str:
    """Check that a dataset's training people can be read; what their files lack is no fault of the plugin."""
    try:
        dataset.split("train")
    except PosenasError as error:
        return f"{error}; give its files by -o, in a test by options of checks_of"
    except Exception:  # a bug, which the dataset's checks find and tell
        return ""
    return ""


_FILES = Check(files_are_given, "give its files by -o")


def _made(plugin: Plugin, options: Mapping[str, Any]) -> Any:
    kind = load_class(plugin)
    known = {f"{plugin.kind}.{option.name}": option.name for option in describe_options(kind)}
    values = {known[path]: value for path, value in options.items() if path in known}
    return make_component(kind, values, where=f"{plugin.kind} {plugin.name}")
