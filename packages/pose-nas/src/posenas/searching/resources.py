"""What the work of a search is done with, for functions that compute and remember nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from posenas.composing.composition import Composition
from posenas.composing.initial_weights import load_initial_weights
from posenas.networks.initial_weights import InitialWeights
from posenas.networks.pose_network import SharedPoseNetwork
from posenas.runs.checkpoint import read_weights
from posenas.runs.run import Run
from posenas.searching.splits import Splits


@dataclass(frozen=True)
class Resources:
    """A composition with its people, and the folder of a run.

    Attributes:
        composition: components and settings.
        run: the folder where weights and checkpoints lie.
        splits: of the dataset, read when they are first needed.
        read: gives the content of a weights file of the run, by its name.
        tell_initial: told how much the recipe's initial weights fill of a network, each time.
        shared: the super-network that was read last, by its file.
    """

    composition: Composition
    run: Run
    splits: Splits
    read: Callable[[str], bytes]
    tell_initial: Callable[[str], None]
    shared: dict[str, SharedPoseNetwork] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def initial(self) -> InitialWeights | None:
        """The recipe's weights to begin trainings with, read once; None where it names none."""
        init = self.composition.recipe.init
        return load_initial_weights(init) if init else None


def make_resources(
    composition: Composition,
    run: Run,
    *,
    warn: Callable[[str], None],
    advance: Callable[[str, int, int], None],
    read: Callable[[str], bytes] | None = None,
    crops_folder: Path | None = None,
    beside: int = 1,
) -> Resources:
    """Return the resources of a run in this process.

    Args:
        composition: what is searched.
        run: where its files lie.
        warn: told what is wrong with the data, each text once, and how far the first initial weights fit.
        advance: told a task's name, the steps that it has done, and those it has in all.
        read: gives a weights file's content; None to read it as it lies there.
        crops_folder: where crops lie on disk if the run has no cache; None keeps none there.
        beside: processes of this machine that train at the same time, this one among them.
    """
    return Resources(
        composition,
        run,
        Splits(
            composition,
            warn=warn,
            advance=advance,
            folder=run.cache_folder,
            crops_folder=crops_folder,
            beside=beside,
        ),
        read=read or (lambda file: read_weights(run.weights, file)),
        tell_initial=_first_alone(warn),
    )


def _first_alone(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes on the first text it is told: one network stands for the others."""
    told: list[str] = []

    def warn_first(text: str) -> None:
        if not told:
            warn(text)
        told.append(text)

    return warn_first
