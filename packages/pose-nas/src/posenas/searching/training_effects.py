"""Trainings as effects: of a super-network, of one network, and what all trainings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from posenas.composing.checks.conformity import check_step
from posenas.composing.phases import check_kept
from posenas.contract.genotype import Genotype
from posenas.contract.phases import Phase
from posenas.contract.problem import Beginning, Span, Step, Weights
from posenas.learning.architecture import Architecture
from posenas.learning.compiling import compiled_step
from posenas.learning.training import Notes, SupervisedStep, Watch, train
from posenas.networks.counting import frames_of
from posenas.networks.devices import place
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.processes import ALONE, Processes
from posenas.runs.checkpoint import save_weights
from posenas.runs.events import Events
from posenas.searching.effects import Effect, checkpoint_of
from posenas.searching.identity import identity
from posenas.searching.loading import (
    check_beginning,
    fresh_network,
    fresh_shared_network,
    initial_weights,
    load_network,
    trained_shared_network,
)
from posenas.searching.resources import Resources
from posenas.searching.scoring import first_metric, ranking_score
from posenas.searching.slices import Origin, check_slice, kept_state, origin_of, slice_inputs


@dataclass(frozen=True)
class Training:
    """What is done to a network.

    Attributes:
        step: computes the losses and gradients of a batch.
        epochs: passes over the people.
        on: the split to train on.
        watch: told of every batch and epoch.
        phase: whose settings the training takes.
        init: the weights to begin with; None for the recipe's initial ones, or fresh ones without any.
        span: the place of the epochs in a training that is cut into slices.
        processes: that train the network together.
    """

    step: Step
    epochs: int
    on: str
    watch: Watch
    phase: Phase
    init: Weights | Beginning | None = None
    span: Span | None = None
    processes: Processes = ALONE

    @property
    def earlier(self) -> Weights | None:
        """The weights of this run that the training begins with; None where they are from elsewhere."""
        return self.init if isinstance(self.init, Weights) else None


def watch_training(events: Events, task: str) -> Watch:
    """Return what a training calls after each batch and epoch, so that listeners hear of it."""

    def epoch(number: int, epochs: int, losses: Mapping[str, float]) -> None:
        events.tell("epoch_finished", task=task, epoch=number, epochs=epochs, losses=losses)

    return Watch(
        step=lambda done, total: events.tell("advanced", task=task, done=done, total=total), epoch=epoch
    )


def shared_training(resources: Resources, training: Training) -> Effect:
    """Return the effect that trains a super-network; `weights_of` reads its result."""
    inputs = {
        "network": "shared",
        "step": step_identity(training.step),
        "epochs": training.epochs,
        "on": training.on,
        **beginning(resources, training.init),
    }
    build = _shared_network(resources, training.earlier)
    return training_effect(
        resources, "train", training, inputs=inputs, train=_plain(resources, training, build)
    )


def network_training(resources: Resources, genotype: Genotype, training: Training, *, repeat: int) -> Effect:
    """Return the effect that trains one genotype's network alone; `weights_of` reads its result.

    Args:
        resources: what the work is done with.
        genotype: whose network is trained.
        training: what is done to it. It begins with the network's own weights, or with shared ones.
        repeat: each number is a training of its own, with other random numbers.
    """

    def build() -> PoseNetwork:
        if isinstance(training.init, Weights):
            return load_network(resources, genotype, training.init)
        return fresh_network(resources, genotype, init=training.init)

    inputs = {
        "network": dict(genotype),
        "epochs": training.epochs,
        "on": training.on,
        **beginning(resources, training.init),
        **({"repeat": repeat} if repeat else {}),
    }
    return training_effect(
        resources, "train", training, inputs=inputs, train=_plain(resources, training, build)
    )


def weights_of(result: Any, *, shared: bool) -> Weights:
    """Return the weights that a training made.

    Args:
        result: of its effect: a file's name, or a mapping with `weights` and, of slices, `state`.
        shared: whether they are a super-network's.
    """
    if isinstance(result, str):
        return Weights(result, shared)
    return Weights(result["weights"], shared, result.get("state"))


def step_identity(step: Step) -> str:
    """Return what a journal knows a step by; refuse one that a training cannot call."""
    check_step(step)
    return identity(step, role="step")


def beginning(resources: Resources, init: Weights | Beginning | None) -> dict[str, Any]:
    """Return what the weights are known by that a training begins with: inputs of its effect."""
    if isinstance(init, Weights):
        return {"init": init.file}
    initial = initial_weights(resources, init)
    return {"init": None} | ({} if initial is None else {"initial": initial.digest})


def train_network(
    resources: Resources,
    network: PoseNetwork | SharedPoseNetwork,
    training: Training,
    *,
    key: str,
    origin: Origin,
    validate: Callable[[nn.Module], float] | None = None,
    architecture: Architecture | None = None,
    notes: Notes | None = None,
) -> float | None:
    """Train a network in place on the run's device, from the effect's checkpoint where there is one.

    Args:
        resources: what the work is done with.
        network: in any mode, on any device.
        training: what is done to it.
        key: of the effect; the checkpoint's name derives from it.
        origin: the seed of random numbers, and the state of the slice before.
        validate: the network's loss on other people, asked after each epoch; where the phase keeps the
            epoch with the best score, that is asked instead.
        architecture: parameters that learn in a way of their own.
        notes: what is noted after each epoch.

    Returns:
        The least validation loss, or with `keep` the best score, whose weights the network has then; None
        where nothing is validated.
    """
    place(network, resources.composition.compute.device)
    settings = resources.composition.settings_of(training.phase).training
    check_kept(settings, training.phase, held_out=resources.composition.evaluation.held_out)
    objective = None
    if settings.keep == "best":
        objective = first_metric(resources.composition)
        validate = partial(ranking_score, resources)
    views = resources.splits.training(
        training.on,
        seed=origin.seed,
        phase=training.phase,
        processes=training.processes,
        frames=network.frames,
    )
    with views as source, _step(resources, network, training) as step:
        return train(
            network,
            source,
            step=step,
            epochs=training.epochs,
            settings=settings,
            seed=origin.seed,
            checkpoint=checkpoint_of(resources.run, key),
            watch=training.watch,
            validate=validate,
            objective=objective,
            architecture=architecture,
            notes=notes,
            span=training.span,
            state=origin.state,
            loss_scale=resources.composition.compute.loss_scale,
            processes=training.processes,
        )


def _step(
    resources: Resources, network: PoseNetwork | SharedPoseNetwork, training: Training
) -> AbstractContextManager[Step]:
    """Give how a network learns: as is asked for, or compiled where the phase says so and it is static."""
    settings = resources.composition.settings_of(training.phase).training
    if not settings.compile or not isinstance(training.step, SupervisedStep):
        return nullcontext(training.step)
    frames = frames_of(network)
    shown = resources.splits.views(training.on, frames=frames)
    mine = training.processes.share(range(min(settings.batch_size, shown)))
    return compiled_step(network, frames * len(mine))


def training_effect(
    resources: Resources,
    name: str,
    training: Training,
    *,
    inputs: Mapping[str, Any],
    train: Callable[[str, Origin], Any],
) -> Effect:
    """Return the effect of a training, or of a slice of one.

    Args:
        resources: what the work is done with.
        name: of the effect.
        training: what is done.
        inputs: of the effect, beside those of a slice.
        train: does it, told the effect's key and the origin; gives a result for `weights_of`.
    """
    span, init = training.span, training.earlier
    check_slice(span, epochs=training.epochs, init=init)

    def compute(key: str) -> Any:
        origin = origin_of(resources, span, init, name=name, inputs=inputs)
        torch.manual_seed(origin.seed)
        result = train(key, origin)
        if span is None or not training.processes.first:
            return result
        made = {"weights": result} if isinstance(result, str) else result
        return {**made, "state": kept_state(resources, span, epochs=training.epochs, key=key)}

    needs = () if init is None else tuple(filter(None, (init.file, init.state)))
    return Effect(name, {**inputs, **slice_inputs(span, init)}, compute, together=True, needs=needs)


def saved(resources: Resources, network: nn.Module, training: Training) -> str:
    """Write the weights that a training made, and return their file's name; only process 0 writes them."""
    return save_weights(resources.run.weights, network) if training.processes.first else ""


def _plain(
    resources: Resources, training: Training, build: Callable[[], PoseNetwork | SharedPoseNetwork]
) -> Callable[[str, Origin], str]:
    """Return what trains a network whose parameters all learn alike, and saves its weights."""

    def train(key: str, origin: Origin) -> str:
        network = build()
        train_network(resources, network, training, key=key, origin=origin)
        return saved(resources, network, training)

    return train


def _shared_network(resources: Resources, init: Weights | None) -> Callable[[], SharedPoseNetwork]:
    """Return what builds a super-network whose training begins or goes on."""
    if init is None or not init.shared:
        check_beginning(resources, init)
        return lambda: fresh_shared_network(resources, key_frame=init)
    return lambda: trained_shared_network(resources, init.file)
