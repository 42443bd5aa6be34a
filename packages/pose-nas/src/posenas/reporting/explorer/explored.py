"""One run with all that can be explored of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from posenas.contract.components import Dataset, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import GroundTruth, Predictions
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.explorer.entries import Entry, Poses, choose_entries, kept_poses, names_of
from posenas.reporting.explorer.people import PersonName, ShownPerson, drawn_pose, read_people
from posenas.reporting.explorer.skeletons import Skeleton
from posenas.reporting.results import front_against
from posenas.searching.example_poses import example_poses

_PEOPLE_OF_ANSWER = 4


@dataclass(frozen=True)
class Explored:
    """A run to explore.

    Attributes:
        name: tells runs apart; empty for one alone.
        results: what the run found.
        space: the run's; None where it cannot be made.
        entries: the trials that can be explored, the answer last.
        people: those that have pictures.
        poses: of each entry by its key, the OKS and the drawn pose of each of these people; no entry where
            none were kept.
        problems: what cannot be shown, in words.
    """

    name: str
    results: Results
    space: SearchSpace | None
    entries: Sequence[Entry]
    people: Mapping[PersonName, ShownPerson]
    poses: Mapping[str, Mapping[PersonName, tuple[float, Skeleton]]]
    problems: Sequence[str]

    @cached_property
    def winner(self) -> Entry | None:
        """The entry that others are compared with: what is shown, as a candidate where it was one."""
        shown = self.results.shown
        chosen = None if shown is None else self.results.as_candidate(shown) or shown
        return next((entry for entry in self.entries if entry.trial is chosen), None)

    @cached_property
    def dimensions(self) -> Sequence[str]:
        """The names of the dimensions that any entry's genotype has."""
        return list(dict.fromkeys(name for entry in self.entries for name in entry.trial.genotype))

    @cached_property
    def by_keypoint(self) -> Sequence[str]:
        """The names of the keypoints that any entry has a figure of, in the order of the keypoint set."""
        known = () if self.results.keypoints is None else self.results.keypoints.names
        scored = dict.fromkeys(name for entry in self.entries for name in entry.trial.by_keypoint)
        return [*(name for name in known if name in scored), *(name for name in scored if name not in known)]

    @cached_property
    def fronts(self) -> Mapping[str, Sequence[Trial]]:
        """The candidates on the front of each compared cost, from cheap to dear, by the cost's name."""
        return {cost.name: front_against(self.results, cost.name) for cost in self.results.compared_costs}

    def fronts_of(self, entry: Entry) -> Sequence[str]:
        """Return the names of the costs on whose front an entry is.

        Args:
            entry: one of these.
        """
        return [name for name, trials in self.fronts.items() if any(each is entry.trial for each in trials)]


def explore(
    results: Results,
    *,
    dataset: Dataset | None,
    space: SearchSpace | None,
    predictions: Predictions | None,
    truth: GroundTruth | None,
    name: str = "",
) -> Explored:
    """Return a run with what can be explored of it; nothing where no candidate has a score.

    Args:
        results: what the run found, with its keypoints where the dataset can be read.
        dataset: has the people; None where it cannot be made.
        space: knows the genotypes' dimensions; None where it cannot be made.
        predictions: of the shown trial, where they were kept.
        truth: the people that these are of.
        name: of the run among others.
    """
    entries = choose_entries(results) if results.ranked else ()
    kept: dict[str, Poses] = {}
    problems = []
    for entry in entries:
        noted = None
        if entry.final and predictions is not None and truth is not None:
            noted = example_poses(predictions, truth, number=_PEOPLE_OF_ANSWER)
        try:
            kept[entry.key] = kept_poses(entry.trial, noted)
        except ValueError as error:
            problems.append(f"The poses of candidate {entry.trial.id} cannot be shown: {error}")
    if dataset is None or results.keypoints is None:
        return Explored(name, results, space, entries, {}, {}, problems)
    people, unread = read_people(dataset, names_of(list(kept.values())))
    poses, undrawn = _drawn(kept, people, results.keypoints)
    return Explored(name, results, space, entries, people, poses, [*problems, *unread, *undrawn])


def _drawn(
    kept: Mapping[str, Poses], people: Mapping[PersonName, ShownPerson], keypoints: KeypointSet
) -> tuple[Mapping[str, Mapping[PersonName, tuple[float, Skeleton]]], Sequence[str]]:
    drawn, problems = {}, []
    for key, poses in kept.items():
        try:
            found = {
                name: drawn_pose(people[name], pose, keypoints=keypoints)
                for name, pose in poses.items()
                if name in people
            }
        except PosenasError as error:
            problems.append(f"The poses of candidate {key} cannot be shown: {error}")
            continue
        if found:
            drawn[key] = found
    return drawn, problems
