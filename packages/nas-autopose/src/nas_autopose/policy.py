"""A space's discrete dimensions in the hands of a controller: what it draws, what it learns of rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from posenas import Genotype, Problem

from nas_autopose.choices import searched_choices
from nas_autopose.controller import Controller, Picks, mean_entropy
from nas_autopose.policy_gradient import PolicyGradient

_DRAWS_FOR_ENTROPY = 16


class ControllerOptions(Protocol):
    """The options of a strategy with a controller."""

    @property
    def controller_rate(self) -> float: ...

    @property
    def controller_size(self) -> int: ...

    @property
    def entropy_weight(self) -> float: ...

    @property
    def baseline_decay(self) -> float: ...


@dataclass(frozen=True)
class Drawn:
    """One draw of the controller.

    Attributes:
        picks: what the controller decided.
        genotype: a network within the limits. Where the controller's own is not, it has the values of one
            within the limits in some dimensions.
    """

    picks: Picks
    genotype: Genotype


class Policy:
    """A controller of a space's discrete dimensions, in training."""

    def __init__(self, problem: Problem, options: ControllerOptions) -> None:
        """Make a controller with fresh weights, of a space that `check_choices` passes."""
        self._problem = problem
        self.choices = searched_choices(problem.space)
        self._sizes = [len(values) for values in self.choices.values()]
        self._controller = Controller(self._sizes, problem.rng("controller"), hidden=options.controller_size)
        self._gradient = PolicyGradient(
            self._controller,
            learning_rate=options.controller_rate,
            entropy_weight=options.entropy_weight,
            decay=options.baseline_decay,
        )

    @property
    def baseline(self) -> float | None:
        """The moving average of rewards; None before the first."""
        return self._gradient.baseline

    def draw(self, number: int, *, fixed: Mapping[str, Any], purpose: str) -> list[Drawn]:
        """Return independent draws, of which several may be alike.

        Args:
            number: how many are drawn.
            fixed: values of dimensions that the controller does not decide. Others are drawn by the space.
            purpose: names the random numbers.
        """
        return [
            self._within_limits(self._controller.sample, fixed, f"{purpose}, draw {index}")
            for index in range(1, number + 1)
        ]

    def likeliest(self, *, fixed: Mapping[str, Any], purpose: str) -> Drawn:
        """Return the draw that takes the likeliest value of each choice; for the arguments see `draw`."""
        return self._within_limits(lambda _rng: self._controller.likeliest(), fixed, purpose)

    def different(self, number: int, *, fixed: Mapping[str, Any], purpose: str) -> list[Genotype]:
        """Return different genotypes within the limits; fewer where a decided controller draws no more.

        Args:
            number: how many are wanted.
            fixed: as in `draw`.
            purpose: names the random numbers.
        """
        return self._problem.draw(
            number,
            fixed=fixed,
            sample=lambda rng: self._genotype(self._controller.sample(rng), fixed, rng),
            purpose=purpose,
        )

    def learn(self, drawn: Sequence[Drawn], rewards: Sequence[float | None]) -> None:
        """Learn from the rewards of independent draws.

        What counts is how likely the controller's own picks were, and the reward of the network that came of
        them: moving a draw within the limits is a part of what is rewarded. So the estimate stays unbiased.

        Args:
            drawn: one batch.
            rewards: of their genotypes, the greater the better. One that is None does not count.
        """
        pairs = zip(drawn, rewards, strict=True)
        known = [(each.picks, reward) for each, reward in pairs if reward is not None]
        self._gradient.update([picks for picks, _ in known], [reward for _, reward in known])

    def entropy(self, *, purpose: str) -> float:
        """Return how undecided the controller is, as the mean over some draws: from 1 down to 0."""
        rng = self._problem.rng(purpose)
        picks = [self._controller.sample(rng) for _ in range(_DRAWS_FOR_ENTROPY)]
        return mean_entropy(self._controller, picks, self._sizes)

    def _within_limits(
        self, pick: Callable[[Random], Picks], fixed: Mapping[str, Any], purpose: str
    ) -> Drawn:
        """Return what `pick` picks, and as a genotype within the limits."""
        picked: list[Picks] = []

        def sample(rng: Random) -> Genotype:
            picked.append(pick(rng))
            return self._genotype(picked[-1], fixed, rng)

        (genotype,) = self._problem.draw(1, fixed=fixed, sample=sample, purpose=purpose)
        return Drawn(picked[-1], genotype)

    def _genotype(self, picks: Picks, fixed: Mapping[str, Any], rng: Random) -> Genotype:
        decided = {
            name: values[pick] for (name, values), pick in zip(self.choices.items(), picks, strict=True)
        }
        return {**self._problem.space.sample(rng), **fixed, **decided}
