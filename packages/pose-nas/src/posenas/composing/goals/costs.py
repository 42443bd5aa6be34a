"""The costs of one composition's networks: those that every trial has, and those that its goals name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from posenas.composing.building import derived
from posenas.composing.checks.conformity import blamed, check_meter_methods, check_methods, refuse
from posenas.composing.goals.division import DivisionMeter, searches_head
from posenas.composing.goals.installed_costs import InstalledCost, InstalledCosts
from posenas.composing.options import make_component, option_values
from posenas.composing.plugins import Owner
from posenas.contract.components import SearchSpace
from posenas.contract.costs import Conditioned, Cost, CostFigure, Divisible, Explained, Meter, Networks
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.genotype import Genotype
from posenas.contract.goals import Limit, Objective
from posenas.runs.recipe import Recipe, cost_options, cost_table

COUNTED = "counted"
"""The cost that every trial has, whether or not anything names it."""


@dataclass(frozen=True)
class BoundCost:
    """A cost of one composition's networks.

    Attributes:
        name: of its plugin; a dear one's effects in the journal are called so too.
        meter: measures the networks.
        asked: whether a limit or an objective names one of its figures.
        options: all of them, as plain data.
        parts: the figures of parts that are named, such as `gmacs.head`.
    """

    name: str
    dear: bool
    figures: tuple[CostFigure, ...]
    meter: Meter
    asked: bool
    options: Mapping[str, Any]
    parts: tuple[str, ...] = ()

    def inputs(self, genotype: Genotype) -> dict[str, Any]:
        """Return all that a genotype's figures depend on beside the recipe."""
        meter = self.meter
        return {"genotype": dict(genotype), **(meter.identity() if isinstance(meter, Conditioned) else {})}

    def measure(self, genotype: Genotype) -> dict[str, float]:
        """Return a genotype's figures, those of the named parts included.

        Raises:
            PosenasError: where the plugin gives something else than it declares.
        """
        measured: dict[str, Any] = dict(self.meter.measure(genotype))
        if self.parts:
            parts = self._parts(genotype)
            measured |= {name: parts.get(name, 0.0) for name in self.parts}
        refuse(Owner("cost", self.name), self._problem(measured))
        return {name: value if isinstance(value, int) else float(value) for name, value in measured.items()}

    def check_parts(self, genotypes: Iterable[Genotype]) -> None:
        """Raise PosenasError where none of these networks has a part that is named."""
        if not self.parts:
            return
        known = {name for genotype in genotypes for name in self._parts(genotype)}
        for name in self.parts:
            if name not in known:
                raise PosenasError(
                    f"cost {name!r}: the networks have no such part; {_parts_like(name, known)}"
                )

    def _parts(self, genotype: Genotype) -> Mapping[str, float]:
        if not isinstance(self.meter, Divisible):
            raise PosenasError(f"{Owner('cost', self.name)}: parts is missing, and its figures are divisible")
        return self.meter.parts(genotype)

    def _problem(self, measured: Mapping[str, Any]) -> str:
        for figure in self.figures:
            for name in filter(None, (figure.name, figure.limited)):
                if name not in measured:
                    return f"measure gives {', '.join(map(str, measured)) or 'nothing'}, and no {name}"
        for name, value in measured.items():
            try:
                finite = math.isfinite(value)
            except TypeError:
                finite = False
            if not finite:
                return f"measure gives {name} = {value!r:.80}, expected a finite number"
        return ""


def _parts_like(name: str, known: Iterable[str]) -> str:
    """Return which part could be meant by an unknown one, or else the parts of the module that it is said of.

    Args:
        name: the unknown one.
        known: the costs of the parts that there are.
    """
    costs = sorted(known)
    module, _, part = name.rpartition(".")
    beside = {cost.rpartition(".")[2]: cost for cost in costs if cost.rpartition(".")[0] == module}
    near = get_close_matches(part, beside, n=1)
    if near:
        return f"did you mean {beside[near[0]]!r}?"
    figure = name.partition(".")[0]
    others = [*beside.values()] or [cost for cost in costs if cost.partition(".")[0] == figure]
    return f"there are {', '.join(others)}"


Measure: TypeAlias = Callable[[BoundCost, Genotype], Mapping[str, float]]
"""A function that measures a cost of a genotype, or remembers it."""


@dataclass(frozen=True)
class CompositionCosts:
    """The bound costs of a composition: the counted one first, then those that the recipe names.

    Attributes:
        bound: the costs.
        space: where it derives genotypes, costs are those of the derived one.
        division: the GMACs of the parts, which every trial has where the head is searched; else None.
    """

    bound: tuple[BoundCost, ...]
    space: SearchSpace
    division: BoundCost | None = None

    @property
    def asked(self) -> tuple[BoundCost, ...]:
        """Costs that limits and objectives name beside the counted one."""
        return tuple(cost for cost in self.bound if cost.asked and cost.name != COUNTED)

    @property
    def options(self) -> dict[str, Mapping[str, Any]]:
        """Every option of the costs that have any, by the cost's name."""
        return {cost.name: cost.options for cost in self.bound if cost.options}

    def counted(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the costs that every trial has."""
        return self.bound[0].measure(derived(self.space, genotype))

    def of(self, name: str) -> BoundCost:
        """Return the bound cost that has a figure of this name."""
        return next(
            cost
            for cost in self.bound
            if name in cost.parts or name in {figure.name for figure in cost.figures}
        )

    def of_trial(self, genotype: Genotype, measure: Measure) -> dict[str, float]:
        """Return all costs of a genotype by name, as its trial has them.

        Args:
            genotype: of the space.
            measure: gives the figures of one cost.
        """
        division = () if self.division is None else (self.division,)
        costs, trained = (self.bound[0], *self.asked, *division), derived(self.space, genotype)
        return {name: value for cost in costs for name, value in measure(cost, trained).items()}

    def judged(self, genotype: Genotype, name: str, measure: Measure) -> float:
        """Return the figure that limits on a cost are compared with.

        Args:
            genotype: of the space.
            name: the cost that the limit names.
            measure: gives the figures of one cost.
        """
        cost = self.of(name)
        limited = next((figure.limited for figure in cost.figures if figure.name == name), "")
        return measure(cost, derived(self.space, genotype))[limited or name]


def named_costs(limits: Iterable[Limit], objectives: Iterable[Objective]) -> tuple[str, ...]:
    """Return the figures that limits and objectives name, each once."""
    names = [limit.cost for limit in limits] + [goal.name for goal in objectives if goal.is_cost]
    return tuple(dict.fromkeys(names))


def bind_costs(
    recipe: Recipe,
    installed: InstalledCosts,
    named: Iterable[str],
    *,
    networks: Networks,
    space: SearchSpace,
    genotypes: Mapping[str, Genotype],
    warnings: list[str],
) -> CompositionCosts:
    """Return the counted cost, those that are named, and those that the recipe gives options to.

    Args:
        recipe: with the costs' options.
        installed: the costs to choose from.
        named: figures that limits and objectives name.
        networks: what the costs are of.
        space: of the networks.
        genotypes: some of the space by the method that gave them; the named parts are looked for in them.
        warnings: what looks like a mistake in a plugin is added to them.

    Raises:
        PosenasError: where an option or a part is unknown, or a cost cannot be of these networks.
    """
    names = tuple(named)
    for unknown in set(recipe.cost) - {cost.name for cost in installed.costs}:
        known = suggestion(unknown, [cost.name for cost in installed.costs])
        raise PosenasError(f"recipe: {cost_table(unknown)}: no such cost is installed; {known}")
    found = []
    for cost in sorted(installed.costs, key=lambda cost: cost.name != COUNTED):
        asked = tuple(name for name in names if installed.find(name) is cost)
        if asked or cost.name == COUNTED or cost_options(recipe, cost.name):
            found.append(_bound(recipe, cost, asked, networks=networks, warnings=warnings))
    _check(found, tuple(derived(space, genotype) for genotype in genotypes.values()))
    return CompositionCosts(tuple(found), space, _division(found[0], space))


def _division(counted: BoundCost, space: SearchSpace) -> BoundCost | None:
    """Return the cost that divides networks whose head is searched; None where none is."""
    if not searches_head(space.dimensions()) or not isinstance(counted.meter, Divisible):
        return None
    return BoundCost("division", False, (), DivisionMeter(counted.meter), asked=True, options={})


def _made(recipe: Recipe, cost: InstalledCost) -> Cost:
    """Return the cost with the recipe's options."""
    made: Cost = make_component(cost.kind, cost_options(recipe, cost.name), where=f"cost {cost.name}")
    return made


def _bound(
    recipe: Recipe,
    cost: InstalledCost,
    asked: tuple[str, ...],
    *,
    networks: Networks,
    warnings: list[str],
) -> BoundCost:
    """Return a cost bound to the networks; `asked` are those of its figures that are named."""
    owner = Owner("cost", cost.name)
    made = _made(recipe, cost)
    warnings += check_methods("cost", made, owner=owner)
    with blamed(owner, "bind"):
        meter = made.bind(networks)
    warnings += check_meter_methods(meter, owner=owner)
    parts = tuple(name for name in asked if "." in name)
    return BoundCost(cost.name, cost.dear, cost.figures, meter, bool(asked), option_values(made), parts)


def _check(costs: Iterable[BoundCost], genotypes: tuple[Genotype, ...]) -> None:
    """Look for the named parts, and try a network of each cost that is not dear."""
    for cost in costs:
        with blamed(Owner("cost", cost.name), "parts"):
            cost.check_parts(genotypes)
        if cost.asked and not cost.dear and cost.name != COUNTED:
            with blamed(Owner("cost", cost.name), "measure"):
                cost.measure(genotypes[0])


def caveats_of(recipe: Recipe, installed: InstalledCosts, names: Iterable[str]) -> list[str]:
    """Return what the costs of these figures say of themselves for the report.

    Args:
        recipe: with the costs' options.
        installed: the costs to choose from.
        names: of figures; the counted ones need no word.
    """
    named = {cost.name for name in names if (cost := installed.find(name)) is not None}
    return [_caveat(recipe, cost) for cost in installed.costs if cost.name in named and cost.name != COUNTED]


def _caveat(recipe: Recipe, cost: InstalledCost) -> str:
    """Return what a cost says of itself, or what it declares; or why it cannot say anything."""
    try:
        with blamed(Owner("cost", cost.name), "caveat"):
            made = _made(recipe, cost)
            if isinstance(made, Explained):
                return str(made.caveat())
    except PosenasError as error:
        return str(error)
    return " ".join(f"{figure.unit}: {figure.meaning}." for figure in cost.figures if figure.meaning)
