"""What a controller is rewarded with: the first objective that is a metric, the greater the better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from posenas import Objective, Problem, Trial

from nas_autopose.policy import Drawn


def reward_of(objective: Objective, trial: Trial) -> float | None:
    """Return a trial's reward; None where the trial failed, or where its figure is not a finite number."""
    if trial.failure is not None or objective.name not in trial.metrics:
        return None
    value = objective.value(trial)
    return value if math.isfinite(value) else None


class Rewards:
    """The rewards of a search, which tells once each what is wrong with them."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._told: set[str] = set()
        self.objective = next(each for each in problem.objectives if not each.is_cost)

    def of(self, trials: Sequence[Trial]) -> list[float | None]:
        """Return the trials' rewards; what has none is told."""
        rewards = [reward_of(self.objective, trial) for trial in trials]
        for trial, reward in zip(trials, rewards, strict=True):
            if reward is None:
                why = trial.failure or f"{self.objective.name} is not a number for these people"
                self._tell(
                    "none",
                    f"the controller does not learn from draws without a reward, such as {trial.id}: {why}",
                )
        return rewards

    def check_variety(self, drawn: Sequence[Drawn], rewards: Sequence[float | None]) -> None:
        """Tell where different networks have all the same reward, from which nothing is learnt.

        Args:
            drawn: all draws between two changes of the weights.
            rewards: theirs.
        """
        different = {each.picks for each in drawn}
        known = {reward for reward in rewards if reward is not None}
        if len(different) > 1 and len(known) == 1:
            self._tell(
                "constant",
                f"the reward, {self.objective.name}, is {abs(known.pop()):g} for all {len(different)} "
                "different draws of the controller, which learns nothing from that; train longer before, or "
                "score more people",
            )

    def _tell(self, kind: str, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._problem.warn(message)


def mean(rewards: Sequence[float | None]) -> float | None:
    """Return the mean of the rewards that there are; None where there is none."""
    known = [reward for reward in rewards if reward is not None]
    return sum(known) / len(known) if known else None
