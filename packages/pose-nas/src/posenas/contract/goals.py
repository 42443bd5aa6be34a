"""What a search is after: objectives to make great or small, and limits that costs and metrics must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from posenas.contract.trial import Trial


@dataclass(frozen=True)
class Objective:
    """A metric by its qualified name, such as `oks.AP`, or a cost, such as `gmacs`.

    Attributes:
        dear: whether it is a cost that takes long to ask for.
    """

    name: str
    maximize: bool
    is_cost: bool
    dear: bool = False

    def value(self, trial: Trial) -> float:
        """Return the trial's figure so that greater is better, whichever way the objective goes.

        Raises:
            KeyError: where the trial lacks the figure.
        """
        figure = trial.costs[self.name] if self.is_cost else trial.metrics[self.name]
        return figure if self.maximize else -figure


@dataclass(frozen=True)
class Limit:
    """Bounds of one cost, such as `gmacs<=0.3` or `gmacs>=0.2`.

    Attributes:
        dear: whether the cost takes long to ask for, so that it is judged after the others.
    """

    cost: str
    most: float = math.inf
    least: float = 0.0
    dear: bool = False

    def __str__(self) -> str:
        lower = [f"{self.cost}>={self.least:g}"] if self.least > 0 else []
        upper = [f"{self.cost}<={self.most:g}"] if self.most < math.inf else []
        return " and ".join([*lower, *upper])


@dataclass(frozen=True)
class MetricLimit:
    """A bound of one metric, such as `oks.AP>=0.5`, which is judged once a candidate is scored.

    Attributes:
        metric: its qualified name.
        bound: the least figure where higher is better, else the greatest.
        higher_is_better: whether it is of the metric.
    """

    metric: str
    bound: float
    higher_is_better: bool = True

    def violation(self, figure: float) -> float:
        """Return how far a figure misses the bound, as a share of the bound; 0 where it keeps it.

        Where the bound is 0, it is how far the figure lies from it.
        """
        missing = self.bound - figure if self.higher_is_better else figure - self.bound
        return max(0.0, missing) / (abs(self.bound) or 1.0)

    def violation_of(self, trial: Trial) -> float:
        """Return how far a trial misses the bound; it is infinite where the trial lacks the metric."""
        figure = trial.metrics.get(self.metric)
        return math.inf if figure is None else self.violation(figure)

    def __str__(self) -> str:
        sign = ">=" if self.higher_is_better else "<="
        return f"{self.metric}{sign}{repr(self.bound).removesuffix('.0')}"
