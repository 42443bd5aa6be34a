"""Checks of every strategy that can search a toy space: no network is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import check_genotype
from posenas.contract.phases import Phase
from posenas.contract.problem import Demanding, Planned, Strategy
from posenas.contract.trial import Trial
from posenas.kit.check import Check, require
from posenas.kit.toy_problem import BEST, StoppedError, ToyProblem
from posenas.runs.journal import Journal

_SEEDS = (0, 1, 2)
_STOP = 3
"""The new effects between two stops of a search that is resumed."""
_MOST = 2000
"""The trials after which a search of the toy counts as one without an end."""


def refusal_of_strategy(strategy: Strategy) -> str:
    """Return why a strategy cannot search the toy space, such as a capability that it lacks; or nothing."""
    problem = ToyProblem()
    try:
        missing = [need.__name__ for need in strategy.requires() if not problem.offers(need)]
        if missing:
            return f"needs {' and '.join(missing)}, which the kit's toy space lacks"
        if isinstance(strategy, Demanding):
            strategy.check_space(problem.space)
        next(strategy.search(problem), None)
    except PosenasError as error:
        return "" if problem.asked else f"refuses the kit's toy space: {error}"
    except Exception:  # a bug, which the strategy's checks find and tell
        return ""
    return ""


def the_best_is_found(strategy: Strategy) -> None:
    """Check that the answer is the best of a toy space's 25 genotypes, with one of three seeds."""
    answers = []
    for seed in _SEEDS:
        answers.append(dict(_trials(strategy, ToyProblem(seed=seed))[-1].genotype))
        if answers[-1] == BEST:
            return
    raise PosenasError(f"the answers are {answers}, and the best genotype is {BEST}")


def the_last_trial_is_the_answer(strategy: Strategy) -> None:
    """Check that the last trial is one of problem.evaluate, with weights of the answer's own."""
    problem = ToyProblem()
    last = _trials(strategy, problem)[-1]
    shared = [each.file for each in problem.shared if each.file == last.weights]
    require(
        last.split == "val" and any(last.id == answer.id for answer in problem.answers),
        f"the last trial, of stage {last.stage!r}, is none that problem.evaluate gave",
    )
    require(not shared, "the last trial has the super-network's weights")


def the_same_seed_gives_the_same_trials(strategy: Strategy) -> None:
    """Check that a search with the same seed asks for the same and yields the same trials."""
    first, second = ToyProblem(), ToyProblem()
    trials = [[each.as_dict() for each in _trials(strategy, problem)] for problem in (first, second)]
    require(first.asked == second.asked, "a second search with the same seed asks for something else")
    require(trials[0] == trials[1], "a second search with the same seed yields other trials")


def another_seed_gives_other_trials(strategy: Strategy) -> None:
    """Check that searches with three seeds do not all ask for the same."""
    problems = [ToyProblem(seed=seed) for seed in _SEEDS]
    for problem in problems:
        _trials(strategy, problem)
    require(
        any(problem.asked != problems[0].asked for problem in problems),
        f"searches with {len(_SEEDS)} seeds ask for the same",
    )


def failing_trials_are_survived(strategy: Strategy) -> None:
    """Check that a search in which one genotype in four fails ends with an answer that did not."""
    last = _trials(strategy, ToyProblem(failing=True))[-1]
    require(last.failure is None, f"the answer is a failed trial, of {dict(last.genotype)}")


def genotypes_lie_inside(strategy: Strategy) -> None:
    """Check that only genotypes with one value of each dimension are trained, scored or counted."""
    problem = ToyProblem()
    _trials(strategy, problem)
    for genotype in problem.genotypes:
        check_genotype(genotype, problem.space.dimensions())


def the_plan_is_kept(strategy: Strategy) -> None:
    """Check that a strategy that tells its trainings beforehand asks for them, and for no others."""
    if not isinstance(strategy, Planned):
        return
    problem = ToyProblem()
    _trials(strategy, problem)
    most: Counter[tuple[Phase, int]] = Counter()
    for each in strategy.trainings(problem.space):
        most[each.phase, each.epochs] += each.number
    asked = Counter(problem.trainings)
    require(
        most.keys() == asked.keys() and all(asked[each] <= number for each, number in most.items()),
        f"trainings() tells {_listed(most)}, and a search of the toy asks for {_listed(asked)}",
    )


def _listed(trainings: Mapping[tuple[Phase, int], int]) -> str:
    return ", ".join(
        f"{number} x {phase} of {epochs} epochs" for (phase, epochs), number in trainings.items()
    )


def a_stopped_search_is_resumed(strategy: Strategy) -> None:
    """Check that a search stopped at every third effect leaves the journal of one that was not."""
    with TemporaryDirectory() as folder:
        whole, resumed = Path(folder, "whole.jsonl"), Path(folder, "resumed.jsonl")
        problem = ToyProblem(journal=Journal(whole))
        _trials(strategy, problem)
        _resume(strategy, resumed, stops=len(problem.asked) // _STOP + 1)
        require(
            whole.read_bytes() == resumed.read_bytes(), "a search that was resumed leaves another journal"
        )


def _resume(strategy: Strategy, journal: Path, *, stops: int) -> None:
    """Search to the end, stopped and begun again time after time."""
    for _ in range(stops + 1):
        try:
            _trials(strategy, ToyProblem(journal=Journal(journal), stop_after=_STOP))
        except StoppedError:
            continue
        return
    raise PosenasError(f"a search that is resumed {stops} times asks for more than one that is not")


def _trials(strategy: Strategy, problem: ToyProblem) -> list[Trial]:
    trials = list(islice(strategy.search(problem), _MOST))
    strange = next((each for each in trials if not isinstance(each, Trial)), None)
    require(strange is None, f"search yields {type(strange).__name__}, expected what problem.evaluate gave")
    require(bool(trials), "search yields no trial")
    require(len(trials) < _MOST, f"search yields {_MOST} trials of a space of 25 genotypes, and does not end")
    return trials


STRATEGY_CHECKS = (
    Check(
        the_best_is_found,
        "end with problem.best of the trials, and give the strategy enough candidates by its options (-o)",
    ),
    Check(the_last_trial_is_the_answer, "train the winner alone, and yield its problem.evaluate last"),
    Check(
        the_same_seed_gives_the_same_trials,
        "draw everything from problem.rng or problem.draw, and keep nothing in the strategy",
    ),
    Check(another_seed_gives_other_trials, "draw everything from problem.rng or problem.draw"),
    Check(failing_trials_are_survived, "leave out trials with a failure, which have no metrics"),
    Check(genotypes_lie_inside, "change values to others of problem.space.dimensions()"),
    Check(
        a_stopped_search_is_resumed,
        "let search begin anew each time, and depend on what problem gives alone",
    ),
    Check(the_plan_is_kept, "give the epochs of every training, and the largest number of them"),
)
