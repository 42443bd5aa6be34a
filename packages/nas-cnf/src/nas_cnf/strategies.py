"""Strategies for spaces with real dimensions: the architecture is learnt by gradient, like weights.

Source: PoseNFS (Yang et al., 2019), section III-F, for `synchronous`; DARTS (Liu et al., ICLR 2019) for
`first-order` and `second-order`. Random architectures that stay as they are drawn are the core's `random`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias, cast

from annotated_types import Ge, Gt, Lt
from posenas import (
    Genotype,
    Learning,
    PlannedTraining,
    Problem,
    Relaxation,
    Relaxed,
    Results,
    SearchSpace,
    Section,
    Trial,
    Weights,
    final_init,
)

from nas_cnf.simplifiable import Simplifiable
from nas_cnf.steps import BilevelStep, SynchronousStep

SearchEpochs: TypeAlias = Annotated[int, "passes over the people in learning weights and architecture", Gt(0)]
ArchitectureRate: TypeAlias = Annotated[float, "learning rate of the architecture", Gt(0)]
ArchitectureDecay: TypeAlias = Annotated[float, "weight decay of the architecture", Ge(0)]
FinalEpochs: TypeAlias = Annotated[int, "passes in training the found network", Gt(0)]
FinalWeights: TypeAlias = Annotated[
    Literal["auto", "fresh", "init"],
    "what the found network's training begins with: fresh weights, those of --init, or auto: those of "
    "--init, or else fresh",
]
Sparsity: TypeAlias = Annotated[
    float, "weight of the architecture's entropy in its loss: above 0, few choices come to weigh all", Ge(0)
]
Discrete: TypeAlias = Annotated[
    bool, "before the last training, keep only the choice with the largest weight everywhere, as DARTS does"
]
Prune: TypeAlias = Annotated[
    float,
    "leave out operations and sources of less than this share of their choice, before the last training; 0: "
    "those of exactly none",
    Ge(0),
    Lt(1),
]


@dataclass(frozen=True)
class Synchronous:
    """Weights and architecture learn in the same steps, from all training people; nothing is made discrete.

    The answer is the network as it is then, or after `final_epochs` more with the architecture frozen. Where
    it is pruned or made discrete, the whole one is a trial too.
    """

    epochs: SearchEpochs = 8
    architecture_rate: Annotated[
        float | None, "constant learning rate of the architecture; none takes that of the weights", Gt(0)
    ] = None
    sparsity: Sparsity = 0.0
    discrete: Discrete = False
    prune: Prune = 0.0
    final_epochs: Annotated[
        int, "passes in training the found network further, with a frozen architecture", Ge(0)
    ] = 0
    final_weights: Annotated[
        Literal["learnt", "fresh", "init"],
        "what that training begins with: the weights that learnt with the architecture, fresh ones, or those "
        "of --init",
    ] = "learnt"

    def __post_init__(self) -> None:
        if self.final_weights != "learnt" and not self.final_epochs:
            raise ValueError(
                f"final_weights is {self.final_weights}, and with final_epochs=0 the found network is not "
                "trained again; set final_epochs"
            )

    def requires(self) -> Sequence[type]:
        return _required(self)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        last = [PlannedTraining("final", self.final_epochs)] if self.final_epochs else []
        return PlannedTraining("shared", self.epochs), *last

    def search(self, problem: Problem) -> Iterator[Trial]:
        space = cast(Relaxed, problem.space)
        found = problem.train_relaxed(
            SynchronousStep(space, self.sparsity),
            epochs=self.epochs,
            learning=Learning(self.architecture_rate),
        )
        genotype = _simplified(problem, found.genotype, self)
        weights = yield from _left_out(problem, found, genotype)
        if self.final_epochs:
            init = final_init(problem, self.final_weights, learnt=weights)
            weights = problem.train(genotype, epochs=self.final_epochs, init=init)
        yield problem.evaluate(genotype, weights, stage="final")

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the architecture was learnt, for the report."""
        return _learning_sections(results)


@dataclass(frozen=True)
class FirstOrder:
    """DARTS's approximation: weights learn from one half of the training people, the architecture from the
    other half at the present weights. The found network is then trained anew on all of them."""

    epochs: SearchEpochs = 6
    architecture_rate: ArchitectureRate = 3e-3
    architecture_decay: ArchitectureDecay = 1e-3
    sparsity: Sparsity = 0.0
    discrete: Discrete = False
    prune: Prune = 0.0
    final_epochs: FinalEpochs = 8
    final_weights: FinalWeights = "auto"

    def requires(self) -> Sequence[type]:
        return _required(self)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return PlannedTraining("shared", self.epochs), PlannedTraining("final", self.final_epochs)

    def search(self, problem: Problem) -> Iterator[Trial]:
        step = BilevelStep(cast(Relaxed, problem.space), 1, 0.0, self.sparsity)
        yield from _trained_anew(problem, _learnt(problem, self, step), self)

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the architecture was learnt, for the report."""
        return _learning_sections(results)


@dataclass(frozen=True)
class SecondOrder:
    """DARTS: like `first-order`, but the architecture's gradient is that of the loss after the weights' next
    step, which itself depends on the architecture. About three times the time and memory."""

    epochs: SearchEpochs = 4
    architecture_rate: ArchitectureRate = 3e-3
    architecture_decay: ArchitectureDecay = 1e-3
    inner_rate: Annotated[float, "length of the weights' next step", Gt(0)] = 1e-3
    sparsity: Sparsity = 0.0
    discrete: Discrete = False
    prune: Prune = 0.0
    final_epochs: FinalEpochs = 8
    final_weights: FinalWeights = "auto"

    def requires(self) -> Sequence[type]:
        return _required(self)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return PlannedTraining("shared", self.epochs), PlannedTraining("final", self.final_epochs)

    def search(self, problem: Problem) -> Iterator[Trial]:
        step = BilevelStep(cast(Relaxed, problem.space), 2, self.inner_rate, self.sparsity)
        yield from _trained_anew(problem, _learnt(problem, self, step), self)

    def sections(self, results: Results) -> Sequence[Section]:
        """Return how the architecture was learnt, for the report."""
        return _learning_sections(results)


def _learning_sections(results: Results) -> Sequence[Section]:
    from nas_cnf.report.learning import learning_sections  # loads matplotlib, which training does not need

    return learning_sections(results)


def _learnt(problem: Problem, options: FirstOrder | SecondOrder, step: BilevelStep) -> Relaxation:
    learning = Learning(options.architecture_rate, options.architecture_decay, on="halves")
    return problem.train_relaxed(step, epochs=options.epochs, learning=learning)


def _trained_anew(problem: Problem, found: Relaxation, options: FirstOrder | SecondOrder) -> Iterator[Trial]:
    """Train the found network with fresh weights, on all training people, and yield its trials."""
    genotype = _simplified(problem, found.genotype, options)
    yield from _left_out(problem, found, genotype)
    init = final_init(problem, options.final_weights, learnt=None)
    weights = problem.train(genotype, epochs=options.final_epochs, init=init)
    yield problem.evaluate(genotype, weights, stage="final")


def _left_out(problem: Problem, found: Relaxation, genotype: Genotype) -> Generator[Trial, None, Weights]:
    """Yield the whole network as a trial, if the genotype is a part of it.

    Returns:
        The part's weights. How far its outputs are from the whole one's is in the run.
    """
    if genotype == found.genotype:
        return found.weights
    whole = problem.evaluate(found.genotype, found.weights, stage="learnt")
    yield replace(whole, learnt=True)
    return problem.leave_out(genotype, found.weights, whole=found.genotype)


def _required(options: Synchronous | FirstOrder | SecondOrder) -> Sequence[type]:
    return (Relaxed, Simplifiable) if options.discrete or options.prune else (Relaxed,)


def _simplified(
    problem: Problem, genotype: Genotype, options: Synchronous | FirstOrder | SecondOrder
) -> Genotype:
    """Return the genotype that is trained in the end."""
    if options.discrete:
        return cast(Simplifiable, problem.space).discrete(genotype)
    if options.prune:
        return cast(Simplifiable, problem.space).prune(genotype, options.prune)
    return problem.derived(genotype)
