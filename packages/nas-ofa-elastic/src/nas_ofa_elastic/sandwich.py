"""Strategy `sandwich`: one super-network for a whole space, then a search on its weights (ViPNAS).

Source: Xu et al., ViPNAS, CVPR 2021, section 3.4.1; progressive shrinking is Cai et al.'s (Once-for-All,
ICLR 2020, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from annotated_types import Ge, Gt
from posenas import (
    Distillable,
    FinalWeights,
    PlannedTraining,
    PosenasError,
    Problem,
    Propagating,
    SearchSpace,
    Span,
    Trial,
    Weights,
    WeightSharing,
    final_init,
)
from posenas.training import Distillation, SandwichStep

_OPENED_FIRST = ("scale", "kernel", "depth")
"""The kinds of dimension, by the last word of their names, in the order of Once-for-All: resolution from
the beginning, then kernel, then depth. All others open together in the end."""


@dataclass(frozen=True)
class Sandwich:
    """Trains the super-network; ranks random genotypes and the space's two ends, as far as they are within
    the limits, on its weights; cuts the best one out and trains it on. Where a space derives another network
    from it, that one is trained anew."""

    epochs: Annotated[int, "passes over the people in training the super-network", Gt(0)] = 2
    random_networks: Annotated[
        int, "random networks in each step, besides the largest and the smallest", Ge(0)
    ] = 2
    distillation: Annotated[
        Distillation,
        "what the smaller ones learn from: truth and largest network (ViPNAS), it alone (BigNAS), the truth",
    ] = "truth+teacher"
    shrinking: Annotated[
        bool, "open kernel, depth and the other dimensions one after another (Once-for-All), not all at once"
    ] = False
    candidates: Annotated[int, "genotypes to rank", Gt(0)] = 16
    calibration_people: Annotated[
        int, "training people that batch norm's statistics are taken from", Gt(0)
    ] = 128
    final_epochs: Annotated[int, "passes over the people in training the winner further", Gt(0)] = 13
    final_weights: Annotated[
        FinalWeights,
        "what the winner's training begins with: shared weights, fresh ones, those of --init, or auto: "
        "shared",
    ] = "auto"

    def requires(self) -> Sequence[type]:
        return (WeightSharing,) if self.distillation == "off" else (WeightSharing, Distillable)

    def check_space(self, space: SearchSpace) -> None:
        if isinstance(space, Propagating) and self.final_weights not in ("auto", "shared"):
            raise PosenasError(
                f"strategy.final_weights={self.final_weights}: the network of key frames is frozen, and only "
                "shared weights hold it; set strategy.final_weights=shared"
            )

    def supports(self) -> Sequence[type]:
        return (Propagating,)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:
        own = PlannedTraining("shared", self.epochs), PlannedTraining("final", self.final_epochs)
        if isinstance(space, Propagating) and not space.key_run:
            return (PlannedTraining("candidate", space.key_epochs), *own)
        return own

    def search(self, problem: Problem) -> Iterator[Trial]:
        space = cast(WeightSharing, problem.space)
        shared = self._train(problem, space)
        trials = []
        ends = (space.largest(), space.smallest())
        for trial in problem.evaluate_many(
            problem.draw(self.candidates, first=ends),
            shared,
            stage="candidate",
            calibration_people=self.calibration_people,
        ):
            trials.append(trial)
            yield trial
        found = problem.best(trials).genotype
        genotype = problem.derived(found)
        learnt = shared if genotype == found else None  # another network does not nest in the shared weights
        init = final_init(problem, self.final_weights, learnt=learnt)
        weights = problem.train(genotype, epochs=self.final_epochs, init=init)
        yield problem.evaluate(genotype, weights, stage="final")

    def _train(self, problem: Problem, space: WeightSharing) -> Weights:
        """Train the super-network, and return its weights. With `shrinking` each phase is a slice."""
        key_frame = _key_frame(problem, space) if isinstance(space, Propagating) else None
        phases = shrinking_phases(tuple(space.dimensions())) if self.shrinking else ((),)
        if self.epochs < len(phases):
            raise PosenasError(
                f"strategy.epochs = {self.epochs} is too few for strategy.shrinking: this space opens in "
                f"{len(phases)} phases, of one epoch each at least"
            )
        earlier, begin = key_frame, 0
        for index, closed in enumerate(phases):
            end = self.epochs * (index + 1) // len(phases)
            weights = problem.train_shared(
                SandwichStep(space, self.random_networks, self.distillation, closed),
                epochs=end - begin,
                init=earlier,
                span=Span(begin, self.epochs) if self.shrinking else None,
            )
            if earlier is not None and earlier is not key_frame:
                problem.discard(earlier)
            earlier, begin = weights, end
        return weights


def _key_frame(problem: Problem, space: Propagating) -> Weights:
    """Return the weights of the key frame's network, taken from its run or trained."""
    if space.key_run:
        return problem.weights_of(space.key_run, space.key_frame())
    return problem.train(space.key_frame(), epochs=space.key_epochs, on="fit")


def shrinking_phases(dimensions: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the dimensions that stay closed in each phase: first all but the resolution, in the last none.

    A phase that opens nothing is left out.
    """
    left = [name for name in dimensions if _kind(name) != _OPENED_FIRST[0]]
    phases = [tuple(left)]
    for kind in _OPENED_FIRST[1:]:
        left = [name for name in left if _kind(name) != kind]
        phases.append(tuple(left))
    return tuple(dict.fromkeys((*phases, ())))


def _kind(dimension: str) -> str:
    return dimension.rpartition(".")[2]
