"""Strategy `gumbel`: the gradient half of AutoPose alone, for any relaxed space.

Source: Gong et al., AutoPose, CVPR Workshops 2020, section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from annotated_types import Ge
from posenas import (
    Genotype,
    Learning,
    PlannedTraining,
    Problem,
    Relaxed,
    Results,
    SearchSpace,
    Section,
    Trial,
    final_init,
)

from nas_autopose.choices import discrete, real_values, undecided
from nas_autopose.entropy import cell_entropy
from nas_autopose.gumbel_step import Annealing, GumbelStep
from nas_autopose.options import (
    ArchitectureRate,
    EstimatorOption,
    FinalEpochs,
    FirstTemperature,
    LastTemperature,
    SearchEpochs,
    capabilities_for,
    estimator_for,
)

SERIES = "gumbel"
"""The name of the curves: what is noted after each epoch."""


@dataclass(frozen=True)
class Gumbel:
    """Cells learn by gradient from one half of the people, by samples that become ever more decided, and
    weights from the other half. The heaviest alternative of each choice is then trained anew.

    Discrete dimensions stay as they are in the largest network, or in one within the limits.
    """

    epochs: SearchEpochs = 6
    architecture_rate: ArchitectureRate = 0.03
    architecture_decay: Annotated[float, "weight decay of the cells (ours)", Ge(0)] = 0.0
    estimator: EstimatorOption = "auto"
    first_temperature: FirstTemperature = 5.0
    last_temperature: LastTemperature = 0.5
    final_epochs: FinalEpochs = 8
    final_weights: Annotated[
        Literal["auto", "fresh", "init"],
        "what the winner's training begins with: fresh weights, those of --init, or auto: those of --init, "
        "or else fresh",
    ] = "auto"

    def requires(self) -> Sequence[type]:
        return capabilities_for(self.estimator)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return PlannedTraining("shared", self.epochs), PlannedTraining("final", self.final_epochs)

    def search(self, problem: Problem) -> Iterator[Trial]:
        space = cast(Relaxed, problem.space)
        start = _within_limits(problem, undecided(space))
        step = GumbelStep(
            space,
            estimator_for(self.estimator, problem),
            Annealing(self.first_temperature, self.last_temperature),
        )
        found = problem.train_relaxed(
            step,
            epochs=self.epochs,
            learning=Learning(self.architecture_rate, self.architecture_decay, on="halves"),
            start=start,
        )
        for epoch, genotype in enumerate(found.course, 1):
            problem.note(SERIES, epoch, {"cell entropy": cell_entropy(space, genotype)})
        genotype = problem.derived(discrete(space, found.genotype))
        if not problem.within_limits(genotype):
            problem.warn("the learnt network is outside the limits on costs, which gradients know nothing of")
        init = final_init(problem, self.final_weights, learnt=None)
        weights = problem.train(genotype, epochs=self.final_epochs, init=init)
        yield problem.evaluate(genotype, weights, stage="final")

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the search went, for the report."""
        from nas_autopose.report.course import (
            course_sections,  # loads matplotlib, which training does not need
        )

        return course_sections(results, SERIES)


def _within_limits(problem: Problem, genotype: Genotype) -> Genotype:
    """Return the genotype, or one within the limits where it is outside them; real values stay."""
    (drawn,) = problem.draw(1, first=[genotype], fixed=real_values(problem.space, genotype), purpose="start")
    return drawn
