"""A search whose trainings are looked up in a table, so that it takes seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Never

from posenas import (
    Beginning,
    Candidate,
    Genotype,
    Learning,
    Limit,
    MetricLimit,
    Objective,
    PosenasError,
    Relaxation,
    Span,
    Step,
    Trial,
    Weights,
    genotype_id,
)

from posenas_bench.space import TabularSpace
from posenas_bench.table import Row, Table, Training

_TRIES = 100


class TabularProblem:
    """The contract's `Problem`, where its methods are explained, by look-up in a table.

    A candidate's score is that of one of its trainings in the table, which the seed draws. Whatever number of
    epochs is asked for, and whatever weights a training begins with, the score is that of the table's whole
    training from fresh weights. With shared weights it is the table's `shared`. `evaluate` gives the mean of
    the scores on `val`.

    Args:
        table: has the scores.
        seed: of all random numbers.
        limits: on costs; a genotype must keep them all. Unlike in a real search, `draw` does not prefer
            genotypes that use most of the limits.

    Attributes:
        seen: the genotypes that were scored and the scores that the search saw, in order, each once.
        trained: genotypes that were trained as candidates, each once; of shared weights none.
        seconds: that these trainings took one core when the table was made.
        warnings: what the strategy told.
    """

    def __init__(self, table: Table, *, seed: int, limits: Sequence[Limit] = ()) -> None:
        self.space = TabularSpace(table)
        self.objectives = (Objective(table.metric, maximize=True, is_cost=False),)
        self.metric_limits: tuple[MetricLimit, ...] = ()
        self.seen: dict[str, tuple[Genotype, float]] = {}
        self.trained: set[str] = set()
        self.seconds = 0.0
        self.warnings: list[str] = []
        self._table, self._seed, self._limits = table, seed, limits

    def offers(self, capability: type) -> bool:
        return isinstance(self.space, capability)

    def rng(self, purpose: str) -> Random:
        return Random(f"{self._seed} {purpose}")

    def best(self, trials: Sequence[Trial]) -> Trial:
        if not trials:
            raise PosenasError("there is no candidate to choose from")
        return max(trials, key=self.objectives[0].value)

    def costs(self, genotype: Genotype) -> Mapping[str, float]:
        return self._table.row(genotype).costs

    def derived(self, genotype: Genotype) -> Genotype:
        return genotype

    def within_limits(self, genotype: Genotype) -> bool:
        return all(limit.least <= self._cost(genotype, limit) <= limit.most for limit in self._limits)

    def near_budget(self, genotype: Genotype) -> bool:
        return self.within_limits(genotype)

    def draw(
        self,
        number: int,
        *,
        first: Sequence[Genotype] = (),
        fixed: Mapping[str, Any] | None = None,
        sample: Callable[[Random], Genotype] | None = None,
        purpose: str = "candidates",
    ) -> list[Genotype]:
        rng, fixed = self.rng(purpose), fixed or {}
        if sample is None:
            drawn = [row.genotype for row in self._table.rows]
            rng.shuffle(drawn)
        else:
            drawn = [sample(rng) for _ in range(_TRIES * number)]
        wanted = [{**genotype, **fixed} for genotype in (*first, *drawn)]
        different: dict[str, Genotype] = {
            genotype_id(each): each for each in wanted if self.within_limits(each)
        }
        if not different:
            raise PosenasError(f"no genotype of the table is within {_words(self._limits)}; raise the limit")
        return list(different.values())[:number]

    def note(self, series: str, epoch: int, values: Mapping[str, float]) -> None:
        """Check the figures and keep none: there is no report."""
        if not values or not all(map(math.isfinite, values.values())):
            raise PosenasError(f"note {series!r}: epoch {epoch} has no figure, or one that is not finite")

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def train_shared(self, step: Step, *, epochs: int, **_options: Any) -> Weights:  # noqa: ARG002
        return Weights("shared", shared=True)

    def train(
        self,
        genotype: Genotype,
        *,
        epochs: int,  # noqa: ARG002
        init: Weights | Beginning | None = None,  # noqa: ARG002
        on: str = "train",
        repeat: int = 0,
        span: Span | None = None,  # noqa: ARG002
    ) -> Weights:
        if on == "fit":
            self._spend(self._table.row(genotype))
        return Weights(f"{genotype_id(genotype)} {repeat}", shared=False)

    def weights_of(self, run: str, genotype: Genotype) -> Never:
        raise PosenasError(f"a table has no weights of {run} for {dict(genotype)}; search without them")

    def train_relaxed(self, step: Step, *, epochs: int, learning: Learning, **_options: Any) -> Relaxation:  # noqa: ARG002
        raise PosenasError("a table has no real values to learn; choose a strategy that scores candidates")

    def leave_out(self, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Never:  # noqa: ARG002
        raise PosenasError("a table has no network to prune; choose a strategy that scores candidates")

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        return self._trial(self._table.row(genotype), weights, stage=stage, split="val", score=None)

    def evaluate_many(
        self, genotypes: Sequence[Genotype], weights: Weights, *, stage: str, **_options: Any
    ) -> Iterator[Trial]:
        for genotype in genotypes:
            row = self._table.row(genotype)
            score = row.shared if weights.shared else self._training(row).ranking
            yield self._trial(row, weights, stage=stage, split="ranking", score=score)

    def train_and_evaluate_many(
        self,
        candidates: Sequence[Candidate],
        *,
        epochs: int,  # noqa: ARG002
        stage: str,
    ) -> Iterator[Trial]:
        for candidate in candidates:
            row = self._table.row(candidate.genotype)
            training = self._spend(row)
            weights = Weights(genotype_id(candidate.genotype), shared=False)
            yield self._trial(
                row, weights, stage=stage, split="ranking", score=training.ranking, loss=training.loss
            )

    def discard(self, weights: Weights) -> None:
        """Delete nothing: there are no files."""

    def _cost(self, genotype: Genotype, limit: Limit) -> float:
        costs = self.costs(genotype)
        if limit.cost not in costs:
            raise PosenasError(f"the table has no cost {limit.cost}; it has {', '.join(costs)}")
        return costs[limit.cost]

    def _training(self, row: Row) -> Training:
        """Return one of the row's trainings, the same one each time in this search."""
        return self.rng(f"training of {genotype_id(row.genotype)}").choice(row.trainings)

    def _spend(self, row: Row) -> Training:
        """Return the row's training, and count it unless it was done before."""
        training, name = self._training(row), genotype_id(row.genotype)
        if name not in self.trained:
            self.trained.add(name)
            self.seconds += training.seconds
        return training

    def _trial(
        self,
        row: Row,
        weights: Weights,
        *,
        stage: str,
        split: str,
        score: float | None,
        loss: float | None = None,
    ) -> Trial:
        if score is not None:
            self.seen.setdefault(genotype_id(row.genotype), (row.genotype, score))
        return Trial(
            row.genotype,
            stage=stage,
            split=split,
            metrics={self._table.metric: row.val if score is None else score},
            costs=row.costs,
            weights=weights.file,
            loss=loss,
        )


def _words(limits: Sequence[Limit]) -> str:
    return ", ".join(map(str, limits)) or "no limit at all"
