"""Runs a composition: the strategy's trials one after another, then the results on disk."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posenas.compose import Composition
from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.hooks import Events
from posenas.keypoint_files import keypoints_as_dict
from posenas.objectives import front
from posenas.problem import Problem
from posenas.run import Run, locked, open_journal
from posenas.trial import Trial


@dataclass(frozen=True)
class Outcome:
    """What a search ends with; `best` is the strategy's last trial."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        return self.trials[-1]


def search(composition: Composition, run: Run, *, events: Events) -> Outcome:
    """Begins or continues the run, and returns when it is complete.

    Raises:
        PosenasError: where the run is another recipe's, or in use, or has no answer.
    """
    with locked(run):
        journal = open_journal(run, composition.recipe)
        events.tell("run_started", run=run.path, recipe=composition.recipe)
        for finding in composition.findings():
            events.tell("warned", message=str(finding))
        problem = Problem(composition, run, journal, events=events)
        trials: list[Trial] = []
        with closing(problem):
            for trial in composition.strategy.search(problem):
                trials.append(trial)
                _write_json(run.path / "trials.json", [trial.as_dict() for trial in trials])
                events.tell("trial_finished", trial=trial)
        if not trials:
            raise PosenasError(f"strategy {composition.recipe.strategy.name!r} ended without a trial")
        if trials[-1].failure is not None:
            raise PosenasError(f"the final network failed: {trials[-1].failure}")
        outcome = Outcome(tuple(trials))
        _save_results(run, outcome, problem, composition)
        events.tell("run_finished", run=run.path, trials=outcome.trials)
    return outcome


def _save_results(run: Run, outcome: Outcome, problem: Problem, composition: Composition) -> None:
    best = outcome.best
    _write_json(run.best / "trial.json", best.as_dict())
    _write_json(run.best / "keypoints.json", keypoints_as_dict(composition.keypoints))
    _write_json(run.best / "genotype.json", dict(best.genotype))
    if len(composition.objectives) > 1:
        found = front(outcome.trials[:-1], composition.objectives)
        _write_json(run.path / "front.json", [trial.as_dict() for trial in found])
    if best.weights is not None:
        write_atomically(run.best / "weights.safetensors", problem.read_weights(best.weights))


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
