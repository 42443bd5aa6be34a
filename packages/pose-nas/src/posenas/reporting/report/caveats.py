"""What a run's figures do not show: statements that follow from its recipe and trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posenas.composing.goals.costs import caveats_of
from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.composing.goals.metric_limits import final_figures, keeping, unkept
from posenas.contract.scores import GroundTruth
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.learning.inference import FEWEST_RANKING, MANY_RANKING, RANKING_SHARE, EvaluationSettings
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.results import SHOWN_COSTS
from posenas.runs.provenance import Accepted
from posenas.runs.recipe import Recipe
from posenas.runs.remade import Remade


def caveats(
    results: Results,
    recipe: Recipe,
    *,
    settings: EvaluationSettings,
    evidence: Evidence,
    installed: InstalledCosts,
    view: str | None = "person",
    accepted: Sequence[Accepted] = (),
    remade: Sequence[Remade] = (),
) -> Iterator[tuple[str, str]]:
    """Yield subjects and sentences, the most important first.

    Args:
        results: what the run found.
        recipe: the run's.
        settings: how the run evaluates.
        evidence: what is known from other runs and from comparisons.
        installed: the costs that tell where their figures are from.
        view: how the head sees the data; None where the head cannot be asked.
        accepted: changes of data or code that the run went on with.
        remade: weights that stand in the place of lost ones.
    """
    if accepted:
        yield "Changes", _changes(accepted)
    if remade:
        yield "Lost weights", _remade(remade)
    if results.metric_limits:
        yield "Limits", _limits(results, evidence)
    if results.candidates:
        yield "Ranking", _ranking(results, settings)
        if results.inherited:
            yield "Inheritance", _inheritance(results, settings)
        if weights_are_shared(results):
            yield (
                "Weights",
                "The candidates were scored with weights that they share, none of them trained by itself. "
                "Trained alone they would score otherwise, and may rank otherwise.",
            )
        yield (
            "Search",
            f"{len(results.candidates)} genotypes were tried. The front is theirs, not that of the whole "
            "space: better ones may exist.",
        )
    yield "Spread", _spread(recipe, evidence)
    if view == "person":
        yield "Boxes", _boxes(settings)
    yield "Cost", _cost(results, recipe, settings=settings, installed=installed)
    if recipe.dataset.own_name == "synthetic":
        yield "Data", "The people are drawn by a program. The scores say nothing about photographs."


def _changes(accepted: Sequence[Accepted]) -> str:
    told = "; ".join(f"after {_steps(change.steps)} {', '.join(change.changes)}" for change in accepted)
    return (
        f"While the run was stopped its data or code changed, and it went on as it was told to: {told}. "
        "Its figures are of no one state of them, and a new run would give others."
    )


def _remade(remade: Sequence[Remade]) -> str:
    told = "; ".join(
        f"after {_steps(each.steps)} {each.now} ({each.effect}) took the place of {each.file}"
        for each in remade
    )
    return (
        "Weights were lost, and made again on a device that does not give the same bits each time they are "
        f"others: {told}. Earlier figures are of the lost weights, and later ones of those in their place."
    )


def _steps(number: int) -> str:
    return f"{number} finished step{'' if number == 1 else 's'}"


def _limits(results: Results, evidence: Evidence) -> str:
    """Return who keeps the limits on metrics: the candidates, on other people, and the answer."""
    limits, candidates = results.metric_limits, results.candidates
    told = []
    if candidates:
        kept = len(keeping(candidates, limits))
        of_all = f"the limits on metrics are kept by {kept} of {len(candidates)} candidates"
        told.append(unkept(limits, candidates) or of_all)
    if results.answer is not None:
        told += [sentence for _, sentence in final_figures(limits, results.answer)]
        told.append("no decision depends on whether the final network keeps a limit")
    if evidence.verdict is not None:
        told.append("against random networks, one that misses a limit counts as worse than one that does not")
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in told)


def weights_are_shared(results: Results) -> bool:
    """Tell whether candidates were scored with weights that others use too."""
    files = [trial.weights for trial in results.candidates if trial.weights is not None]
    return len(set(files)) < len(files)


def _inheritance(results: Results, settings: EvaluationSettings) -> str:
    return (
        "Children inherited weights from their parent and were trained briefly, so their losses and "
        "fitness are not those of networks trained alone, which may rank otherwise; and each "
        "one's validation loss is that of its best epoch, chosen on the people of the ranking "
        f"({ranking_people(results, settings)}), and so is biased downward."
    )


def _spread(recipe: Recipe, evidence: Evidence) -> str:
    one = f"This is one run with one seed ({recipe.seed})."
    if evidence.repeats is None or len(evidence.repeats.values()) < 2:
        return (
            f"{one} How far the figures move with another seed is not known; a difference to another run "
            "means little until both are repeated."
        )
    return (
        f"{one} Over seeds: {evidence.repeats.sentence()} A difference to another search that is not clearly "
        "larger than this spread means little."
    )


def ranking_people(results: Results, settings: EvaluationSettings) -> str:
    """Return who ranks the candidates, in words."""
    return " and ".join(
        people_in_words(split, settings) for split in sorted({trial.split for trial in results.candidates})
    )


def people_in_words(split: str, settings: EvaluationSettings) -> str:
    """Return what a split is called for readers who do not know this project's words."""
    if split != "ranking":
        return split
    enough = (
        f"{RANKING_SHARE:.0%} of the people, at least {FEWEST_RANKING} and at most {MANY_RANKING:,}"
        if settings.ranking_people == "auto"
        else f"{settings.ranking_people} people"
    )
    return (
        f"held-out training images (at most {settings.held_out:.3g} of those with people, and only until "
        f"they show {enough})"
    )


def scored_people(shown: Trial | None, truth: GroundTruth | None, settings: EvaluationSettings) -> str:
    """Return who the shown trial was scored on, in words, with their number where they can be read.

    Args:
        shown: the trial; empty words where there is none.
        truth: the people; None where they cannot be read.
        settings: tell how many are held out.
    """
    if shown is None:
        return ""
    if truth is None or not truth.samples:
        return people_in_words(shown.split, settings)
    labelled = [
        person
        for sample in truth.samples
        for person in sample.people
        if not person.crowd and (person.keypoints[:, 2] > 0).any()
    ]
    return f"{shown.split}: {len(labelled):,} people with labelled keypoints in {len(truth.samples):,} images"


def _ranking(results: Results, settings: EvaluationSettings) -> str:
    if any(trial.split == "val" for trial in results.candidates):
        setting = "" if settings.held_out else " (evaluation.held_out = 0)"
        return (
            f"The candidates were ranked on val, the people of the final score{setting}. The winner was "
            "chosen because it does well on just these people, so that score is biased upward."
        )
    return (
        f"The candidates were ranked on {ranking_people(results, settings)}. Those that lie close together "
        "may change places on other people. The winner's score as a candidate is biased upward, since it "
        "was chosen on the people of that score; its final score is not, since no decision of the search "
        "depends on val."
    )


def _boxes(settings: EvaluationSettings) -> str:
    if not settings.boxes:
        return (
            "Each person was looked for inside its annotated box. The errors that a person detector would "
            "add are not in the scores."
        )
    return (
        f"On val, people were looked for inside a detector's boxes with a score of at least "
        f"{settings.box_threshold:g}: these scores hold the detector's errors too. A pose scores its box's "
        f"score times the mean of its keypoints' above {settings.keypoint_threshold:g}, and of poses more "
        f"alike than an OKS of {settings.oks_nms:g} the best one counts. All others are in annotated boxes."
    )


def _cost(
    results: Results, recipe: Recipe, *, settings: EvaluationSettings, installed: InstalledCosts
) -> str:
    names = () if results.shown is None else results.shown.costs
    told = caveats_of(recipe, installed, names)
    if told:
        times = all(figure.unit == "milliseconds" for figure in results.compared_costs[len(SHOWN_COSTS) :])
        unknown = "; memory and energy are not known" if times else ""
        counted = " ".join((*told, f"All other costs are counted{unknown}."))
    else:
        counted = "Costs are counted. Time, memory and energy were not measured on any device."
    if not settings.flip_test:
        return counted
    return f"{counted} They are of one pass, but every score is with the flip test, which takes two."
