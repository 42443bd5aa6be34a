"""What good practice asks of a search, and what this run fulfils.

Source: the points are those of Lindauer and Hutter, "Best practices for scientific research on neural
architecture search", JMLR 2020, as far as they concern a single search.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from posenas.contract.sections import Results
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.report.caveats import weights_are_shared
from posenas.runs.recipe import Recipe


class Point(NamedTuple):
    """A point of good practice; `fulfilled` is None where it is not for the run to know."""

    asked: str
    fulfilled: bool | None
    why: str


def checklist(results: Results, recipe: Recipe, *, evidence: Evidence) -> Iterator[Point]:
    """Yield the points in the order of the source: the code, the comparison, the report.

    Args:
        results: what the run found.
        recipe: the run's.
        evidence: what is known from other runs and from comparisons.
    """
    verdict, repeats = evidence.verdict, evidence.repeats
    yield Point(
        "Code and settings of the search and of the final training are given",
        True,
        "the recipe below holds every option, the seed included",
    )
    yield Point(
        "The search space is given, and both ends of a comparison use the same",
        True,
        f"space {recipe.space.name}; what is compared is drawn from it and trained alike",
    )
    yield _untouched(results)
    yield Point(
        "The search is compared with random networks of equal cost",
        verdict is not None and verdict.candidates is not None,
        f"{verdict.candidates.number} of them"
        if verdict is not None and verdict.candidates is not None
        else _compared_by("posenas compare RUN", results),
    )
    yield Point(
        "Random networks of equal cost are trained like the winner, and compared with it",
        verdict is not None and verdict.trained is not None,
        f"{verdict.trained.number} of them"
        if verdict is not None and verdict.trained is not None
        else _compared_by("posenas compare RUN --trained 3", results),
    )
    if weights_are_shared(results):
        yield Point(
            "Shared-weight scores are checked against stand-alone training",
            verdict is not None and verdict.correlation is not None,
            f"Kendall's tau of {verdict.correlation.number} candidates"
            if verdict is not None and verdict.correlation is not None
            else "`posenas compare RUN --alone 12` does so",
        )
    finished = 0 if repeats is None else len(repeats.values())
    yield Point(
        "The search is repeated with several seeds",
        finished >= 3,
        f"{finished} seeds" if finished >= 3 else "`posenas compose --seeds 3` does so; fewer tell little",
    )
    yield Point("Parts of the search are left out one by one (ablation)", False, "not done by this run")
    yield Point(
        "The time of the whole search and the machine are reported",
        False,
        "a run keeps no clock, so that it ends with the same files wherever it was stopped; "
        "`--json` prints the seconds at the end",
    )
    yield Point(
        "How the settings were chosen, and at what effort, is reported", None, "the author has to say so"
    )


def _untouched(results: Results) -> Point:
    asked = "The data of the final score take no part in the search"
    if results.candidates:
        ranked = all(trial.split != "val" for trial in results.candidates)
        return Point(asked, ranked, "candidates are ranked on held-out training people")
    if results.courses:
        return Point(asked, True, "the architecture was learnt from training people alone")
    return Point(asked, None, "nothing was searched")


def _compared_by(command: str, results: Results) -> str:
    if results.inherited:
        return "random networks cannot inherit weights, as those of an evolution did"
    if results.trained_alone:
        return "not done for candidates that were trained one by one"
    return f"`{command}` does so"
