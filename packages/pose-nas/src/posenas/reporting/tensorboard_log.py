"""Figures of a run for TensorBoard, in event files in the run's folder `tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from posenas.contract.trial import Trial
from posenas.runs.recipe import Recipe

FOLDER = "tensorboard"
_ANSWER = "answer/"


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

    def finish(self, answer: Trial, figures: Mapping[str, float]) -> None:
        """Write the answer's genotype as hyper-parameters, beside its figures, once; then close the file."""
        scores = {f"{_ANSWER}{name}": value for name, value in figures.items()}
        if not {name for name, _ in self._known} & scores.keys():
            for summary in hparams({name: _plain(value) for name, value in answer.genotype.items()}, scores):
                self._writer.file_writer.add_summary(summary)
            self.add(scores, step=0)
        self._writer.close()


def _scalars(folder: Path) -> set[tuple[str, int]]:
    if not folder.exists():
        return set()
    held = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0})
    held.Reload()
    return {(tag, event.step) for tag in held.Tags()[SCALARS] for event in held.Scalars(tag)}


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)
