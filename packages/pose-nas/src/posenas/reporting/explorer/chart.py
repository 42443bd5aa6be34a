"""The chart to explore: score against each cost as panels of an SVG picture, of one run or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from posenas.contract.costs import CostFigure
from posenas.reporting.explorer.entries import Entry
from posenas.reporting.explorer.explored import Explored
from posenas.reporting.explorer.links import link

WIDTH, HEIGHT = 460, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 46
_MARGIN = 0.06
_TICKS = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
_MILLION = 1e6


@dataclass(frozen=True)
class Axis:
    """An axis from the least to the greatest number on it, in pixels from `start` to `end`."""

    least: float
    greatest: float
    start: float
    end: float

    def place(self, number: float) -> float:
        """Return where a number stands, in pixels rounded to a tenth."""
        share = (number - self.least) / (self.greatest - self.least)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """The places of round numbers, and their texts."""
        numbers = [float(tick) for tick in _TICKS.tick_values(self.least, self.greatest)]
        return [(self.place(n), f"{n:.6g}") for n in numbers if self.least <= n <= self.greatest]


@dataclass(frozen=True)
class Point:
    """A trial in a panel.

    Attributes:
        run: the number of the run.
        link: the trial's name in the page.
        kind: `candidate`, `front` or `final`.
        winner: whether it is what its run chose.
        label: tells the trial in words.
    """

    x: float
    y: float
    run: int
    link: str
    kind: str
    winner: bool
    label: str


@dataclass(frozen=True)
class Panel:
    """A chart of score against one cost.

    Attributes:
        lines: of each run the commands of an SVG path, its front.
        points: by cost.
    """

    title: str
    x: Axis
    y: Axis
    lines: Sequence[str]
    points: Sequence[Point]


def panels(runs: Sequence[Explored]) -> Sequence[Panel]:
    """Return a panel for each cost that the candidates are compared by.

    Args:
        runs: of the same metric and the same costs, each with a candidate.
    """
    return [_panel(runs, cost) for cost in runs[0].results.compared_costs]


def _panel(runs: Sequence[Explored], cost: CostFigure) -> Panel:
    millions = cost.name.startswith("parameters")
    divisor = _MILLION if millions else 1.0
    shown = [(number, run, entry) for number, run in enumerate(runs) for entry in run.entries]
    costs = [entry.trial.costs[cost.name] / divisor for *_, entry in shown]
    scores = [_score(run, entry) for _, run, entry in shown]
    x = _axis(costs, start=LEFT, end=WIDTH - RIGHT)
    y = _axis(scores, start=HEIGHT - BOTTOM, end=TOP)
    points = [
        _point(number, run, entry, cost=cost, place=(x.place(of), y.place(score)))
        for (number, run, entry), of, score in zip(shown, costs, scores, strict=True)
    ]
    lines = [_line(run, cost.name, x=x, y=y, divisor=divisor) for run in runs]
    title = f"{cost.unit}, millions" if millions else cost.unit
    return Panel(title, x, y, lines, sorted(points, key=lambda point: (point.x, point.y)))


def _score(run: Explored, entry: Entry) -> float:
    return entry.trial.metrics[run.results.objective.name]


def _axis(numbers: Sequence[float], *, start: float, end: float) -> Axis:
    least, greatest = min(numbers), max(numbers)
    margin = _MARGIN * (greatest - least) or abs(greatest) / 2 or 1.0
    return Axis(least - margin, greatest + margin, start, end)


def _line(run: Explored, cost: str, *, x: Axis, y: Axis, divisor: float) -> str:
    """Return the front as steps, on to the dearest candidate."""
    steps = ""
    for trial in run.fronts[cost]:
        across = x.place(trial.costs[cost] / divisor)
        up = y.place(trial.metrics[run.results.objective.name])
        steps += f"H{across}V{up}" if steps else f"M{across} {up}"
    dearest = max(trial.costs[cost] for trial in run.results.ranked)
    return f"{steps}H{min(x.place(dearest / divisor), x.end)}"


def _point(
    number: int,
    run: Explored,
    entry: Entry,
    *,
    cost: CostFigure,
    place: tuple[float, float],
) -> Point:
    objective = run.results.objective
    front = cost.name in run.fronts_of(entry)
    winner = run.winner is entry and not entry.final
    words = [f"{run.name}, " if run.name else "", entry.trial.id]
    words += [", final score" if entry.final else ", winner" if winner else ""]
    words += [f": {objective.name} {objective.text(_score(run, entry))}"]
    words += [f", {entry.trial.costs[cost.name]:.4g} {cost.unit}", ", on the front" if front else ""]
    kind = "final" if entry.final else "front" if front else "candidate"
    return Point(*place, number, link(number if run.name else None, entry.key), kind, winner, "".join(words))
