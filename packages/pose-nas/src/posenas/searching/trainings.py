"""Trainings as effects: of a super-network, of one network, and of one with its genotype's real values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from posenas.contract.genotype import Genotype, middle
from posenas.contract.problem import Learning, Step, Weights
from posenas.contract.randomness import derive_seed
from posenas.learning.optimizers import Architecture
from posenas.learning.training import Notes, SupervisedStep, Watch, train
from posenas.networks.real_values import relax
from posenas.runs.checkpoint import save_weights
from posenas.runs.events import Events
from posenas.searching.effects import Effect, checkpoint_of
from posenas.searching.identity import identity
from posenas.searching.loading import (
    fresh_network,
    fresh_shared_network,
    load_network,
    load_part,
    trained_shared_network,
)
from posenas.searching.resources import Resources


@dataclass(frozen=True)
class Training:
    """What is done to a network.

    Attributes:
        step: computes the losses and gradients of a batch.
        epochs: passes over the people.
        on: the split to train on.
        watch: told of every batch and epoch.
    """

    step: Step
    epochs: int
    on: str
    watch: Watch


def watch_training(events: Events, task: str) -> Watch:
    """Return what a training calls after each batch and epoch, so that listeners hear of it."""

    def epoch(number: int, epochs: int, losses: Mapping[str, float]) -> None:
        events.tell("epoch_finished", task=task, epoch=number, epochs=epochs, losses=losses)

    return Watch(
        step=lambda done, total: events.tell("advanced", task=task, done=done, total=total), epoch=epoch
    )


def shared_training(resources: Resources, training: Training, *, init: Weights | None) -> Effect:
    """Return the effect that trains a super-network; its result is the weights file's name.

    Args:
        resources: what the work is done with.
        training: what is done to it.
        init: shared weights to begin with; None for fresh ones.
    """

    def build() -> nn.Module:
        if init is None:
            return fresh_shared_network(resources)
        return trained_shared_network(resources, init.file)

    step = {"network": "shared", "step": identity(training.step, role="step")}
    return _effect(resources, training, inputs=step, init=init, build=build)


def network_training(
    resources: Resources,
    genotype: Genotype,
    *,
    epochs: int,
    init: Weights | None,
    on: str,
    repeat: int,
    watch: Watch,
) -> Effect:
    """Return the effect that trains one genotype's network alone; its result is the weights file's name.

    Args:
        resources: what the work is done with.
        genotype: whose network is trained.
        epochs: passes over the people.
        init: its own weights, or shared ones, to begin with; None for fresh ones.
        on: the split to train on.
        repeat: each number is a training of its own, with other random numbers.
        watch: told of every batch and epoch.
    """

    def build() -> nn.Module:
        if init is None:
            return fresh_network(resources, genotype)
        return load_network(resources, genotype, init)

    training = Training(SupervisedStep(), epochs, on, watch)
    inputs = {"network": dict(genotype)} | ({"repeat": repeat} if repeat else {})
    return _effect(resources, training, inputs=inputs, init=init, build=build)


def relaxed_training(
    resources: Resources, step: Step, *, start: Genotype | None, epochs: int, learning: Learning, watch: Watch
) -> Effect:
    """Return the effect that trains a fresh network together with its genotype's real values.

    Its result has the weights file, the genotype, and its course through the epochs.

    Args:
        resources: what the work is done with.
        step: computes the losses and gradients of a batch.
        start: the genotype to begin with; None for the middle of every dimension.
        epochs: passes over the people.
        learning: how the values learn, and on which people.
        watch: told of every batch and epoch.
    """
    identity(learning, role="learning")
    training = Training(step, epochs, learning.on, watch)
    genotype = dict(middle(resources.composition.space.dimensions()) if start is None else start)
    inputs = {
        "network": "relaxed",
        "start": genotype,
        "step": identity(step, role="step"),
        "epochs": epochs,
        "learning": asdict(learning),
        **beginning(resources, None),
    }
    return Effect(
        "train relaxed", inputs, lambda key: _train_relaxed(resources, genotype, training, learning, key=key)
    )


def beginning(resources: Resources, init: Weights | None) -> dict[str, Any]:
    """Return what the weights are known by that a training begins with: inputs of its effect."""
    if init is not None:
        return {"init": init.file}
    initial = resources.initial
    return {"init": None} | ({} if initial is None else {"initial": initial.digest})


def begin(resources: Resources, key: str) -> None:
    """Set torch's random numbers for the training of an effect, before its network is built."""
    torch.manual_seed(_seed(resources, key))


def train_network(
    resources: Resources,
    network: nn.Module,
    training: Training,
    *,
    key: str,
    validate: Callable[[nn.Module], float] | None = None,
    architecture: Architecture | None = None,
    notes: Notes | None = None,
) -> float | None:
    """Train a network in place on the run's device, from the effect's checkpoint where there is one.

    Args:
        resources: what the work is done with.
        network: in any mode, on any device.
        training: what is done to it.
        key: of the effect; random numbers and the checkpoint's name derive from it.
        validate: the network's loss on other people, asked after each epoch.
        architecture: parameters that learn in a way of their own.
        notes: what is noted after each epoch.

    Returns:
        The least validation loss, whose weights the network has then; None where nothing is validated.
    """
    seed = _seed(resources, key)
    network.to(resources.composition.compute.device)
    with resources.people.training(training.on, seed=seed) as source:
        return train(
            network,
            source,
            step=training.step,
            epochs=training.epochs,
            settings=resources.composition.training,
            seed=seed,
            checkpoint=checkpoint_of(resources.run, key),
            watch=training.watch,
            validate=validate,
            architecture=architecture,
            notes=notes,
        )


def _effect(
    resources: Resources,
    training: Training,
    *,
    inputs: Mapping[str, Any],
    init: Weights | None,
    build: Callable[[], nn.Module],
) -> Effect:
    def compute(key: str) -> str:
        begin(resources, key)
        network = build()
        train_network(resources, network, training, key=key)
        return save_weights(resources.run.weights, network)

    people = {"epochs": training.epochs, "on": training.on}
    return Effect("train", {**inputs, **people, **beginning(resources, init)}, compute)


def _train_relaxed(
    resources: Resources, start: Genotype, training: Training, learning: Learning, *, key: str
) -> dict[str, Any]:
    begin(resources, key)
    network = fresh_network(resources, start)
    network.to(resources.composition.compute.device)
    values = relax(resources.composition.space, network)
    architecture = Architecture(list(values.values()), learning.learning_rate, learning.weight_decay)
    course = Notes(lambda: _genotype(values))
    train_network(resources, network, training, key=key, architecture=architecture, notes=course)
    learnt = course.taken[-1]
    found = load_part(resources, learnt, network.state_dict())  # without what came to weigh nothing
    return {
        "weights": save_weights(resources.run.weights, found),
        "genotype": learnt,
        "course": course.taken,
    }


def _seed(resources: Resources, key: str) -> int:
    return derive_seed(resources.composition.recipe.seed, key)


def _genotype(values: Mapping[str, nn.Parameter]) -> Genotype:
    return {name: value.detach().cpu().tolist() for name, value in values.items()}
