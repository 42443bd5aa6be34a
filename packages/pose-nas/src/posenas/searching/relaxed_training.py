"""Training a network together with the real values of its genotype."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posenas.contract.genotype import Genotype
from posenas.contract.problem import Learning, Step
from posenas.learning.optimizers import Architecture
from posenas.learning.training import Notes, Watch
from posenas.networks.real_values import relax
from posenas.searching.workshop import Workshop


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
