"""What a strategy works with: the costly steps of a search, each done once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from random import Random
from typing import Any

from posenas.composing.checks.fitting import offers
from posenas.composing.composition import Composition
from posenas.composing.goals.budget import Guide
from posenas.composing.goals.costs import BoundCost
from posenas.composing.goals.division import LARGEST
from posenas.composing.goals.limits import draw_genotypes, guide_to_budget, near_budget, within
from posenas.composing.goals.narrowed import narrowed
from posenas.composing.goals.objectives import best_trial
from posenas.composing.plugins import Owner
from posenas.contract.components import SearchSpace, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, check_genotype, check_part, genotype_id
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.phases import Phase, phase_of
from posenas.contract.problem import Beginning, Candidate, Learning, Relaxation, Span, Step, Weights
from posenas.contract.randomness import derive_rng
from posenas.contract.trial import Trial
from posenas.learning.training import SupervisedStep, Watch
from posenas.networks.devices import processes_here
from posenas.networks.processes import ALONE, Processes
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.notes import NOTE, check_figures, note_inputs
from posenas.runs.predictions_file import are_kept
from posenas.runs.run import Run
from posenas.searching.candidate import Job, Scoring, train_candidate
from posenas.searching.effects import Effect, Memory
from posenas.searching.engine import Engine, Task
from posenas.searching.following import FollowingMemory
from posenas.searching.leaving_out import leaving_out
from posenas.searching.parallel import Crew, processes
from posenas.searching.relaxed_training import relaxed_training
from posenas.searching.resources import make_resources
from posenas.searching.retracing import Retracing
from posenas.searching.scoring import candidate_evaluation, final_evaluation, make_trial
from posenas.searching.taking import taking
from posenas.searching.training_effects import (
    Training,
    beginning,
    network_training,
    shared_training,
    watch_training,
    weights_of,
)


class JournaledProblem:
    """A search in a run's folder, whose costly steps are effects that its journal remembers.

    It is the contract's `Problem`, where its methods are explained. The core asks it for single costs, for
    the content of weights files, to note the largest network, and to end the processes that it started.
    """

    def __init__(
        self,
        composition: Composition,
        run: Run,
        journal: Journal | None,
        *,
        events: Events,
        retracing: Retracing | None = None,
        processes: Processes = ALONE,
        engine: Engine | None = None,
    ) -> None:
        """Take in what is searched.

        Args:
            composition: what is searched, and how.
            run: the folder of its results.
            journal: of the run; None in every process but the first.
            events: told of progress and warnings.
            retracing: the steps that must be asked for again in their order; None for any steps.
            processes: that train networks together.
            engine: scores candidates, and trains those that are trained alone; None to do so on this machine.
        """
        self._composition = composition
        self._run = run
        self._events = events
        self._processes = processes
        self._memory: Memory | FollowingMemory = (
            FollowingMemory(run, processes)
            if journal is None
            else Memory(
                run,
                journal,
                warn=events.warn,
                check=retracing.check if retracing else lambda _effect: None,
                asking=Owner("strategy", composition.recipe.strategy.name),
                repeats=composition.compute.repeats,
                processes=processes,
            )
        )
        warn = self._memory.warnings.append if isinstance(self._memory, FollowingMemory) else events.warn
        self._resources = make_resources(
            composition,
            run,
            warn=warn,
            advance=self._advance,
            read=self._memory.read_weights,
            beside=processes_here(),
        )
        self._engine = engine
        self._crew: Crew | None = None
        self._costs: dict[tuple[str, str], Mapping[str, float]] = {}
        self._shared: set[str] = set()
        self._trained: set[Phase] = set()

    @property
    def space(self) -> SearchSpace:
        return self._composition.space

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What to make great or small; at least one is a metric."""
        return self._composition.objectives

    @property
    def metric_limits(self) -> tuple[MetricLimit, ...]:
        """The limits on metrics."""
        return self._composition.metric_limits

    def offers(self, capability: type) -> bool:
        composition = self._composition
        return offers(capability, composition.space, composition.head, composition.keypoints)

    def best(self, trials: Sequence[Trial]) -> Trial:
        best = best_trial(trials, self.objectives, limits=self.metric_limits)
        if best is None:
            raise PosenasError(f"all {len(trials)} candidates failed; the first said: {trials[0].failure}")
        return best

    def rng(self, purpose: str) -> Random:
        return derive_rng(self._composition.recipe.seed, purpose)

    def derived(self, genotype: Genotype) -> Genotype:
        return self._composition.derived(genotype)

    def costs(self, genotype: Genotype) -> dict[str, float]:
        return self._composition.costs.of_trial(genotype, self._measured)

    def note_largest(self) -> None:
        """Write to the journal how the largest network divides, where the head is searched.

        The report compares the answer with it.
        """
        division = self._composition.costs.division
        if division is None or not isinstance(self.space, WeightSharing):
            return
        largest = self.derived(self.space.largest())
        inputs = {"genotype": dict(largest)}
        self._memory.perform(Effect(LARGEST, inputs, lambda _key: division.measure(largest)))

    def cost_by_name(self, genotype: Genotype, name: str) -> float:
        """Return one cost as limits judge it: of latency the upper figure."""
        return self._composition.costs.judged(genotype, name, self._measured)

    def _measured(self, cost: BoundCost, genotype: Genotype) -> Mapping[str, float]:
        """Return the figures of a cost, which are kept: a dear one's in the journal."""
        if cost.dear:
            effect = Effect(cost.name, cost.inputs(genotype), lambda _key: cost.measure(genotype))
            return dict(self._memory.perform(effect))
        key = cost.name, genotype_id(genotype)
        if key not in self._costs:
            self._costs[key] = cost.measure(genotype)
        return self._costs[key]

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
        space, guide = narrowed(self.space, fixed), None if sample else self._guide
        drawn = draw_genotypes(
            space,
            number,
            limits=self._composition.limits,
            cost=self.cost_by_name,
            rng=self.rng(purpose),
            first=[{**genotype, **fixed} for genotype in first],
            guide=replace(guide, space=space) if guide else None,
            sample=_checked(sample, self.space) if sample else None,
        )
        if len(drawn) < number and purpose == "candidates":
            self._events.warn(
                f"{number} candidates are asked for, and no more than {len(drawn)} different ones within the "
                "limits were found"
            )
        return drawn

    def note(self, series: str, epoch: int, values: Mapping[str, float]) -> None:
        result = check_figures(series, epoch, values)
        known = self._memory.perform(Effect(NOTE, note_inputs(series, epoch), lambda _key: result))
        if known != result:
            self._events.warn(
                f"note {series!r}: epoch {epoch} was noted before with other figures, which stay; a strategy "
                "notes each epoch once"
            )

    def _check(self, *genotypes: Genotype) -> None:
        """Refuse what is no genotype of the space before anything costly is done with it."""
        dimensions = self.space.dimensions()
        for genotype in genotypes:
            try:
                check_genotype(genotype, dimensions)
            except PosenasError as error:
                strategy = Owner("strategy", self._composition.recipe.strategy.name)
                raise PosenasError(f"{strategy}: {error}") from error

    def warn(self, message: str) -> None:
        self._events.warn(message)

    def within_limits(self, genotype: Genotype) -> bool:
        return within(genotype, self._composition.limits, self.cost_by_name)

    def near_budget(self, genotype: Genotype) -> bool:
        return self._guide is None or near_budget(genotype, self._composition.limits, self.cost_by_name)

    @cached_property
    def _guide(self) -> Guide | None:
        """The way to genotypes near the limits; None where a cost is an objective: cheap ones count then."""
        if any(objective.is_cost for objective in self.objectives):
            return None
        rng = self.rng("guide to the budget")
        return guide_to_budget(self.space, self._composition.limits, self.cost_by_name, rng=rng)

    def train_shared(
        self,
        step: Step,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "fit",
        name: str = "super-network",
        span: Span | None = None,
    ) -> Weights:
        self._trained.add("shared")
        training = Training(
            step, epochs, on, self._watch(f"training {name}"), "shared", init, span, self._processes
        )
        result = self._trained_here(shared_training(self._resources, training))
        return self._weights(result, shared=True)

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
        self._check(genotype)
        self._trained.add(phase_of(on))
        watch = self._watch("training network")
        training = Training(SupervisedStep(), epochs, on, watch, phase_of(on), init, span, self._processes)
        effect = network_training(self._resources, genotype, training, repeat=repeat)
        return self._weights(self._trained_here(effect), shared=False)

    def weights_of(self, run: str, genotype: Genotype) -> Weights:
        self._check(genotype)
        return self._weights(self._memory.perform(taking(self._resources, run, genotype)), shared=False)

    def train_relaxed(
        self,
        step: Step,
        *,
        epochs: int,
        learning: Learning,
        start: Genotype | None = None,
        init: Weights | None = None,
        span: Span | None = None,
        shared: bool = False,
    ) -> Relaxation:
        self._trained.add("shared")
        watch = self._watch("training network and architecture")
        self._check(*([] if start is None else [start]))
        training = Training(step, epochs, learning.on, watch, "shared", init, span, self._processes)
        effect = relaxed_training(self._resources, training, start=start, learning=learning, shared=shared)
        result = self._trained_here(effect)
        weights = self._weights(result, shared=shared)
        return Relaxation(weights, result["genotype"], tuple(result["course"]))

    def _trained_here(self, effect: Effect) -> Any:
        """Return the result of a training that this process does, with the memory that a crew had."""
        if not self._memory.knows(effect.key):
            self._end_crew()
        return self._memory.perform(effect)

    def _weights(self, result: object, *, shared: bool) -> Weights:
        weights = weights_of(result, shared=shared)
        if shared:
            self._shared.add(weights.file)
        return weights

    def leave_out(self, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Weights:
        self._check(genotype, whole)
        result = self._memory.perform(leaving_out(self._resources, genotype, weights, whole=whole))
        return Weights(result["weights"], shared=False)

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        self._check(genotype)
        effect = final_evaluation(self._resources, genotype, weights)
        result = self._memory.perform(effect)
        kept = self._run.predictions / result.get("predictions", "")
        if self._processes.first and "predictions" in result and not are_kept(kept):
            self._events.warn(f"{kept}: is missing or damaged; predicting again")
            if effect.compute(effect.key) != result:
                raise PosenasError(f"{kept}: predicting again gave other predictions; begin a new run")
        return self._trial(genotype, result, weights=weights.file, stage=stage, split="val")

    def evaluate_many(
        self,
        genotypes: Sequence[Genotype],
        weights: Weights,
        *,
        stage: str,
        calibration_people: int,
        progress: tuple[int, int] | None = None,
    ) -> Iterator[Trial]:
        self._check(*genotypes)
        split = self._resources.splits.ranking_split
        before, total = (0, len(genotypes)) if progress is None else progress
        effects = self._evaluations(genotypes, weights, calibration_people=calibration_people)
        for done, (genotype, effect) in enumerate(zip(genotypes, effects, strict=True), start=before + 1):
            result = self._memory.perform(effect)
            yield self._trial(genotype, result, weights=weights.file, stage=stage, split=split)
            self._advance("evaluating candidates", done, total)

    def _evaluations(
        self, genotypes: Sequence[Genotype], weights: Weights, *, calibration_people: int
    ) -> list[Effect]:
        """Return the effects that score candidates; an engine does all that are unknown at the same time."""
        effects = [
            candidate_evaluation(self._resources, genotype, weights, calibration_people=calibration_people)
            for genotype in genotypes
        ]
        if self._engine is None:
            return effects
        unknown = {
            effect.key: Scoring(effect.key, genotype, weights, calibration_people)
            for effect, genotype in zip(effects, genotypes, strict=True)
            if not self._memory.knows(effect.key)
        }
        results = self._finished(self._engine, list(unknown.values()), advance=lambda *_: None)
        return [replace(effect, compute=lambda _key: next(results)) for effect in effects]

    def train_and_evaluate_many(
        self, candidates: Sequence[Candidate], *, epochs: int, stage: str
    ) -> Iterator[Trial]:
        self._check(*(candidate.genotype for candidate in candidates))
        self._trained.add("candidate")
        jobs = [
            Job(candidate.genotype, epochs=epochs, **beginning(self._resources, candidate.init))
            for candidate in candidates
        ]
        unknown = {job.key: job for job in jobs if not self._memory.knows(job.key)}
        results = self._finish(list(unknown.values()))
        split = self._resources.splits.ranking_split
        for job in jobs:
            effect = Effect(job.effect, job.inputs, lambda _key: next(results), partial(self._again, job))
            result = self._memory.perform(effect)
            yield self._trial(job.genotype, result, weights=result.get("weights"), stage=stage, split=split)

    def _finish(self, jobs: Sequence[Job]) -> Iterator[Mapping[str, Any]]:
        """Yield the jobs' results in their order, from this process or several."""
        if self._engine is not None:
            advance = partial(self._advance, f"{len(jobs)} candidates on Ray")
            yield from self._finished(self._engine, jobs, advance=advance)
            return
        size = processes(self._composition.training.parallel, self._composition.compute.device)
        if size < 2 or len(jobs) < 2:
            for number, job in enumerate(jobs, 1):
                yield self._train_candidate(job, task=f"training candidate {number} of {len(jobs)}")
            return
        self._resources.splits.close()  # the crew's processes load their own
        if self._crew is None:
            self._crew = Crew(self._composition.recipe, self._run, size=size)
        advance = partial(self._advance, f"training {len(jobs)} candidates")
        yield from self._finished(self._crew, jobs, advance=advance)

    def _finished(
        self, engine: Engine, jobs: Sequence[Task], *, advance: Callable[[int, int], None]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the jobs' results in their order, from an engine."""
        for file in sorted({file for job in jobs for file in job.files}):
            self.read_weights(file)  # trains again what was lost, before another process needs it
        yield from engine.finish(jobs, advance=advance, warn=self._events.warn)

    def _again(self, job: Job, _key: str) -> Mapping[str, Any]:
        return self._train_candidate(job, task="training candidate")

    def _train_candidate(self, job: Job, *, task: str) -> Mapping[str, Any]:
        return train_candidate(self._resources, job, self._watch(task))

    def discard(self, weights: Weights) -> None:
        for file in filter(None, (weights.file, weights.state)):
            self._memory.discard(file)

    def read_weights(self, file: str) -> bytes:
        """Return a weights file's content, as the memory of effects reads it."""
        return self._memory.read_weights(file)

    def dismiss(self) -> None:
        """End the effects of all processes: process 0 tells the others, which wait for it."""
        self._memory.dismiss()

    def check_journal(self) -> None:
        """Refuse to go on if somebody else changed the journal, which is put back."""
        self._memory.check_journal()

    def untrained(self, phases: Iterable[Phase]) -> list[Phase]:
        """Return those of the phases in which nothing was trained."""
        return [phase for phase in phases if phase not in self._trained]

    def is_shared(self, file: str) -> bool:
        """Tell whether a weights file holds a super-network of this search."""
        return file in self._shared

    def close(self) -> None:
        """End the processes that train candidates here, and those that load images."""
        self._resources.splits.close()
        self._end_crew()

    def _end_crew(self) -> None:
        if self._crew is not None:
            self._crew.close()
            self._crew = None

    def _trial(self, genotype: Genotype, result: Mapping[str, Any], **told: Any) -> Trial:
        return make_trial(self._composition, genotype, result, costs=self.costs(genotype), **told)

    def _advance(self, task: str, done: int, total: int) -> None:
        self._events.tell("advanced", task=task, done=done, total=total)

    def _watch(self, task: str) -> Watch:
        return watch_training(self._events, task)


def _checked(sample: Callable[[Random], Genotype], space: SearchSpace) -> Callable[[Random], Genotype]:
    """Return a strategy's sampler that refuses what is no genotype of the space."""

    def checked(rng: Random) -> Genotype:
        genotype = sample(rng)
        check_genotype(genotype, space.dimensions())
        return genotype

    return checked
