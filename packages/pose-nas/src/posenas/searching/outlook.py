"""What a search is going to train, told before it begins: passes, people and steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from posenas.composing.composition import Composition
from posenas.composing.options import option_values
from posenas.composing.phases import planned
from posenas.composing.plugins import Owner
from posenas.contract.phases import Phase, PlannedTraining, phase_of
from posenas.data.kinds_of_view import views_of
from posenas.networks.processes import Processes
from posenas.searching.splits import Splits

_PURPOSES: dict[Phase, str] = {
    "shared": "for the shared weights",
    "candidate": "for each candidate",
    "final": "for the final network",
}


@dataclass(frozen=True)
class ForeseenTraining:
    """Trainings of one phase and length.

    Attributes:
        number: how many there are, at most.
        epochs: passes over the people in one of them.
        views: how many people, or whole images, one pass shows.
        batches: in one pass.
        steps: of the optimiser in one training.
        purpose: what it is for, where its phase does not say that.
    """

    phase: Phase
    number: int
    epochs: int
    views: int
    batches: int
    steps: int
    purpose: str = ""


@dataclass(frozen=True)
class Outlook:
    """What is known of a search before it begins.

    Attributes:
        trainings: in their order; None where the strategy does not tell.
        candidates: how many genotypes are ranked; None where no option says.
        ranking: how many people, or whole images, rank them.
        views: how many there are to train on.
        unit: what is counted, such as `people`.
    """

    trainings: tuple[ForeseenTraining, ...] | None
    candidates: int | None
    ranking: int
    views: int
    unit: str

    def sentence(self) -> str:
        """Return the plan in one line."""
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        if self.trainings is None:
            yield f"the strategy does not tell what it trains; one pass shows {self.views:,} {self.unit}"
        for each in self.trainings or ():
            if each.phase == "final" and self.candidates:
                yield f"{self.candidates:,} candidates ranked on {self.ranking:,} {self.unit}"
            unit = "people" if each.purpose else self.unit
            trained = f"{each.epochs:,} x {each.views:,} {unit} {each.purpose or _PURPOSES[each.phase]}"
            several = f", {each.number:,} of them" if each.number > 1 else ""
            yield f"{trained} ({each.steps:,} steps{several})"


def outlook_of(composition: Composition) -> Outlook:
    """Return what a search is going to train; annotations are counted and no picture is read."""
    splits = Splits(composition, warn=lambda _text: None, advance=lambda _task, _done, _total: None)
    owner = Owner("strategy", composition.recipe.strategy.name)
    plan = planned(composition.strategy, composition.space, owner=owner)
    frames = composition.frames
    names = ("fit", "train", splits.ranking_split)
    views = {name: splits.views(name, frames=frames) for name in names}
    return Outlook(
        trainings=None
        if plan is None
        else tuple(_foreseen(composition, splits, each, frames) for each in plan),
        candidates=_candidates(composition, plan),
        ranking=views[splits.ranking_split],
        views=views["train"],
        unit=views_of(composition.view, frames=frames).unit,
    )


def check_shares(composition: Composition, processes: Processes) -> None:
    """Refuse more processes than people in a batch of a training that they are going to share.

    Candidates may be trained by one process each. Where they are not, their loader refuses.

    Raises:
        PosenasError: where a process would have nothing of a batch.
    """
    outlook = outlook_of(composition)
    views: dict[Phase, int] = {"final": outlook.views}
    views |= {each.phase: each.views for each in outlook.trainings or () if each.phase != "candidate"}
    for phase, shown in views.items():
        batch_size = composition.settings_of(phase).training.batch_size
        processes.check_batch(shown, batch_size=batch_size)


def _candidates(composition: Composition, plan: Sequence[PlannedTraining] | None) -> int | None:
    option = option_values(composition.strategy).get("candidates")
    if isinstance(option, int):
        return option
    return sum(each.number for each in plan or () if each.phase == "candidate") or None


def _foreseen(
    composition: Composition, splits: Splits, planned: PlannedTraining, frames: int
) -> ForeseenTraining:
    settings = composition.settings_of(planned.phase).training
    of_key_frame = planned.phase == "candidate" and frames > 1  # before the super-network for clips
    split = "train" if planned.phase == phase_of("train") else "fit"
    shown = splits.views(split, frames=1 if of_key_frame else frames)
    batches = max(1, shown // settings.batch_size)
    steps = planned.epochs * math.ceil(batches / settings.accumulate)
    purpose = "for the network of key frames" if of_key_frame else ""
    return ForeseenTraining(
        planned.phase, planned.number, planned.epochs, shown, batches, steps, purpose=purpose
    )
