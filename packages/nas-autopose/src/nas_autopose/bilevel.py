"""Strategy `bilevel`: gradients find the cells and a controller finds the scales, in one loop (AutoPose).

Source: Gong et al., AutoPose, CVPR Workshops 2020, algorithm 1, sections 3.2, 3.3 and 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from annotated_types import Ge, Gt
from posenas import (
    FinalWeights,
    Genotype,
    Learning,
    PlannedTraining,
    Problem,
    Relaxation,
    Relaxed,
    Results,
    SearchSpace,
    Section,
    Span,
    Trial,
    WeightSharing,
    final_init,
)

from nas_autopose.choices import check_choices, discrete, undecided
from nas_autopose.entropy import cell_entropy
from nas_autopose.gumbel_step import Annealing, GumbelStep, Networks
from nas_autopose.options import (
    ArchitectureRate,
    BaselineDecay,
    CalibrationPeople,
    ControllerBatch,
    ControllerRate,
    ControllerSize,
    EntropyWeight,
    EstimatorOption,
    FinalEpochs,
    FirstTemperature,
    LastTemperature,
    SearchEpochs,
    capabilities_for,
    estimator_for,
)
from nas_autopose.policy import Drawn, Policy
from nas_autopose.rewards import Rewards, mean

SERIES = "bilevel"
"""The name of the curves: what is noted after each epoch."""


@dataclass(frozen=True)
class Bilevel:
    """A super-network whose cells learn by gradient, while a controller learns which parts to switch on.

    In each batch the weights learn from one half and the cells from the other, in a network that the
    controller drew. After each epoch the controller learns from the scores of its draws, with the heaviest
    operations alone and the present weights. In the end its best draw is trained anew.
    """

    epochs: SearchEpochs = 8
    architecture_rate: ArchitectureRate = 0.03
    estimator: EstimatorOption = "auto"
    first_temperature: FirstTemperature = 5.0
    last_temperature: LastTemperature = 0.5
    networks: Annotated[
        int,
        "draws of the controller that an epoch's batches are trained with; up to 4 stay in memory (ours)",
        Gt(0),
    ] = 4
    controller_from: Annotated[
        int, "epoch after which the controller first learns (paper's: the 5th of 50)", Gt(0)
    ] = 4
    updates: Annotated[int, "updates of the controller after each epoch (the paper's)", Ge(0)] = 10
    controller_batch: ControllerBatch = 2
    controller_rate: ControllerRate = 2e-3
    controller_size: ControllerSize = 100
    entropy_weight: EntropyWeight = 1e-3
    baseline_decay: BaselineDecay = 0.9
    candidates: Annotated[
        int, "draws of the controller from which the final network is chosen (the paper's)", Gt(0)
    ] = 10
    calibration_people: CalibrationPeople = 128
    final_epochs: FinalEpochs = 6
    final_weights: Annotated[
        FinalWeights,
        "what the winner's training begins with: shared weights, fresh ones, those of --init, or auto: those "
        "of --init, or else fresh",
    ] = "auto"

    def __post_init__(self) -> None:
        if self.updates and self.controller_from > self.epochs:
            raise ValueError(
                f"controller_from is {self.controller_from} and epochs is {self.epochs}, so the "
                "controller would never learn; lower it, or set updates=0 for draws that stay random"
            )

    def requires(self) -> Sequence[type]:
        return (*capabilities_for(self.estimator), WeightSharing)

    def check_space(self, space: SearchSpace) -> None:
        """Refuse a space without discrete dimensions that its draws vary."""
        check_choices(space)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return PlannedTraining("shared", self.epochs), PlannedTraining("final", self.final_epochs)

    def search(self, problem: Problem) -> Iterator[Trial]:
        loop = _Loop(problem, self, Policy(problem, self), Rewards(problem))
        found = loop.trained()
        trials = []
        for trial in problem.evaluate_many(
            loop.policy.different(self.candidates, fixed=loop.fixed(found.genotype), purpose="final draws"),
            found.weights,
            stage="candidate",
            calibration_people=self.calibration_people,
        ):
            trials.append(trial)
            yield trial
        best = problem.best(trials).genotype
        genotype = problem.derived(best)
        learnt = found.weights if self.final_weights == "shared" and genotype == best else None
        init = final_init(problem, self.final_weights, learnt=learnt)
        weights = problem.train(genotype, epochs=self.final_epochs, init=init)
        yield problem.evaluate(genotype, weights, stage="final")

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the search went, for the report."""
        from nas_autopose.report.course import (
            course_sections,  # loads matplotlib, which training does not need
        )

        return course_sections(results, SERIES)


@dataclass(frozen=True)
class _Loop:
    """The loop of both optimisers over the epochs."""

    problem: Problem
    options: Bilevel
    policy: Policy
    rewards: Rewards

    def trained(self) -> Relaxation:
        """Train super-network, cells and controller, and return the last weights and cells.

        Each epoch is a slice of one training. The weights before the last are deleted.
        """
        start = undecided(self.problem.space)
        found = self._epoch(0, start, before=None)
        self._after_epoch(1, found)
        for epoch in range(1, self.options.epochs):
            before, found = found, self._epoch(epoch, start, before=found)
            self.problem.discard(before.weights)
            self._after_epoch(epoch + 1, found)
        return found

    def fixed(self, genotype: Genotype) -> Mapping[str, Any]:
        """Return what the controller does not decide: the heaviest operations alone, and the rest."""
        return self._rest(discrete(self.problem.space, genotype))

    def _rest(self, genotype: Genotype) -> Mapping[str, Any]:
        return {name: value for name, value in genotype.items() if name not in self.policy.choices}

    def _epoch(self, epoch: int, start: Genotype, *, before: Relaxation | None) -> Relaxation:
        """Train weights and cells for one epoch, in networks that the controller draws now.

        Args:
            epoch: how many were trained before.
            start: the genotype with which the whole training begins.
            before: what they gave.
        """
        options = self.options
        drawn = self.policy.draw(
            options.networks,
            fixed=self.fixed(before.genotype if before else start),
            purpose=f"networks of epoch {epoch + 1}",
        )
        names = tuple(self.policy.choices)
        step = GumbelStep(
            cast(Relaxed, self.problem.space),
            estimator_for(options.estimator, self.problem),
            Annealing(options.first_temperature, options.last_temperature),
            Networks(
                rest=tuple(self._rest(start).items()),
                names=names,
                values=tuple(tuple(each.genotype[name] for name in names) for each in drawn),
            ),
        )
        return self.problem.train_relaxed(
            step,
            epochs=1,
            learning=Learning(options.architecture_rate, on="halves"),
            start=start,
            init=before.weights if before else None,
            span=Span(epoch, options.epochs),
            shared=True,
        )

    def _after_epoch(self, epoch: int, found: Relaxation) -> None:
        """Let the controller learn with the present weights, and note how far the search has come.

        Args:
            epoch: how many were trained.
            found: what they gave.
        """
        fixed = self.fixed(found.genotype)
        rewards = self._taught(epoch, found) if epoch >= self.options.controller_from else []
        likeliest = self.policy.likeliest(fixed=fixed, purpose=f"likeliest draw after epoch {epoch}")
        (validation,) = self._scored([likeliest], found, _evaluations(self.options, epoch) - 1)
        figures = {
            "cell entropy": cell_entropy(self.problem.space, found.genotype),
            "controller entropy": self.policy.entropy(purpose=f"entropy after epoch {epoch}"),
            "reward": mean(rewards),
            "baseline": self.policy.baseline,
            "likeliest": validation,
        }
        known = {name: figure for name, figure in figures.items() if figure is not None}
        self.problem.note(SERIES, epoch, known)

    def _taught(self, epoch: int, found: Relaxation) -> list[float | None]:
        """Update the controller some times after an epoch, and return the rewards of all its draws."""
        drawn: list[Drawn] = []
        rewards: list[float | None] = []
        for update in range(1, self.options.updates + 1):
            batch = self.policy.draw(
                self.options.controller_batch,
                fixed=self.fixed(found.genotype),
                purpose=f"update {update} after epoch {epoch}",
            )
            scores = self._scored(batch, found, _evaluations(self.options, epoch - 1) + len(drawn))
            self.policy.learn(batch, scores)
            drawn, rewards = [*drawn, *batch], [*rewards, *scores]
        self.rewards.check_variety(drawn, rewards)
        return rewards

    def _scored(self, drawn: Sequence[Drawn], found: Relaxation, before: int) -> list[float | None]:
        """Return the rewards of draws with the present weights; `before` were scored before."""
        trials = self.problem.evaluate_many(
            [each.genotype for each in drawn],
            found.weights,
            stage="draw",
            calibration_people=self.options.calibration_people,
            progress=(before, _evaluations(self.options, self.options.epochs)),
        )
        return self.rewards.of(list(trials))


def _evaluations(options: Bilevel, epochs: int) -> int:
    """Return how many networks are scored after the first epochs together."""
    learning = max(0, epochs - options.controller_from + 1)
    return epochs + learning * options.updates * options.controller_batch
