"""Training and scoring one candidate by itself: a job that any process can do, with the same result.

What a finished job gave is a file beside its checkpoint until the journal holds it, so that a job whose
process, or whose neighbours, are killed is never done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

import torch

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.randomness import derive_seed
from posenas.learning.training import DivergedError, SupervisedStep, Watch
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.journal import effect_key
from posenas.runs.run import Run
from posenas.runs.sealed import read_sealed, write_sealed
from posenas.searching.workshop import NetworkFailedError, Workshop, in_one_line


@dataclass(frozen=True)
class Job:
    """One candidate to train on `fit` and to score on the ranking people.

    Attributes:
        init: weights file of another candidate, which this one inherits from; None for fresh weights.
        initial: where they are the recipe's initial ones instead, their digest.
    """

    genotype: Genotype
    init: str | None
    epochs: int
    initial: str | None = None

    effect: ClassVar = "train and evaluate"

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Of the effect."""
        inputs = {"genotype": dict(self.genotype), "init": self.init, "epochs": self.epochs, "on": "fit"}
        return inputs if self.initial is None else inputs | {"initial": self.initial}

    @cached_property
    def key(self) -> str:
        """Of the effect; the job's random numbers derive from it and the run's seed."""
        return effect_key(self.effect, self.inputs)

    def checkpoint(self, run: Run) -> Path:
        return run.checkpoints / f"{self.key}.safetensors"

    def result(self, run: Run) -> Path:
        return run.checkpoints / f"{self.key}.json"

    def clear(self, run: Run) -> None:
        """Now that the journal knows the result."""
        self.checkpoint(run).unlink(missing_ok=True)
        self.result(run).unlink(missing_ok=True)


def train_candidate(workshop: Workshop, job: Job, watch: Watch) -> Mapping[str, Any]:
    """The weights of the epoch with the least validation loss, that loss, the share of inherited parameters,
    metrics and keypoints' figures; or why the candidate failed. Written to the job's file, too."""
    file = job.result(workshop.run)
    if file.exists():
        return _read_result(file)
    try:
        result = _train_candidate(workshop, job, watch)
    except (NetworkFailedError, DivergedError) as error:
        result = {"failure": str(error)}
    except (RuntimeError, MemoryError) as error:  # a full memory, or shapes that do not fit
        if "DataLoader worker" in str(error):  # no fault of the candidate's
            raise
        result = {"failure": in_one_line(error)}
    write_sealed(file, result)
    return result


def _read_result(file: Path) -> Mapping[str, Any]:
    try:
        return read_sealed(file)
    except ValueError as error:
        raise PosenasError(
            f"{file}: this candidate's result is damaged ({error}); delete it and resume the run"
        ) from error


def _train_candidate(workshop: Workshop, job: Job, watch: Watch) -> dict[str, Any]:
    seed = derive_seed(workshop.composition.recipe.seed, job.key)
    network, inherited = _begin(workshop, job, seed=seed)
    on = workshop.people.ranking_split
    _, crops = workshop.people.evaluated(on)
    loss = workshop.train(
        network,
        step=SupervisedStep(),
        epochs=job.epochs,
        on="fit",
        seed=seed,
        checkpoint=job.checkpoint(workshop.run),
        watch=watch,
        validate=lambda trained: workshop.validation_loss(cast(PoseNetwork, trained), crops),
    )
    weights = workshop.save(network)
    scores = workshop.scores(*workshop.predict(network, on=on))
    return {"weights": weights, "loss": loss, "inherited": inherited, **scores}


def _begin(workshop: Workshop, job: Job, *, seed: int) -> tuple[PoseNetwork, float | None]:
    """The network before its training, and the share of its parameters that it inherited."""
    torch.manual_seed(seed)
    if job.init is None:
        return workshop.fresh(job.genotype), None
    network, took = workshop.inherit(job.genotype, job.init)
    return network, took.share
