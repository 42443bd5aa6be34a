"""Figures of a run for TensorBoard, in event files in the run's folder `tensorboard`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from posenas.contract.genotype import Genotype
from posenas.runs.recipe import Recipe

FOLDER = "tensorboard"


class EventFiles:
    """The keeper of a run's figures in TensorBoard's event files; each process writes a file of its own."""

    def __init__(self, run: Path, _recipe: Recipe) -> None:
        self._folder = run / FOLDER
        self._known = _scalars(self._folder)
        self._writer = SummaryWriter(str(self._folder))

    def known(self) -> set[tuple[str, int]]:
        """Return the names and steps in the event files that were there before."""
        return self._known

    def add(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write scalars, and flush them."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def conclude(self, genotype: Genotype, figures: Iterable[str]) -> None:
        """Write the answer's genotype as hyper-parameters that its figures stand beside."""
        options = {name: _plain(value) for name, value in genotype.items()}
        values = dict.fromkeys(figures, 0.0)  # the scalars themselves follow
        for summary in hparams(options, values):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _scalars(folder: Path) -> set[tuple[str, int]]:
    if not folder.exists():
        return set()
    held = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0})
    held.Reload()
    return {(tag, event.step) for tag in held.Tags()[SCALARS] for event in held.Scalars(tag)}


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)
