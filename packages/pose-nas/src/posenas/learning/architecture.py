"""The values in a network that say which network it is, and how a training learns them beside the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Learning
from posenas.networks.real_values import relax


@dataclass(frozen=True)
class Architecture:
    """Parameters of a network that say which network it is, and how they learn.

    Attributes:
        parameters: the group `architecture`.
        learning_rate: the same in every step; None for the weights'.
        weight_decay: of these parameters.
        betas: how fast Adam forgets gradients and their squares; None for torch's own figures.
    """

    parameters: Sequence[nn.Parameter]
    learning_rate: float | None
    weight_decay: float
    betas: tuple[float, float] | None = None


def learn_values(
    space: object, network: nn.Module, learning: Learning
) -> tuple[Architecture, Callable[[], Genotype]]:
    """Make real values of a network parameters that learn, and freeze what is not to be trained.

    Args:
        space: a relaxed space.
        network: the network, or the one that holds shared weights, on the device to train on.
        learning: how the values learn, and the names of what is frozen.

    Returns:
        How the values learn; and a function that gives their present figures, by their dimensions.
    """
    values = relax(space, network)
    freeze(network, learning.frozen)
    architecture = Architecture(
        list(values.values()), learning.learning_rate, learning.weight_decay, learning.betas
    )
    return architecture, lambda: {name: value.detach().cpu().tolist() for name, value in values.items()}


def freeze(network: nn.Module, names: Iterable[str]) -> None:
    """Switch off the gradients of parameters, so that a training leaves them as they are.

    Batch norms among them still follow the statistics of what they see.

    Args:
        network: the network that has the parameters.
        names: full names of parameters, or of modules with all parameters in them.

    Raises:
        PosenasError: where a name is of neither.
    """
    for name in names:
        found = [
            each for full, each in network.named_parameters() if full == name or full.startswith(f"{name}.")
        ]
        if not found:
            raise PosenasError(f"a training is to leave {name!r} as it is, and the network has no such part")
        for parameter in found:
            parameter.requires_grad = False
