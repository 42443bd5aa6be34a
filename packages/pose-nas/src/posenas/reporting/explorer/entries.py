"""The trials that can be explored: candidates with a score, and the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.explorer.people import PersonName
from posenas.reporting.results import front_against
from posenas.searching.example_poses import EXAMPLE_POSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ENTRIES = 500
"""Candidates of a run that can be explored; of more there are those on a front, and the best."""

Poses = Mapping[PersonName, "NDArray[np.float64] | None"]


@dataclass(frozen=True)
class Entry:
    """A trial that can be explored.

    Attributes:
        key: its name in the page, unique in the run: the genotype's id, with a number from the second trial
            of a genotype on.
        trial: what is shown.
        final: whether it is the search's answer, with its final weights.
    """

    key: str
    trial: Trial
    final: bool


def choose_entries(results: Results) -> Sequence[Entry]:
    """Return the candidates in the order of the search, then the answer.

    Args:
        results: of the run.
    """
    answer = results.answer if results.shown is results.answer else None
    trials = [*_candidates(results), *([] if answer is None else [answer])]
    seen: dict[str, int] = {}
    entries = []
    for trial in trials:
        if trial is answer:
            entries.append(Entry(f"{trial.id}-final", trial, final=True))
            continue
        seen[trial.id] = number = seen.get(trial.id, 0) + 1
        key = trial.id if number == 1 else f"{trial.id}-{number}"
        entries.append(Entry(key, trial, final=False))
    return entries


def _candidates(results: Results) -> Sequence[Trial]:
    if len(results.ranked) <= MOST_ENTRIES:
        return results.ranked
    name, sign = results.objective.name, -1 if results.objective.higher_is_better else 1
    first = [trial for cost in results.compared_costs for trial in front_against(results, cost.name)]
    chosen = results.as_candidate(results.shown) if results.shown is not None else None
    best = sorted(results.ranked, key=lambda trial: sign * trial.metrics[name])
    wanted = [*first, *([] if chosen is None else [chosen]), *best]
    kept = set(list(dict.fromkeys(map(id, wanted)))[:MOST_ENTRIES])
    return [trial for trial in results.ranked if id(trial) in kept]


def kept_poses(trial: Trial, kept: object = None) -> Poses:
    """Return the poses that were kept of a trial, (K, 2) pixels each, or None where nobody was predicted.

    A keypoint without a place is infinite.

    Args:
        trial: whose note is read.
        kept: stands in the place of the note where it is given.

    Raises:
        ValueError: where the note is not what a search writes.
    """
    noted: Any = trial.notes.get(EXAMPLE_POSES, []) if kept is None else kept
    split = "train" if trial.split == "ranking" else trial.split
    try:
        return {
            PersonName(split, int(pose["image"]), int(pose["person"])): _places(pose["keypoints"])
            for pose in noted
        }
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{EXAMPLE_POSES} is no list of poses ({error!r:.80})") from error


def _places(keypoints: Sequence[Sequence[float] | None] | None) -> NDArray[np.float64] | None:
    if keypoints is None:
        return None
    nowhere = (np.inf, np.inf)
    return np.array([nowhere if place is None else place for place in keypoints], np.float64).reshape(-1, 2)


def names_of(poses: Collection[Poses]) -> Collection[PersonName]:
    """Return everybody who has a pose in any of these."""
    return {name for each in poses for name in each}
