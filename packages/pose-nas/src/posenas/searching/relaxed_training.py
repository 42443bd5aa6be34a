"""Training a network together with the real values of its genotype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posenas.contract.genotype import Genotype
from posenas.learning.optimizers import Architecture
from posenas.learning.training import Notes, Step, Watch
from posenas.networks.real_values import relax
from posenas.searching.workshop import Weights, Workshop

__all__ = ["Learning", "Relaxation", "relax", "train_relaxed"]


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
    course = Notes(lambda: _genotype(values))
    workshop.train(
        network,
        step=step,
        epochs=epochs,
        on=learning.on,
        seed=seed,
        checkpoint=checkpoint,
        watch=watch,
        architecture=Architecture(list(values.values()), learning.learning_rate, learning.weight_decay),
        notes=course,
    )
    learnt = course.taken[-1]
    found = workshop.part(learnt, network.state_dict())  # without what came to weigh nothing
    return {"weights": workshop.save(found), "genotype": learnt, "course": course.taken}


def _genotype(values: Mapping[str, nn.Parameter]) -> Genotype:
    return {name: value.detach().cpu().tolist() for name, value in values.items()}
