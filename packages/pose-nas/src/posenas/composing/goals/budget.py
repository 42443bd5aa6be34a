"""Genotypes near a budget: a small model of the costs leads a walk to them, and exact costs confirm them.

Independent draws pile up in the middle of a space's costs, so few of them are near a limit. The walk changes
one dimension at a time and never leaves the budget again once it is in it. Its genotypes are therefore
spread over the budget as the space's dimensions are, and not only over its nearest edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from posenas.composing.conditional import likelihood
from posenas.contract.components import SearchSpace
from posenas.contract.genotype import Choice, Dimension, Genotype, genotype_id, sample_uniform

SHARE = 0.85
"""The share of the tightest upper limit that a genotype near the budget uses at least."""

_ROUNDS = 3
_MOST_QUESTIONS = 96
_RIDGE = 1e-2
_MOVES_TO_REACH = 40
_MOVES_TO_MIX = 10
"""The moves that mix a walk; like `_MOVES_TO_REACH` it is times the number of dimensions."""

CountedCosts = Callable[[Genotype], Mapping[str, float]]


@dataclass(frozen=True)
class Budget:
    """Bounds of costs that are counted, not measured.

    Attributes:
        least, most: by the names of the costs.
    """

    least: Mapping[str, float]
    most: Mapping[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The bounded costs, each once."""
        return tuple(dict.fromkeys((*self.most, *self.least)))

    def miss(self, costs: Mapping[str, float]) -> float:
        """Return how far costs are from the budget, as a share of the bound; 0 where they are near it."""
        used = max((_share(costs[name], most) for name, most in self.most.items()), default=SHARE)
        short = max((1 - costs[name] / least for name, least in self.least.items() if least > 0), default=0.0)
        return max(0.0, used - 1.0, SHARE - used, short)


def _share(cost: float, most: float) -> float:
    return cost / most if most > 0 else float("inf")


@dataclass(frozen=True)
class Guide:
    """A cost model that tells where a budget lies in a space.

    It adds up what each dimension's value costs.

    Attributes:
        space: the one that genotypes are drawn from.
        dimensions: the space's.
        budget: where the guide leads to.
        constants: what is always added, by cost.
        shares: by dimension: for each value of a choice, or each real number, what it adds to each cost.
    """

    space: SearchSpace
    dimensions: Mapping[str, Dimension]
    budget: Budget
    constants: Mapping[str, float]
    shares: Mapping[str, Sequence[Mapping[str, float]]]

    def draw(self, rng: Random) -> Genotype | None:
        """Return a genotype that the model sees near the budget; None where the walk reaches none."""
        genotype, costs = self._reached(self.space.sample(rng), rng)
        if self.budget.miss(costs) > 0:
            return None
        for _ in range(_MOVES_TO_MIX * len(self.dimensions)):
            genotype, costs = self._moved(genotype, costs, rng, most=0.0)
        return genotype

    def _reached(self, genotype: Genotype, rng: Random) -> tuple[Genotype, Mapping[str, float]]:
        costs = self._estimated(genotype)
        for _ in range(_MOVES_TO_REACH * len(self.dimensions)):
            miss = self.budget.miss(costs)
            if miss == 0:
                break
            genotype, costs = self._moved(genotype, costs, rng, most=miss)
        return genotype, costs

    def _moved(
        self, genotype: Genotype, costs: Mapping[str, float], rng: Random, *, most: float
    ) -> tuple[Genotype, Mapping[str, float]]:
        """Draw one dimension anew, unless the costs would miss the budget by more than `most`."""
        name = rng.choice(list(self.dimensions))
        value = sample_uniform({name: self.dimensions[name]}, rng)[name]
        if value == genotype[name]:
            return genotype, costs
        before, after = self._part(name, genotype[name]), self._part(name, value)
        moved_costs = {cost: costs[cost] + after[cost] - before[cost] for cost in costs}
        if self.budget.miss(moved_costs) > most:
            return genotype, costs
        moved = {**genotype, name: value}
        ratio = likelihood(self.space, moved) / likelihood(self.space, genotype)
        return (moved, moved_costs) if rng.random() < ratio else (genotype, costs)

    def _estimated(self, genotype: Genotype) -> Mapping[str, float]:
        parts = [self._part(name, value) for name, value in genotype.items()]
        return {cost: value + sum(part[cost] for part in parts) for cost, value in self.constants.items()}

    def _part(self, name: str, value: object) -> Mapping[str, float]:
        dimension, shares = self.dimensions[name], self.shares[name]
        if isinstance(dimension, Choice):
            return shares[dimension.values.index(value)]
        numbers = dimension.numbers(value)
        return {
            cost: sum(number * share[cost] for number, share in zip(numbers, shares, strict=True))
            for cost in self.constants
        }


def make_guide(
    space: SearchSpace, budget: Budget, costs: CountedCosts, *, ends: Sequence[Genotype], rng: Random
) -> Guide:
    """Fit the model in rounds: to draws of the space and `ends`, then to what it thinks near the budget.

    It asks for the costs of at most a few hundred genotypes.

    Args:
        space: draws genotypes.
        budget: to be near.
        costs: gives the exact costs of a genotype.
        ends: genotypes to ask about first, such as the largest.
        rng: decides the draws.
    """
    dimensions = space.dimensions()
    number = min(_MOST_QUESTIONS, 8 + sum(map(_width, dimensions.values())))
    asked = {genotype_id(genotype): genotype for genotype in ends}
    guide = None
    for _ in range(_ROUNDS):
        for _ in range(number):
            genotype = None if guide is None else guide.draw(rng)
            genotype = space.sample(rng) if genotype is None else genotype
            asked.setdefault(genotype_id(genotype), genotype)
        known = list(asked.values())
        guide = _fitted(space, dimensions, budget, known, [costs(genotype) for genotype in known])
    assert guide is not None
    return guide


def _fitted(
    space: SearchSpace,
    dimensions: Mapping[str, Dimension],
    budget: Budget,
    genotypes: Sequence[Genotype],
    costs: Sequence[Mapping[str, float]],
) -> Guide:
    """Fit a guide by least squares, in which a genotype counts the more, the nearer it is to the budget."""
    features = np.array([_features(genotype, dimensions) for genotype in genotypes])
    truth = np.array([[cost[name] for name in budget.names] for cost in costs])
    weights = np.array([1 / (0.1 + budget.miss(cost)) for cost in costs])
    constants, shares = _least_squares(features, truth, weights / weights.sum())
    rows = iter(dict(zip(budget.names, row, strict=True)) for row in shares.tolist())
    return Guide(
        space,
        dimensions,
        budget,
        constants=dict(zip(budget.names, constants.tolist(), strict=True)),
        shares={
            name: [next(rows) for _ in range(_width(dimension))] for name, dimension in dimensions.items()
        },
    )


def _least_squares(
    features: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (costs,) constants and (features, costs) shares; a little ridge decides what is left open."""
    mean_features, mean_truth = weights @ features, weights @ truth
    centred = features - mean_features
    gram = centred.T @ (centred * weights[:, None]) + _RIDGE / len(features) * np.eye(features.shape[1])
    moments = centred.T @ ((truth - mean_truth) * weights[:, None])
    shares = np.asarray(np.linalg.solve(gram, moments), dtype=np.float64)
    constants: NDArray[np.float64] = mean_truth - mean_features @ shares
    return constants, shares


def _width(dimension: Dimension) -> int:
    if isinstance(dimension, Choice):
        return len(dimension.values)
    return int(np.prod(dimension.shape))


def _features(genotype: Genotype, dimensions: Mapping[str, Dimension]) -> list[float]:
    """Return what the model adds up: a one for each choice's value, and real numbers as they are."""
    features: list[float] = []
    for name, dimension in dimensions.items():
        if isinstance(dimension, Choice):
            place = dimension.values.index(genotype[name])
            features += [float(place == index) for index in range(len(dimension.values))]
        else:
            features += dimension.numbers(genotype[name])
    return features
