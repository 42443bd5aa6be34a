"""Compares a finished search with chance and with stand-alone training.

Every step is an effect of the run's own journal, so that a comparison can be stopped and continued, and
made larger later, like the search itself. What is compared is trained and scored as the search did it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.comparison.equal_cost import draw_equal_cost
from posenas.reporting.comparison.origins import PastTraining, calibration_of, is_relaxed, training_of
from posenas.reporting.comparison.record import FILE, TRIALS, Comparison, read_comparison
from posenas.reporting.results import read_results
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.kept_file import KeptFile
from posenas.runs.run import Run, locked, open_journal, remove_own_cache
from posenas.runs.sealed import write_sealed
from posenas.searching.problem import JournaledProblem


@dataclass(frozen=True)
class Size:
    """How much to compare.

    Attributes:
        random: genotypes of the winner's cost to score as the candidates were; None for as many as these.
        trained: of these, to train and score as the winner was.
        alone: candidates to train alone, from scratch.
        alone_epochs: passes over the people in doing so; None for as many as the winner's training had.
        tolerance: how far costs may lie apart and still count as equal, as a share.
    """

    random: int | None
    trained: int
    alone: int
    alone_epochs: int | None
    tolerance: float


def compare(
    composition: Composition, run: Run, size: Size, *, events: Events, accept_changes: bool = False
) -> Comparison:
    """Score random genotypes of the winner's cost, and candidates trained alone; return all so far.

    Args:
        composition: the run's.
        run: a finished search, whose folder gets the comparison.
        size: how much to compare.
        events: hears of the progress.
        accept_changes: whether to go on with other data or code than the search's, which is noted.

    Raises:
        PosenasError: where the run is unfinished or searched nothing, or data or code are not the search's.
    """
    run = replace(run, path=run.path.absolute())
    with locked(run):
        recipe_file = KeptFile(run.recipe_file)
        journal = open_journal(
            run,
            composition.recipe,
            provenance_of(composition),
            warn=events.warn,
            accept_changes=accept_changes,
        )
        with events.guarding(journal.file, recipe_file):
            comparison = _compared(composition, run, journal, size, events=events)
            remove_own_cache(run)
            return comparison


def _compared(
    composition: Composition, run: Run, journal: Journal, size: Size, *, events: Events
) -> Comparison:
    results = read_results(run, composition.recipe)
    winner = winner_of(run, results)
    if is_relaxed(journal, winner.weights):
        raise PosenasError(
            f"{run.path}: its candidates were scored with weights that learnt together with real values, "
            "which random genotypes do not have, so there is no fair comparison with them; train the "
            "winner and another network alone with `posenas train`"
        )
    assert results.answer is not None
    problem = JournaledProblem(composition, run, journal, events=events)
    parts: dict[str, list[Trial]] = {name: [] for name in TRIALS}
    cost = composition.limits[0].cost if composition.limits else "gmacs"
    epochs = size.alone_epochs or training_of(journal, results.answer.weights).epochs
    earlier = read_comparison(run)

    def result() -> Comparison:
        trials = {name: tuple(found) for name, found in parts.items()}
        return Comparison(cost, size.tolerance, epochs, **trials).joined(earlier)

    number = len(results.candidates) if size.random is None else size.random
    genotypes = _draw(problem, winner, max(number, size.trained), cost=cost, tolerance=size.tolerance)
    if len(genotypes) < max(number, size.trained):
        events.tell(
            "warned",
            message=f"no more than {len(genotypes)} other genotypes with {cost} within "
            f"{100 * size.tolerance:g}% of the winner's were found; --tolerance allows more",
        )
    jobs = {
        "random": _like_candidates(problem, journal, winner, genotypes[:number], stage="random"),
        "trained": _like_winner(problem, journal, results.answer, genotypes[: size.trained]),
        "alone": _alone(problem, journal, results, number=size.alone, epochs=epochs),
    }
    for name, trials in jobs.items():
        for trial in trials:
            parts[name].append(trial)
            events.tell("trial_finished", trial=trial)
            write_sealed(run.path / FILE, result().as_dict())
    write_sealed(run.path / FILE, result().as_dict())
    return result()


def winner_of(run: Run, results: Results) -> Trial:
    """Return the winner as a candidate.

    Raises:
        PosenasError: where there is none that random genotypes can be compared with; says why.
    """
    if results.answer is None:
        raise PosenasError(f"{run.path}: this run has no result yet; `posenas resume {run.path}` finishes it")
    winner = results.as_candidate(results.answer)
    if winner is None:
        raise PosenasError(
            f"{run.path}: its winner was not chosen among candidates, so there is no search to compare; "
            "compare a run of `posenas compose` with a strategy that searches"
        )
    if results.inherited:
        raise PosenasError(
            f"{run.path}: its candidates inherited weights from their parents, and random genotypes have "
            "none, so there is no fair comparison with them; train the winner and another network alone with "
            "`posenas train`"
        )
    if results.trained_alone:
        raise PosenasError(
            f"{run.path}: its candidates were trained one by one, which a comparison does not repeat for "
            "random genotypes; train the winner and another network alone with `posenas train`"
        )
    return winner


def _draw(
    problem: JournaledProblem, winner: Trial, number: int, *, cost: str, tolerance: float
) -> list[Genotype]:
    if number == 0:
        return []
    return draw_equal_cost(
        problem.space,
        winner.genotype,
        number,
        name=cost,
        tolerance=tolerance,
        cost=problem.cost_by_name,
        rng=problem.rng("genotypes of equal cost"),
    )


def _like_candidates(
    problem: JournaledProblem, journal: Journal, winner: Trial, genotypes: Sequence[Genotype], *, stage: str
) -> Iterator[Trial]:
    """Score genotypes with the shared weights that the winner was scored with, or trained alone as it was."""
    training = training_of(journal, winner.weights)
    calibration = calibration_of(journal, winner)
    for done, drawn in enumerate(genotypes):
        genotype = drawn if training.shared else problem.derived(drawn)
        weights = _weights(problem, training, winner.weights, genotype)
        yield from problem.evaluate_many(
            [genotype],
            weights,
            stage=stage,
            calibration_people=calibration,
            progress=(done, len(genotypes)),
        )


def _weights(
    problem: JournaledProblem, training: PastTraining, file: str | None, genotype: Genotype
) -> Weights:
    if training.shared:
        assert file is not None
        return Weights(file, shared=True)
    return problem.train(genotype, epochs=training.epochs, init=training.init, on=training.on)


def _like_winner(
    problem: JournaledProblem, journal: Journal, answer: Trial, genotypes: Sequence[Genotype]
) -> Iterator[Trial]:
    training = training_of(journal, answer.weights)
    for genotype in map(problem.derived, genotypes):
        weights = problem.train(genotype, epochs=training.epochs, init=training.init, on=training.on)
        yield problem.evaluate(genotype, weights, stage="random, trained")


def _alone(
    problem: JournaledProblem, journal: Journal, results: Results, *, number: int, epochs: int
) -> Iterator[Trial]:
    """Train candidates alone that are drawn at random, so that they are spread as the search's own were."""
    if number == 0:
        return
    if not training_of(journal, results.ranked[0].weights).shared:
        raise PosenasError("the candidates were trained alone already; leave out --alone")
    order = list(results.ranked)
    problem.rng("candidates trained alone").shuffle(order)
    for done, trial in enumerate(order[:number]):
        genotype = problem.derived(trial.genotype)
        weights = problem.train(genotype, epochs=epochs, on="fit")
        yield from problem.evaluate_many(
            [genotype],
            weights,
            stage="alone",
            calibration_people=0,
            progress=(done, min(number, len(order))),
        )
