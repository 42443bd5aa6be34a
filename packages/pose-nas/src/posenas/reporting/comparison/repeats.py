"""The same search with several seeds: how far its figures move by chance."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.trial import Trial, trial_from_dict
from posenas.runs.sealed import read_sealed, write_sealed

FILE = "seeds.json"


@dataclass(frozen=True)
class Repeats:
    """Finished runs of one search, one for each seed; `seeds` are all that were asked for."""

    seeds: tuple[int, ...]
    objective: str
    answers: dict[int, Trial]

    def values(self, figure: str | None = None) -> list[float]:
        """Return the answers' objective, or a cost of theirs, in the order of the seeds."""
        found = [self.answers[seed] for seed in self.seeds if seed in self.answers]
        if figure is None:
            return [trial.metrics[self.objective] for trial in found if self.objective in trial.metrics]
        return [trial.costs[figure] for trial in found]

    def sentence(self) -> str:
        """Return what the seeds say together, in words."""
        scores = self.values()
        if len(scores) < 2:
            return f"{len(scores)} of {len(self.seeds)} seeds are finished; no spread can be told yet."
        return (
            f"{self.objective} {statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f} "
            f"(mean and standard deviation of {len(scores)} seeds: "
            f"{', '.join(f'{score:.3f}' for score in scores)})."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the file."""
        answers = {str(seed): trial.as_dict() for seed, trial in self.answers.items()}
        return {"seeds": list(self.seeds), "objective": self.objective, "answers": answers}


def seed_folder(parent: Path, seed: int) -> Path:
    """Return the folder of the run with this seed."""
    return parent / f"seed-{seed}"


def write_repeats(parent: Path, repeats: Repeats) -> None:
    """Write the file that tells which runs in a folder are one search."""
    write_sealed(parent / FILE, repeats.as_dict())


def read_repeats(parent: Path) -> Repeats | None:
    """Return the repeated search of a folder; None where it holds none.

    Raises:
        PosenasError: where its file cannot be read.
    """
    file = parent / FILE
    if not file.exists():
        return None
    try:
        record = read_sealed(file)
        answers = {int(seed): trial_from_dict(trial) for seed, trial in record["answers"].items()}
        return Repeats(tuple(record["seeds"]), record["objective"], answers)
    except (AttributeError, OSError, ValueError, TypeError, KeyError) as error:
        raise PosenasError(
            f"{file}: cannot be read as a repeated search ({error}); run `posenas compose` with the same "
            "recipe, --seeds and --run again"
        ) from error


def next_seeds(first: int, number: int) -> Sequence[int]:
    """Return so many seeds from the first one on."""
    return range(first, first + number)
