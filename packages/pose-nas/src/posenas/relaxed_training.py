"""Training a network together with the real values of its genotype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from posenas.files import write_atomically
from posenas.genotype import Genotype, canonical_json
from posenas.network import PoseNetwork
from posenas.optimizers import Architecture
from posenas.protocols import Relaxed
from posenas.strict_json import read_json
from posenas.training import Step, Watch
from posenas.workshop import Weights, Workshop


@dataclass(frozen=True)
class Learning:
    """How the architecture's values learn, beside the weights.

    Attributes:
        learning_rate: the same in every step; None for the weights' own.
        on: people: `train`; or `halves`, of which each batch has as many, the first half to learn the weights
            from and the second half to learn the architecture from.
    """

    learning_rate: float | None = None
    weight_decay: float = 0.0
    on: str = "train"


@dataclass(frozen=True)
class Relaxation:
    """What training gave.

    Attributes:
        course: the genotype after each epoch; the last one is `genotype`.
    """

    weights: Weights
    genotype: Genotype
    course: tuple[Genotype, ...]


def train_relaxed(
    workshop: Workshop,
    start: Genotype,
    *,
    step: Step,
    epochs: int,
    learning: Learning,
    seed: int,
    checkpoint: Path,
    watch: Watch,
) -> dict[str, Any]:
    """The weights file, the genotype and its course, as plain data."""
    torch.manual_seed(seed)
    network = workshop.fresh(start)
    network.to(workshop.composition.compute.device)
    values = relax(workshop.composition.space, network)
    course_file = checkpoint.with_suffix(".course.json")
    course: list[Genotype] = _course(course_file)

    def note(epoch: int) -> None:
        course[epoch - 1 :] = [_genotype(values)]
        write_atomically(course_file, canonical_json(course).encode())

    workshop.train(
        network,
        step=step,
        epochs=epochs,
        on=learning.on,
        seed=seed,
        checkpoint=checkpoint,
        watch=watch,
        architecture=Architecture(list(values.values()), learning.learning_rate, learning.weight_decay),
        before_checkpoint=note,
    )
    found = workshop.part(course[-1], network.state_dict())  # without what came to weigh nothing
    return {"weights": workshop.save(found), "genotype": course[-1], "course": course}


def _course(file: Path) -> list[Genotype]:
    course: list[Genotype] = (
        read_json(file, remedy="delete it and its checkpoint, and resume the run") if file.exists() else []
    )
    return course


def relax(space: object, network: PoseNetwork) -> Mapping[str, nn.Parameter]:
    """The architecture's values in the network, which are parameters from now on, by their dimensions."""
    values = cast(Relaxed, space).relax(network.backbone)
    return cast(Mapping[str, nn.Parameter], values)


def _genotype(values: Mapping[str, nn.Parameter]) -> Genotype:
    return {name: value.detach().cpu().tolist() for name, value in values.items()}
