"""Strategy `reinforce`: the controller half of AutoPose alone, for any space with discrete dimensions.

Source: Gong et al., AutoPose, CVPR Workshops 2020, section 3.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, cast

from annotated_types import Gt
from posenas import (
    Candidate,
    Distillable,
    FinalWeights,
    Genotype,
    PlannedTraining,
    Problem,
    Results,
    SearchSpace,
    Section,
    Trial,
    Weights,
    WeightSharing,
    final_init,
)
from posenas.training import SandwichStep

from nas_autopose.choices import check_choices
from nas_autopose.options import (
    BaselineDecay,
    CalibrationPeople,
    ControllerBatch,
    ControllerRate,
    ControllerSize,
    EntropyWeight,
    FinalEpochs,
)
from nas_autopose.policy import Drawn, Policy
from nas_autopose.rewards import Rewards, mean

Source: TypeAlias = Literal["auto", "shared", "scratch"]

SERIES = "reinforce"
"""The name of the curves: what is noted after each update of the controller."""

_RANDOM_NETWORKS = 2


@dataclass(frozen=True)
class Reinforce:
    """A controller learns which values of discrete dimensions score well. The best network that it drew is
    trained in the end.

    The weights that draws are scored with stay as they are: those of a super-network that was trained
    before, or those of a short training of each drawn network. Real dimensions are drawn by the space.
    """

    weights: Annotated[
        Source, "draws' weights: a super-network's, their own, or auto: shared if the space supports it"
    ] = "auto"
    epochs: Annotated[
        int, "passes over the people in training the super-network, or each drawn network", Gt(0)
    ] = 2
    updates: Annotated[int, "updates of the controller in all (ours)", Gt(0)] = 10
    controller_batch: ControllerBatch = 2
    controller_rate: ControllerRate = 1e-3
    controller_size: ControllerSize = 100
    entropy_weight: EntropyWeight = 1e-3
    baseline_decay: BaselineDecay = 0.9
    calibration_people: CalibrationPeople = 128
    final_epochs: FinalEpochs = 8
    final_weights: Annotated[
        FinalWeights,
        "what the winner's training begins with: shared weights, fresh ones, those of --init, or auto: "
        "shared if there are any, else those of --init, or fresh",
    ] = "auto"

    def __post_init__(self) -> None:
        if self.final_weights == "shared" and self.weights == "scratch":
            raise ValueError(
                "final_weights is shared, and with weights=scratch there are none; set it to auto"
            )

    def requires(self) -> Sequence[type]:
        return (WeightSharing,) if "shared" in (self.weights, self.final_weights) else ()

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:
        if self.weights != "scratch" and isinstance(space, WeightSharing):
            first = PlannedTraining("shared", self.epochs)
        else:
            first = PlannedTraining("candidate", self.epochs, self.updates * self.controller_batch)
        return first, PlannedTraining("final", self.final_epochs)

    def check_space(self, space: SearchSpace) -> None:
        """Refuse a space without discrete dimensions that its draws vary."""
        check_choices(space)

    def search(self, problem: Problem) -> Iterator[Trial]:
        policy, rewards = Policy(problem, self), Rewards(problem)
        shared = self._shared(problem)
        trials: dict[str, Trial] = {}
        all_drawn: list[Drawn] = []
        all_scores: list[float | None] = []
        for update in range(1, self.updates + 1):
            drawn = policy.draw(self.controller_batch, fixed={}, purpose=f"update {update}")
            scored = list(self._scored(problem, [each.genotype for each in drawn], shared, update))
            yield from (trial for trial in scored if trial.id not in trials)
            trials |= {trial.id: trial for trial in scored}
            scores = rewards.of(scored)
            policy.learn(drawn, scores)
            all_drawn, all_scores = [*all_drawn, *drawn], [*all_scores, *scores]
            figures = {
                "controller entropy": policy.entropy(purpose=f"entropy after update {update}"),
                "reward": mean(scores),
                "baseline": policy.baseline,
            }
            known = {name: figure for name, figure in figures.items() if figure is not None}
            problem.note(SERIES, update, known)
        rewards.check_variety(all_drawn, all_scores)
        best = problem.best(list(trials.values()))
        genotype = problem.derived(best.genotype)
        learnt = shared if genotype == best.genotype else None
        init = final_init(problem, self.final_weights, learnt=learnt)
        weights = problem.train(genotype, epochs=self.final_epochs, init=init)
        yield problem.evaluate(genotype, weights, stage="final")

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the search went, for the report."""
        from nas_autopose.report.course import (
            course_sections,  # loads matplotlib, which training does not need
        )

        return course_sections(results, SERIES)

    def _shared(self, problem: Problem) -> Weights | None:
        """Return a trained super-network's weights; None where each draw is trained alone."""
        if self.weights == "scratch" or not problem.offers(WeightSharing):
            return None
        step = SandwichStep(
            cast(WeightSharing, problem.space),
            _RANDOM_NETWORKS,
            "truth+teacher" if problem.offers(Distillable) else "off",
        )
        return problem.train_shared(step, epochs=self.epochs)

    def _scored(
        self, problem: Problem, genotypes: Sequence[Genotype], shared: Weights | None, update: int
    ) -> Iterator[Trial]:
        """Yield the trials of one batch of draws.

        Args:
            problem: what the search is asked.
            genotypes: of the draws.
            shared: the super-network's weights; None where each draw is trained alone.
            update: the number of the batch, from 1 on.
        """
        if shared is None:
            candidates = [Candidate(problem.derived(genotype)) for genotype in genotypes]
            return problem.train_and_evaluate_many(candidates, epochs=self.epochs, stage="draw")
        done, total = (update - 1) * self.controller_batch, self.updates * self.controller_batch
        return problem.evaluate_many(
            genotypes,
            shared,
            stage="draw",
            calibration_people=self.calibration_people,
            progress=(done, total),
        )
