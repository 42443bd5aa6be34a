"""Networks with their weights: fresh ones, from a file of their own, from shared weights, from a parent's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import torch
from safetensors.torch import load
from torch import Tensor, nn

from posenas.composing.building import sharing
from posenas.composing.joined import own_space
from posenas.contract.components import Propagating, Relaxed, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Beginning, Weights
from posenas.networks.initial_weights import InitialWeights
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax, restore
from posenas.networks.transfer import Transfer, transfer
from posenas.searching.resources import Resources


def fresh_network(resources: Resources, genotype: Genotype, *, init: Beginning | None = None) -> PoseNetwork:
    """Return a network whose training is to begin.

    Args:
        resources: what the work is done with.
        genotype: of the network that is returned.
        init: which weights it has; None for the recipe's initial ones, or fresh ones where it has none.
    """
    network = resources.composition.build(genotype)
    _fill(resources, network, initial_weights(resources, init))
    restore(resources.composition.space, network, genotype)
    return network


def load_network(resources: Resources, genotype: Genotype, weights: Weights) -> PoseNetwork:
    """Return the genotype's network with its own weights, or with its part of shared ones.

    Args:
        resources: what the work is done with.
        genotype: of the network that is returned.
        weights: its own, or shared ones.
    """
    if weights.shared:
        return _shared_to_derive(resources, weights.file).derive(genotype)
    network = resources.composition.build(genotype)
    network.load_state_dict(read_tensors(resources, weights.file))
    restore(resources.composition.space, network, genotype)
    return network


def load_part(resources: Resources, genotype: Genotype, tensors: Mapping[str, Tensor]) -> PoseNetwork:
    """Return the genotype's network with tensors of a network that has all that it has, or more.

    Args:
        resources: what the work is done with.
        genotype: of the network that is returned.
        tensors: by their names, of the same shapes as the network's.
    """
    network = resources.composition.build(genotype)
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    restore(resources.composition.space, network, genotype)
    return network


def inherit_network(resources: Resources, genotype: Genotype, file: str) -> tuple[PoseNetwork, Transfer]:
    """Return the genotype's network with what fits of another one's weights, and what that was.

    Args:
        resources: what the work is done with.
        genotype: of the network that is returned.
        file: the other network's weights.
    """
    network = resources.composition.build(genotype)
    took = transfer(network, read_tensors(resources, file))
    restore(resources.composition.space, network, genotype)
    return network, took


def fresh_shared_network(resources: Resources, *, key_frame: Weights | None = None) -> SharedPoseNetwork:
    """Return a super-network whose training is to begin, with initial weights where the recipe has some.

    Args:
        resources: what the work is done with.
        key_frame: weights of the key frame's network of a space for clips, with which all frames begin.
    """
    network = _new_shared(resources, relaxed=_learns_values(resources))
    if key_frame is None:
        _fill(resources, network.shared.holder, resources.initial)
    else:
        _begin(resources, network.shared.holder, read_tensors(resources, key_frame.file))
    restore(resources.composition.space, network.shared.holder, largest(resources))
    return network


def trained_shared_network(resources: Resources, file: str) -> SharedPoseNetwork:
    """Return a super-network whose training is to go on."""
    return _read_shared(resources, file, relaxed=_learns_values(resources))


def read_tensors(resources: Resources, file: str) -> dict[str, Tensor]:
    """Return the tensors of a weights file by their names."""
    return load(resources.read(file))


def _shared_to_derive(resources: Resources, file: str) -> SharedPoseNetwork:
    """Return the super-network of a file, read anew only where it is not the last one that was read."""
    if file not in resources.shared:
        resources.shared.clear()
        resources.shared[file] = _read_shared(resources, file, relaxed=False)
    return resources.shared[file]


def _read_shared(resources: Resources, file: str, *, relaxed: bool) -> SharedPoseNetwork:
    shared = _new_shared(resources, relaxed=relaxed)
    shared.load_state_dict(read_tensors(resources, file))
    return shared


def _new_shared(resources: Resources, *, relaxed: bool) -> SharedPoseNetwork:
    space = resources.composition.space
    return SharedPoseNetwork(
        resources.composition.build,
        resources.composition.holder(),
        relax=partial(relax, space) if relaxed else None,
        restore=partial(restore, space),
        source=_source(space),
        frames=resources.composition.frames,
    )


def _source(space: SearchSpace) -> Callable[[str], str] | None:
    own = own_space(space)
    return own.source if isinstance(own, Propagating) else None


def largest(resources: Resources) -> Genotype:
    """Return the largest genotype of a space that shares weights."""
    return sharing(resources.composition.space).largest()


def check_beginning(resources: Resources, init: Weights | None) -> None:
    """Refuse weights of one network for shared ones, where the space does not say what begins as what.

    Raises:
        PosenasError: where it does not.
    """
    if init is not None and not isinstance(own_space(resources.composition.space), Propagating):
        raise PosenasError(
            "train_shared: shared weights cannot begin as those of one network in this space; tell the "
            "authors of the strategy"
        )


@torch.no_grad()
def _begin(resources: Resources, holder: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Fill what of a super-network for clips begins as the key frame's network."""
    begins_as = cast(Propagating, own_space(resources.composition.space)).begins_as
    learnt = {name for name, parameter in holder.named_parameters() if parameter.requires_grad}
    for name, tensor in holder.state_dict().items():
        source = tensors.get(begins_as(name))
        if source is not None:
            tensor.copy_(source)
        elif name not in learnt and not name.endswith("num_batches_tracked"):
            raise PosenasError(
                f"{name} never learns, and the key frame's network has nothing that it begins as"
            )


def _learns_values(resources: Resources) -> bool:
    """Tell whether real values of the space learn beside its weights: its strategy says so."""
    return Relaxed in resources.composition.strategy.requires()


def initial_weights(resources: Resources, init: Beginning | None) -> InitialWeights | None:
    """Return the weights from elsewhere that a training begins with; None for fresh ones.

    Raises:
        PosenasError: where a strategy wants the recipe's and there are none.
    """
    if init is Beginning.INITIAL and resources.initial is None:
        raise PosenasError("a training is to begin with initial weights, and the recipe has none; add --init")
    return None if init is Beginning.FRESH else resources.initial


def _fill(resources: Resources, network: nn.Module, initial: InitialWeights | None) -> None:
    if initial is not None:
        keypoints = resources.composition.keypoints.names
        told = initial.fill(network, keypoints=keypoints)
        resources.tell_initial(told + resources.composition.fed)
