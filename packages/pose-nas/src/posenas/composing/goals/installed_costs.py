"""The installed costs as they declare themselves, before any network is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from posenas.composing.checks.conformity import blamed
from posenas.composing.checks.signatures import misfit
from posenas.composing.distributions import CORE
from posenas.composing.loading import load_class
from posenas.composing.options import make_component
from posenas.composing.plugins import Owner, Plugin, find_plugins, remedy
from posenas.contract.costs import Cost, CostFigure
from posenas.contract.errors import PosenasError, suggestion


@dataclass(frozen=True)
class InstalledCost:
    """A cost by the name of its plugin, with what it declares.

    Attributes:
        kind: the class, which is made with the recipe's options when it is bound.
    """

    name: str
    kind: type[Any]
    dear: bool
    figures: tuple[CostFigure, ...]

    def figure(self, name: str) -> CostFigure | None:
        """Return the figure of that name, or the one whose part it names, such as `gmacs` of `gmacs.head`."""
        whole, _, part = name.partition(".")
        found = next((figure for figure in self.figures if figure.name == whole), None)
        return None if found is None or (part and not found.divisible) else found


@dataclass(frozen=True)
class InstalledCosts:
    """All costs that can be named in this environment.

    Attributes:
        problems: why others cannot, one line each.
    """

    costs: tuple[InstalledCost, ...]
    problems: tuple[str, ...] = ()

    def find(self, name: str) -> InstalledCost | None:
        """Return the cost that has a figure, or a part of one, of this name."""
        return next((cost for cost in self.costs if cost.figure(name) is not None), None)

    def figure(self, name: str) -> CostFigure | None:
        """Return what is declared of a figure; of a part, such as `gmacs.head`, what follows for it."""
        cost = self.find(name)
        figure = None if cost is None else cost.figure(name)
        if figure is None or figure.name == name:
            return figure
        return replace(figure, name=name, unit=f"{figure.unit} of {name.partition('.')[2]}")

    def advice(self, name: str, *, others: Sequence[str] = ()) -> str:
        """Return the tail of an error about an unknown name.

        Args:
            name: the unknown one.
            others: names that could be meant beside those of the costs.
        """
        figures = [figure.name for cost in self.costs for figure in cost.figures]
        whole = name.partition(".")[0]
        if whole in figures:
            return f"{whole} has no parts"
        if not others or get_close_matches(whole, figures, n=1):
            return "; ".join((suggestion(whole, figures), *self.problems))
        return "; ".join((*self.problems, suggestion(name, [*others, *figures])))


def installed_costs() -> InstalledCosts:
    """Return the costs that the installed packages offer; one that cannot be used harms no other."""
    costs: list[InstalledCost] = []
    problems = []
    plugins = find_plugins(("cost",))
    for plugin in sorted(plugins, key=lambda plugin: plugin.distribution != CORE):  # our own come first
        try:
            costs.append(_declared(plugin, known=InstalledCosts(tuple(costs))))
        except PosenasError as error:
            problems.append(str(error))
    return InstalledCosts(tuple(costs), tuple(problems))


def _declared(plugin: Plugin, *, known: InstalledCosts) -> InstalledCost:
    """Return a plugin's cost.

    Raises:
        PosenasError: where it cannot be loaded, or does not declare itself as the contract says.
    """
    kind = load_class(plugin)
    with blamed(Owner("cost", plugin.name), "figures"):
        cost = make_component(kind, {}, where=str(plugin))
        problem = misfit(cost, Cost) or _declaration_problem(cost.dear, tuple(cost.figures()), known)
    if problem:
        raise PosenasError(f"{plugin}: {problem}; {remedy(plugin)}")
    return InstalledCost(plugin.name, kind, cost.dear, tuple(cost.figures()))


def _declaration_problem(dear: object, figures: Sequence[object], known: InstalledCosts) -> str:
    if not isinstance(dear, bool):
        return f"dear is {dear!r:.80}, expected true or false"
    if not figures or not all(isinstance(figure, CostFigure) for figure in figures):
        return f"figures gives {figures!r:.80}, expected one or more CostFigure"
    names = [figure.name for figure in figures if isinstance(figure, CostFigure)]
    wrong = [name for name in names if not name.isidentifier()]
    if wrong:
        return f"a figure is called {wrong[0]!r:.80}, expected a word"
    doubled = [name for name in names if known.find(name) is not None or names.count(name) > 1]
    return f"a figure is called {doubled[0]}, as another one is" if doubled else ""
