"""Training and scoring one candidate by itself: a job that any process can do, with the same result.

What a finished job gave is a file beside its checkpoint until the journal holds it, so that a job whose
process, or whose neighbours, are killed is never done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, cast

import torch
from torch import nn

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.learning.training import SupervisedStep, Watch
from posenas.learning.updates import DivergedError
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.checkpoint import save_weights
from posenas.runs.journal import effect_key
from posenas.runs.run import Run
from posenas.runs.sealed import read_sealed, write_sealed
from posenas.searching.effects import NetworkFailedError, waiting_result_of
from posenas.searching.loading import fresh_network, inherit_network
from posenas.searching.resources import Resources
from posenas.searching.scoring import candidate_evaluation, in_one_line, score, validation_loss
from posenas.searching.slices import Origin, origin_of
from posenas.searching.training_effects import Training, train_network


@dataclass(frozen=True)
class Job:
    """One candidate to train on `fit` and to score on the ranking people.

    Attributes:
        genotype: what is trained.
        init: weights file of another candidate, which this one inherits from; None for fresh weights.
        epochs: passes over the people.
        initial: where they are the recipe's initial ones instead, their digest.
    """

    genotype: Genotype
    init: str | None
    epochs: int
    initial: str | None = None

    effect: ClassVar = "train and evaluate"

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs of the effect."""
        inputs = {"genotype": dict(self.genotype), "init": self.init, "epochs": self.epochs, "on": "fit"}
        return inputs if self.initial is None else inputs | {"initial": self.initial}

    @property
    def files(self) -> tuple[str, ...]:
        """The weights files that it reads."""
        return () if self.init is None else (self.init,)

    @cached_property
    def key(self) -> str:
        """The key of the effect; the job's random numbers derive from it and the run's seed."""
        return effect_key(self.effect, self.inputs)

    def work(self, resources: Resources, watch: Watch) -> Mapping[str, Any]:
        """Do the job; see `train_candidate`."""
        return train_candidate(resources, self, watch)


@dataclass(frozen=True)
class Scoring:
    """One candidate to score with weights of the run, on the ranking people.

    Attributes:
        key: of the effect.
        genotype: what is scored.
        weights: shared; or its own, with 0 calibration people.
        calibration_people: batch norm is recalibrated with so many training people first; 0 keeps it.
    """

    key: str
    genotype: Genotype
    weights: Weights
    calibration_people: int

    @property
    def files(self) -> tuple[str, ...]:
        """The weights files that it reads."""
        return (self.weights.file,)

    def work(self, resources: Resources, watch: Watch) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the scores, or the `failure`; the watch hears nothing."""
        effect = candidate_evaluation(
            resources, self.genotype, self.weights, calibration_people=self.calibration_people
        )
        result: Mapping[str, Any] = effect.compute(self.key)
        return result


def train_candidate(resources: Resources, job: Job, watch: Watch) -> Mapping[str, Any]:
    """Train and score a candidate, and write the result to the job's file, unless it is there.

    Args:
        resources: what the work is done with.
        job: the candidate.
        watch: told of every batch and epoch.

    Returns:
        Plain data: the weights of the epoch with the least validation loss, or with the best score where the
        phase keeps that, its validation loss, the share of inherited parameters, metrics and keypoints'
        figures; or why the candidate failed.

    Raises:
        PosenasError: where the file is there and damaged.
    """
    file = waiting_result_of(resources.run, job.key)
    if file.exists():
        return read_waiting(resources.run, job.key)
    try:
        result = _train_candidate(resources, job, watch)
    except (NetworkFailedError, DivergedError) as error:
        result = {"failure": str(error)}
    except (RuntimeError, MemoryError) as error:  # a full memory, or shapes that do not fit
        if "DataLoader worker (pid" in str(error):  # no fault of the candidate's
            raise
        result = {"failure": in_one_line(error)}
    write_sealed(file, result)
    return result


def read_waiting(run: Run, key: str) -> Mapping[str, Any]:
    """Return the result of a finished job that waits for the journal.

    Raises:
        PosenasError: where its file is damaged.
    """
    file = waiting_result_of(run, key)
    try:
        return read_sealed(file)
    except ValueError as error:
        raise PosenasError(
            f"{file}: this candidate's result is damaged ({error}); delete it and resume the run"
        ) from error


def _train_candidate(resources: Resources, job: Job, watch: Watch) -> dict[str, Any]:
    origin = origin_of(resources, None, None, name=job.effect, inputs=job.inputs)
    network, inherited = _begin(resources, job, origin)
    on = resources.splits.ranking_split
    _, views = resources.splits.evaluated(on)
    asked = partial(validation_loss, resources.composition, views=views)
    loss = train_network(
        resources,
        network,
        Training(SupervisedStep(), job.epochs, "fit", watch, "candidate"),
        key=job.key,
        origin=origin,
        validate=cast(Callable[[nn.Module], float], asked),
    )
    if resources.composition.settings_of("candidate").training.keep == "best":
        loss = asked(network.eval())
    weights = save_weights(resources.run.weights, network)
    return {"weights": weights, "loss": loss, "inherited": inherited, **score(resources, network, on=on)}


def _begin(resources: Resources, job: Job, origin: Origin) -> tuple[PoseNetwork, float | None]:
    """Return the network before its training, and the share of its parameters that it inherited."""
    torch.manual_seed(origin.seed)
    if job.init is None:
        return fresh_network(resources, job.genotype), None
    network, took = inherit_network(resources, job.genotype, job.init)
    return network, took.share
