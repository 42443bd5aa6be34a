"""The training of a network, or of a super-network, together with real values of its genotype."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, middle
from posenas.contract.problem import Learning
from posenas.learning.architecture import learn_values
from posenas.learning.training import Notes
from posenas.networks.devices import place
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import restore
from posenas.searching.effects import Effect
from posenas.searching.identity import identity
from posenas.searching.loading import fresh_network, fresh_shared_network, largest, load_part
from posenas.searching.resources import Resources
from posenas.searching.slices import Origin
from posenas.searching.training_effects import (
    Training,
    beginning,
    saved,
    step_identity,
    train_network,
    training_effect,
)


def relaxed_training(
    resources: Resources,
    training: Training,
    *,
    start: Genotype | None,
    learning: Learning,
    shared: bool,
) -> Effect:
    """Return the effect that trains a network together with its genotype's real values.

    Its result has the weights file, the genotype, and its course through the epochs of the training.

    Args:
        resources: what the work is done with.
        training: what is done to the network; its `init` is that of the slice before.
        start: the genotype with which the whole training begins; None for the middle of every dimension, or
            for the largest one.
        learning: how the values learn.
        shared: whether the network is the super-network of a space that shares weights too.

    Raises:
        PosenasError: where the training begins with other weights than those of a slice before.
    """
    if training.init is not None and not (training.span and training.span.begin):
        raise PosenasError("train_relaxed begins with fresh weights; `init` is for later slices alone")
    genotype = dict(_first_genotype(resources, shared=shared) if start is None else start)
    inputs = {
        "network": "relaxed",
        "start": genotype,
        "step": step_identity(training.step),
        "epochs": training.epochs,
        "learning": _learning_inputs(learning),
        **beginning(resources, training.init),
        **({"shared": True} if shared else {}),
    }

    def train(key: str, origin: Origin) -> dict[str, Any]:
        network = fresh_shared_network(resources) if shared else fresh_network(resources, genotype)
        return _train(resources, network, training, start=genotype, learning=learning, key=key, origin=origin)

    return training_effect(resources, "train relaxed", training, inputs=inputs, train=train)


def _train(
    resources: Resources,
    network: PoseNetwork | SharedPoseNetwork,
    training: Training,
    *,
    start: Genotype,
    learning: Learning,
    key: str,
    origin: Origin,
) -> dict[str, Any]:
    """Train a network's weights and real values, save the weights, and return the effect's result."""
    space = resources.composition.space
    pose = network.shared.holder if isinstance(network, SharedPoseNetwork) else network
    place(network, resources.composition.compute.device)
    restore(space, pose, start)
    architecture, values = learn_values(space, pose, learning)
    fixed = {name: value for name, value in start.items() if name not in values()}
    course = Notes(lambda: {**fixed, **values()})
    train_network(
        resources, network, training, key=key, origin=origin, architecture=architecture, notes=course
    )
    learnt = course.taken[-1]
    # A network of its own is saved without what came to weigh nothing.
    found = network if network is not pose else load_part(resources, learnt, network.state_dict())
    return {
        "weights": saved(resources, found, training),
        "genotype": learnt,
        "course": course.taken[-training.epochs :],
    }


def _first_genotype(resources: Resources, *, shared: bool) -> Genotype:
    return largest(resources) if shared else middle(resources.composition.space.dimensions())


def _learning_inputs(learning: Learning) -> dict[str, Any]:
    """Return the fields by which a journal knows the learning; later ones only where they are set."""
    identity(learning, role="learning")
    later = {"betas": learning.betas, "frozen": learning.frozen}
    inputs = {name: value for name, value in asdict(learning).items() if name not in later}
    return inputs | {name: list(value) for name, value in later.items() if value}
