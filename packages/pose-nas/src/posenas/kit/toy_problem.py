"""A search without training, whose best genotype is known, for the checks of strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from posenas.composing.goals.limits import draw_genotypes
from posenas.composing.goals.narrowed import narrowed
from posenas.composing.goals.objectives import best_trial
from posenas.contract.components import Backbone, Distillable
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, check_part, sample_uniform
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.phases import Phase, phase_of
from posenas.contract.problem import Beginning, Candidate, Learning, Relaxation, Span, Step, Weights
from posenas.contract.randomness import derive_rng
from posenas.contract.trial import Trial
from posenas.runs.journal import Journal, effect_key
from posenas.runs.notes import NOTE, check_figures, note_inputs
from posenas.searching.identity import identity

BEST = {"depth": 4, "width": 16}
"""The best of the toy space's 25 genotypes: neither an end nor the middle."""
_METRIC = "toy.AP"


@dataclass(frozen=True)
class ToySpace:
    """Five depths and five widths of networks that are never built; the largest holds the others."""

    def dimensions(self) -> Mapping[str, Choice]:
        return {"depth": Choice((1, 2, 3, 4, 5)), "width": Choice((8, 16, 24, 32, 40))}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Backbone:
        raise PosenasError(f"the kit's toy space has no network to build of {dict(genotype)}")

    def largest(self) -> Genotype:
        return {"depth": 5, "width": 40}

    def smallest(self) -> Genotype:
        return {"depth": 1, "width": 8}


class StoppedError(Exception):
    """The toy search was stopped, as a kill stops a real one."""


class ToyProblem:
    """The contract's `Problem`, where its methods are explained, with scores by the distance from `BEST`.

    Args:
        seed: of all random numbers.
        failing: whether one genotype in four fails. The best one and the middle do not.
        journal: remembers the results of effects; None computes each of them.
        stop_after: the number of new effects that the search is stopped after; None never stops it.

    Attributes:
        asked: the keys of the effects that were asked for, in order.
        genotypes: those that were to be trained, scored or counted.
        answers: the trials that `evaluate` gave.
        shared: the weights of super-networks.
        trainings: phase and epochs of each training; of one in slices, the whole's, once.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        failing: bool = False,
        journal: Journal | None = None,
        stop_after: int | None = None,
    ) -> None:
        self.space = ToySpace()
        self.objectives = (Objective(_METRIC, maximize=True, is_cost=False),)
        self.metric_limits: tuple[MetricLimit, ...] = ()
        self.asked: list[str] = []
        self.genotypes: list[Genotype] = []
        self.answers: list[Trial] = []
        self.shared: list[Weights] = []
        self.trainings: list[tuple[Phase, int]] = []
        self._seed, self._failing, self._journal, self._left = seed, failing, journal, stop_after

    def offers(self, capability: type) -> bool:
        return capability is Distillable or isinstance(self.space, capability)

    def rng(self, purpose: str) -> Random:
        return derive_rng(self._seed, purpose)

    def best(self, trials: Sequence[Trial]) -> Trial:
        best = best_trial(trials, self.objectives)
        if best is None:
            raise PosenasError(f"all {len(trials)} candidates failed")
        return best

    def costs(self, genotype: Genotype) -> dict[str, float]:
        self.genotypes.append(genotype)
        parameters = 1000 * genotype["depth"] * genotype["width"]
        macs = 100 * parameters
        flops = {"gmacs": macs / 1e9, "paper_gflops": macs / 1e9, "thesis_gflops": 2 * macs / 1e9}
        return {"parameters": parameters, "parameters_with_statistics": parameters, "macs": macs, **flops}

    def derived(self, genotype: Genotype) -> Genotype:
        return genotype

    def within_limits(self, genotype: Genotype) -> bool:
        self.genotypes.append(genotype)
        return True

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
        fixed = fixed or {}
        check_part(fixed, self.space.dimensions())
        drawn = draw_genotypes(
            narrowed(self.space, fixed),
            number,
            limits=(),
            cost=lambda genotype, name: self.costs(genotype)[name],
            rng=self.rng(purpose),
            first=[{**genotype, **fixed} for genotype in first],
            sample=sample,
        )
        self.genotypes += drawn
        return drawn

    def note(self, series: str, epoch: int, values: Mapping[str, float]) -> None:
        self._perform(NOTE, note_inputs(series, epoch), check_figures(series, epoch, values))

    def warn(self, message: str) -> None:
        """Tell nobody: a check says what is wrong."""

    def train_shared(
        self,
        step: Step,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "fit",
        name: str = "super-network",  # noqa: ARG002
        span: Span | None = None,
    ) -> Weights:
        self._note_training("shared", epochs, span)
        inputs = {"step": identity(step, role="step"), "epochs": epochs, "on": on}
        self.shared.append(Weights(self._trained("train_shared", inputs, init, span), shared=True))
        return self.shared[-1]

    def train(
        self,
        genotype: Genotype,
        *,
        epochs: int,
        init: Weights | Beginning | None = None,
        on: str = "train",
        repeat: int = 0,
        span: Span | None = None,
    ) -> Weights:
        self.genotypes.append(genotype)
        self._note_training(phase_of(on), epochs, span)
        inputs = {"genotype": dict(genotype), "epochs": epochs, "on": on, "repeat": repeat}
        if isinstance(init, Beginning):
            inputs, init = inputs | {"beginning": init.value}, None
        return Weights(self._trained("train", inputs, init, span), shared=False)

    def weights_of(self, run: str, genotype: Genotype) -> Weights:
        self.genotypes.append(genotype)
        return Weights(
            self._trained("take", {"run": run, "genotype": dict(genotype)}, None, None), shared=False
        )

    def train_relaxed(self, step: Step, *, epochs: int, learning: Learning, **_options: Any) -> Relaxation:  # noqa: ARG002
        raise PosenasError("the kit's toy space has no real dimensions; require Relaxed")

    def leave_out(self, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Weights:
        self.genotypes += [genotype, whole]
        inputs = {"genotype": dict(genotype), "weights": weights.file, "whole": dict(whole)}
        return Weights(self._trained("leave_out", inputs, None, None), shared=False)

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        answer = self._scored(genotype, weights, stage=stage, split="val")
        self.answers.append(answer)
        return answer

    def evaluate_many(
        self,
        genotypes: Sequence[Genotype],
        weights: Weights,
        *,
        stage: str,
        calibration_people: int,
        progress: tuple[int, int] | None = None,  # noqa: ARG002
    ) -> Iterator[Trial]:
        for genotype in genotypes:
            yield self._scored(genotype, weights, stage=stage, calibration_people=calibration_people)

    def train_and_evaluate_many(
        self, candidates: Sequence[Candidate], *, epochs: int, stage: str
    ) -> Iterator[Trial]:
        for candidate in candidates:
            weights = self.train(candidate.genotype, epochs=epochs, init=candidate.init, on="fit")
            yield self._scored(candidate.genotype, weights, stage=stage, split="ranking")

    def discard(self, weights: Weights) -> None:
        """Delete nothing: there are no files."""

    def _note_training(self, phase: Phase, epochs: int, span: Span | None) -> None:
        if span is None or not span.begin:
            self.trainings.append((phase, span.of if span else epochs))

    def _trained(
        self, effect: str, inputs: Mapping[str, Any], init: Weights | None, span: Span | None
    ) -> str:
        beginning = {"init": init.file if init else None, "span": [span.begin, span.of] if span else None}
        whole = {**inputs, **beginning}
        return str(self._perform(effect, whole, effect_key(effect, whole)))

    def _scored(
        self, genotype: Genotype, weights: Weights, *, stage: str, split: str = "ranking", **more: Any
    ) -> Trial:
        costs = self.costs(genotype)
        inputs = {"genotype": dict(genotype), "weights": weights.file, "split": split, **more}
        loss = self._perform("evaluate", inputs, self._loss(genotype))
        told: dict[str, Any] = {"stage": stage, "split": split, "costs": costs, "weights": weights.file}
        if loss is None:
            return Trial(genotype, metrics={}, failure="RuntimeError: one toy in four fails", **told)
        return Trial(genotype, metrics={_METRIC: 1 / loss}, loss=loss, **told)

    def _loss(self, genotype: Genotype) -> float | None:
        depth, width = int(genotype["depth"]), int(genotype["width"]) // 8
        if self._failing and (depth + width) % 4 == 0:
            return None
        return 1.0 + abs(depth - BEST["depth"]) + abs(width - BEST["width"] // 8)

    def _perform(self, effect: str, inputs: Mapping[str, Any], computed: Any) -> Any:
        """Return an effect's result: the journal's, or the computed one, which is in the journal then."""
        key = effect_key(effect, inputs)
        self.asked.append(key)
        if self._journal is None:
            return computed
        if self._journal.find(key) is None:
            if self._left == 0:
                raise StoppedError
            self._left = None if self._left is None else self._left - 1
            self._journal.append(effect, key, inputs=inputs, result={"value": computed})
        found = self._journal.find(key)
        assert found is not None
        return found["value"]
