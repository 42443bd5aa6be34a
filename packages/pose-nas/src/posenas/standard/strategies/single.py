"""Strategy `single`: no search; it trains and scores one given genotype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Gt

from posenas.contract.components import SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import check_genotype
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial


@dataclass(frozen=True)
class Single:
    """One network trained from scratch and scored: what every search result is compared with."""

    genotype: Annotated[Mapping[str, Any], "one value for each dimension of the space"] = field(
        default_factory=dict
    )
    epochs: Annotated[int, "passes over the training people", Gt(0)] = 12

    def requires(self) -> Sequence[type]:
        return ()

    def check_space(self, space: SearchSpace) -> None:
        """Refuse a space that the genotype is none of."""
        if not self.genotype:
            raise PosenasError(
                "strategy.genotype is empty: use `posenas train NAME`, or set one value for each dimension"
            )
        check_genotype(self.genotype, space.dimensions())

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return (PlannedTraining("final", self.epochs),)

    def search(self, problem: Problem) -> Iterator[Trial]:
        genotype = problem.derived(self.genotype)
        weights = problem.train(genotype, epochs=self.epochs)
        yield problem.evaluate(genotype, weights, stage="final")
