"""What a repetition says: equal bytes, figures within the spread, or neither."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from statistics import mean
from typing import Any, Literal

from posenas.contract.errors import PosenasError
from posenas.reporting.reproduction.spread import Range, expected_range
from posenas.runs.lock_file import Outcome


@dataclass(frozen=True)
class Figure:
    """A metric or a cost of the winner that came out otherwise than it was locked.

    Attributes:
        name: of the metric or cost.
        seed: of the run.
        locked: the lock's value of this seed, or the mean of its seeds; None where the lock lacks it.
        here: the value of the run here; None where that lacks it.
        expected: where the value must be to be within the spread; None where no spread is known.
    """

    name: str
    seed: int
    locked: float | None
    here: float | None
    expected: Range | None

    @property
    def difference(self) -> float | None:
        """The value here less the locked one; None where one is missing."""
        return None if self.locked is None or self.here is None else self.here - self.locked


@dataclass(frozen=True)
class Reproduction:
    """What a repetition says.

    Attributes:
        verdict: `equal` if all bytes are, and the figures that follow from them; `within` if bytes differ
            and all figures are equal, or within the spread; else `neither`.
        differing: in words, what has other bytes, a line for each seed.
        moved: the figures that are not the locked ones.
        outside: those of them that are outside the spread; all of them where no spread is known.
        spread: in words, which spread was taken; empty where none is known.
    """

    verdict: Literal["equal", "within", "neither"]
    differing: tuple[str, ...]
    moved: tuple[Figure, ...]
    outside: tuple[Figure, ...]
    spread: str

    def sentence(self) -> str:
        """Return the verdict in one sentence."""
        if self.verdict == "equal":
            return "equal: weights, predictions and every step of the search have the locked bytes"
        if not self.differing:
            return (
                "neither: the bytes are equal, but the figures are not those of the lock: it was edited, or "
                "they are counted in another way here"
            )
        if not self.moved:
            return "within: every figure is equal, though the bytes are not"
        if self.verdict == "within":
            return f"within: {_counted(self.moved)} moved, and none beyond the spread of {self.spread}"
        if not self.spread:
            return (
                f"neither: {_counted(self.outside)} moved, and no spread is known to judge that by; lock "
                "a run of several seeds, or repeat with --seeds 3"
            )
        return f"neither: {_counted(self.outside)} moved beyond the spread of {self.spread}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def _counted(figures: Sequence[Figure]) -> str:
    return "1 figure" if len(figures) == 1 else f"{len(figures)} figures"


def judge(locked: Sequence[Outcome], here: Sequence[Outcome], *, counted: Collection[str]) -> Reproduction:
    """Return what the runs here say about the locked ones.

    Args:
        locked: the outcomes of a lock.
        here: those of the same search here, of at least one locked seed.
        counted: the names of the costs that are counted, not measured: equal bytes have equal ones.

    Raises:
        PosenasError: where no seed here is a locked one, so that nothing can be compared.
    """
    by_seed = {outcome.seed: outcome for outcome in locked}
    shared = [(by_seed[outcome.seed], outcome) for outcome in here if outcome.seed in by_seed]
    if not shared:
        raise PosenasError(
            f"nothing was compared: the lock has no outcome of seed {here[0].seed}; write it anew with "
            "`posenas lock RUN`"
        )
    differing = tuple(filter(None, (_differing(before, now) for before, now in shared)))
    sample, spread = _sample(locked, here)
    from_lock = sample is locked
    judged = here if from_lock else [now for _, now in shared]
    figures = list(_figures(by_seed, judged, sample=sample))
    outside = tuple(figure for figure in figures if _is_outside(figure, from_lock=from_lock))
    moved = tuple(figure for figure in figures if figure.seed in by_seed or figure in outside)
    verdict: Literal["equal", "within", "neither"] = "neither" if outside else "within"
    if not differing:
        alike = all(_exact(before, counted) == _exact(now, counted) for before, now in shared)
        verdict = "equal" if alike else "neither"
    return Reproduction(verdict, differing, moved, outside, spread)


def _sample(locked: Sequence[Outcome], here: Sequence[Outcome]) -> tuple[Sequence[Outcome], str]:
    """Return the runs that tell the spread, and their name; no runs where neither side has several."""
    if len(locked) > 1:
        return locked, f"the lock's {len(locked)} seeds"
    return (here, f"{len(here)} seeds here") if len(here) > 1 else ((), "")


def _differing(locked: Outcome, here: Outcome) -> str:
    """Return in words what has other bytes; empty where nothing has."""
    found = [name for name in ("weights", "predictions") if getattr(locked, name) != getattr(here, name)]
    pairs = zip_longest(locked.steps, here.steps)
    step = next((number for number, (before, now) in enumerate(pairs, 1) if before != now), None)
    if step is not None:
        steps = locked.steps if step <= len(locked.steps) else here.steps
        name = steps[step - 1].rpartition(" ")[0]
        found.append(f"steps from {step} of {len(locked.steps)} on ({name})")
    if locked.genotype != here.genotype:
        found.append(f"winner ({locked.genotype}, here {here.genotype})")
    return f"seed {here.seed}: other {', '.join(found)}" if found else ""


def _exact(outcome: Outcome, counted: Collection[str]) -> dict[str, float]:
    """Return the figures that follow from the bytes: metrics, and counted costs with those of parts."""
    costs = {name: cost for name, cost in outcome.costs.items() if name.partition(".")[0] in counted}
    return {**outcome.metrics, **costs}


def _figures(
    locked: dict[int, Outcome], here: Sequence[Outcome], *, sample: Sequence[Outcome]
) -> Iterator[Figure]:
    """Yield each figure of each run here that is not the locked one."""
    for outcome in here:
        before = locked[outcome.seed].figures if outcome.seed in locked else _means(list(locked.values()))
        for name in dict.fromkeys((*before, *outcome.figures)):
            figure = Figure(
                name, outcome.seed, before.get(name), outcome.figures.get(name), _expected(name, sample)
            )
            if figure.locked != figure.here:
                yield figure


def _means(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the means of the figures that all outcomes have."""
    values = [outcome.figures for outcome in outcomes]
    names = (name for name in values[0] if all(name in each for each in values))
    return {name: mean(each[name] for each in values) for name in names}


def _expected(name: str, sample: Sequence[Outcome]) -> Range | None:
    values = [outcome.figures[name] for outcome in sample if name in outcome.figures]
    return expected_range(values) if len(values) > 1 else None


def _is_outside(figure: Figure, *, from_lock: bool) -> bool:
    """Return whether the value here is outside the lock's spread, or the locked value outside that here."""
    value = figure.here if from_lock else figure.locked
    return figure.expected is None or value is None or not figure.expected.holds(value)
