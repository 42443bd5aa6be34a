"""What a search is after: objectives to make great or small, and limits that costs must keep."""

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
