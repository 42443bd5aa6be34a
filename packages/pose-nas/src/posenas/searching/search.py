"""A whole search: the strategy's trials one after another, then the results on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.composing.goals.metric_limits import final_figures, unkept
from posenas.composing.goals.objectives import front
from posenas.composing.phases import compiled_phases
from posenas.composing.plugins import Owner
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import genotype_id
from posenas.contract.migrations import GENOTYPE
from posenas.contract.phases import Phase
from posenas.contract.problem import Planned
from posenas.contract.trial import Trial
from posenas.learning.compiling import check_compiler
from posenas.networks.processes import ALONE, Processes
from posenas.runs.checksums import write_results
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.kept_file import KeptFile
from posenas.runs.keypoint_files import keypoints_as_dict
from posenas.runs.run import Run, locked, open_journal, remove_own_cache
from posenas.runs.trial_log import TRIAL_LOG, TrialLog
from posenas.searching.engine import Engine
from posenas.searching.engines import LOCAL, opened_engine
from posenas.searching.problem import JournaledProblem
from posenas.searching.retracing import Retracing


@dataclass(frozen=True)
class Outcome:
    """What a search ends with: its trials, in their order."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The strategy's last trial, whatever its stage is called."""
        return self.trials[-1]

    @property
    def candidates(self) -> Sequence[Trial]:
        """The trials that the answer was chosen among."""
        return [trial for trial in self.trials[:-1] if not trial.learnt]


def search(
    composition: Composition,
    run: Run,
    *,
    events: Events,
    accept_changes: bool = False,
    processes: Processes = ALONE,
    engine: str = LOCAL,
) -> Outcome:
    """Begin or continue the run, and return when it is complete.

    Args:
        composition: what is searched, and how.
        run: the folder that holds the recipe of the composition.
        events: told of progress, trials and warnings.
        accept_changes: whether to continue with other data or code than before, which is noted.
        processes: that train networks together; this is process 0, and the others call `follow`.
        engine: what trains and scores candidates: `local`, `ray`, or the address of a Ray cluster.

    Raises:
        PosenasError: where the run is another recipe's, or in use, or has no answer; or where data or code
            are not those of before; or where the engine cannot be used; or where networks are to be compiled
            and torch cannot.
    """
    run = replace(run, path=run.path.absolute())
    if _compiled(composition) and not (run.best / "trial.json").exists():
        check_compiler(composition.compute.device)
    with locked(run):
        recipe_file = KeptFile(run.recipe_file)
        provenance = provenance_of(composition, processes=processes.count)
        journal = open_journal(
            run, composition.recipe, provenance, warn=events.warn, accept_changes=accept_changes
        )
        with (
            opened_engine(engine, composition, run, provenance=provenance, warn=events.warn) as opened,
            events.guarding(journal.file, recipe_file),
        ):
            return _searched(composition, run, journal, events=events, processes=processes, engine=opened)


def follow(composition: Composition, run: Run, *, processes: Processes) -> None:
    """Compute what process 0 of a search wants to compute together, until that search ends.

    Args:
        composition: as process 0 has it.
        run: the folder of process 0, on a disk that all processes share.
        processes: of which this is not the first.

    Raises:
        PosenasError: where this process departs from process 0.
    """
    silent = Events({}, complain=lambda _message: None)
    problem = JournaledProblem(
        composition, replace(run, path=run.path.absolute()), None, events=silent, processes=processes
    )
    with closing(problem):
        problem.note_largest()
        for _trial in _tried(composition, problem):
            pass
        problem.dismiss()


def _searched(
    composition: Composition,
    run: Run,
    journal: Journal,
    *,
    events: Events,
    processes: Processes,
    engine: Engine | None,
) -> Outcome:
    events.tell("run_started", run=run.path, recipe=composition.recipe)
    for finding in composition.findings():
        events.tell("warned", message=str(finding))
    retracing = Retracing(
        run,
        journal.records,
        strategy=Owner("strategy", composition.recipe.strategy.name),
        measured={cost.name for cost in composition.costs.bound if cost.dear},
    )
    problem = JournaledProblem(
        composition,
        run,
        journal,
        events=events,
        retracing=retracing,
        processes=processes,
        engine=engine,
    )
    problem.note_largest()
    trials: list[Trial] = []
    log = run.path / TRIAL_LOG
    with closing(problem), TrialLog(log) as written:
        for trial in _tried(composition, problem):
            trials.append(trial)
            written.add(trial)
            events.tell("trial_finished", trial=trial)
    retracing.check_end()
    problem.check_journal()
    _check_answer(trials, problem, strategy=composition.recipe.strategy.name)
    outcome = Outcome(tuple(trials))
    if outcome.best.failure is not None:
        write_results(run.path, _trials(outcome))
        problem.dismiss()
        log.unlink(missing_ok=True)
        remove_own_cache(run)
        raise PosenasError(f"the final network failed: {outcome.best.failure}")
    write_results(run.path, _results(run, outcome, problem, composition))
    problem.dismiss()
    log.unlink(missing_ok=True)
    remove_own_cache(run)
    for missed in (*_missed(outcome, composition), *_without_effect(composition, problem)):
        events.warn(missed)
    events.tell("run_finished", run=run.path, trials=outcome.trials)
    return outcome


def _tried(composition: Composition, problem: JournaledProblem) -> Iterator[Trial]:
    """Yield the strategy's trials. Raise PosenasError where it yields something else."""
    name = composition.recipe.strategy.name
    found = composition.strategy.search(problem)
    if not isinstance(found, Iterable):
        raise PosenasError(f"strategy {name!r}: search gives {type(found).__name__}, expected trials")
    for trial in found:
        if not isinstance(trial, Trial):
            raise PosenasError(f"strategy {name!r}: search yields {type(trial).__name__}, expected Trial")
        yield trial


def _check_answer(trials: Sequence[Trial], problem: JournaledProblem, *, strategy: str) -> None:
    """Refuse a search without a last trial, or whose last one is no final score of a network of its own."""
    if not trials:
        raise PosenasError(f"strategy {strategy!r} ended without a trial")
    answer = trials[-1]
    if genotype_id(problem.derived(answer.genotype)) != answer.id:
        raise PosenasError(
            f"strategy {strategy!r}: its last trial, which is the answer, is of a genotype that the space "
            "derives another one from; it must train and evaluate problem.derived of it"
        )
    if answer.failure is None and (answer.weights is None or problem.is_shared(answer.weights)):
        raise PosenasError(
            f"strategy {strategy!r}: its last trial, which is the answer, has no weights of its own; it must "
            "train the winner with problem.train and yield problem.evaluate of it last"
        )
    if answer.failure is None and answer.predictions is None:
        raise PosenasError(
            f"strategy {strategy!r}: its last trial, which is the answer, was scored on {answer.split} as a "
            "candidate; it must yield problem.evaluate of the winner last"
        )


def _trials(outcome: Outcome) -> dict[str, bytes]:
    """Return the files that say what was tried and which trial is the answer, by their names."""
    return {
        "best/trial.json": _json(outcome.best.as_dict()),
        "trials.json": _json([trial.as_dict() for trial in outcome.trials]),
    }


def _results(
    run: Run, outcome: Outcome, problem: JournaledProblem, composition: Composition
) -> dict[str, bytes]:
    """Return the files of a finished run by their names."""
    best = outcome.best
    files = _trials(outcome) | {
        "best/keypoints.json": _json(keypoints_as_dict(composition.keypoints)),
        "best/genotype.json": _json(GENOTYPE.written({"genotype": dict(best.genotype)})),
    }
    if len(composition.objectives) > 1:
        found = front(outcome.candidates, composition.objectives, limits=composition.metric_limits)
        files["front.json"] = _json([trial.as_dict() for trial in found])
    if best.weights is not None:
        files["best/weights.safetensors"] = problem.read_weights(best.weights)
    if best.predictions is not None:
        files[f"predictions/{best.predictions}"] = (run.predictions / best.predictions).read_bytes()
    return files


def _missed(outcome: Outcome, composition: Composition) -> Iterator[str]:
    """Yield a sentence where no candidate keeps the limits on metrics, and where the answer misses one."""
    limits = composition.metric_limits
    none_kept = unkept(limits, outcome.candidates)
    if none_kept:
        yield none_kept
    for limit, sentence in final_figures(limits, outcome.best):
        if limit.violation_of(outcome.best) > 0:
            yield sentence


def _without_effect(composition: Composition, problem: JournaledProblem) -> Iterator[str]:
    """Yield a sentence for each phase whose settings nothing took; of a plan this was told before."""
    if isinstance(composition.strategy, Planned):
        return
    for phase in problem.untrained(composition.phases):
        yield f"the settings of phase {phase} had no effect: there was no such training"
    compiled = _compiled(composition)
    if compiled and problem.untrained(compiled) == compiled:
        yield "training.compile had no effect: no network was trained alone"


def _compiled(composition: Composition) -> list[Phase]:
    return compiled_phases(composition.training, composition.phases)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
