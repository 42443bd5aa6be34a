"""The optimisers of a training: one for each group of parameters, and which weights they decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from posenas.contract.problem import ARCHITECTURE, WEIGHTS
from posenas.learning.architecture import Architecture
from posenas.learning.settings import TrainingSettings

_BETAS = (0.9, 0.999)
"""Adam's betas as torch has them, for an architecture that names none."""


def make_optimizers(
    network: nn.Module, settings: TrainingSettings, architecture: Architecture | None = None
) -> dict[str, torch.optim.Optimizer]:
    """Return an optimiser for each group of parameters that learn, by the groups' names.

    Beside sgd and rmsprop the architecture learns by Adam, whose learning rate and betas it was given.

    Biases and normalisation are never decayed, depthwise kernels if the settings say so. A parameter group
    with a `fixed_rate` keeps that learning rate.

    Args:
        network: its parameters without gradient are in no group.
        settings: which optimiser, and its weight decay.
        architecture: the parameters of the group `architecture`; the others are the group `weights`.
    """
    own = {id(parameter) for parameter in architecture.parameters} if architecture else set()
    weights = [each for each in network.parameters() if each.requires_grad and id(each) not in own]
    groups = {WEIGHTS: _decayed_and_free(network, weights, settings)}
    if architecture:
        values = [each for each in architecture.parameters if each.requires_grad]
        groups[ARCHITECTURE] = [
            {
                "params": values,
                "weight_decay": architecture.weight_decay,
                "fixed_rate": architecture.learning_rate,
                "betas": architecture.betas or _BETAS,
            }
        ]
    kinds = {WEIGHTS: settings.optimizer}
    if settings.optimizer not in ("adam", "adamw"):
        kinds[ARCHITECTURE] = "adam"
    filled = {name: [part for part in parts if part["params"]] for name, parts in groups.items()}
    return {
        name: _make(kinds.get(name, settings.optimizer), parts, settings)
        for name, parts in filled.items()
        if parts
    }


def _make(kind: str, parts: list[dict[str, Any]], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser that settings name, for parameters in parts that have options of their own."""
    rate = settings.learning_rate
    if kind == "sgd":
        momentum, nesterov = settings.momentum, settings.nesterov
        return _with_momenta(
            torch.optim.SGD(parts, lr=rate, momentum=momentum, nesterov=nesterov, fused=True), momentum
        )
    if kind == "rmsprop":
        return torch.optim.RMSprop(parts, lr=rate, momentum=settings.momentum)
    adam = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return adam(parts, lr=rate, betas=settings.betas, fused=True)


def _with_momenta(optimizer: torch.optim.SGD, momentum: float) -> torch.optim.SGD:
    """Begin all momenta at 0, from which a first step is the same as without any.

    torch's fused SGD refuses parameters of which some, but not all, have had a gradient before, such as those
    of branches that are seldom on.
    """
    if momentum:
        for parameter in parameters_of({"": optimizer}):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def scale_gradients(parameters: Iterable[Tensor], factor: float) -> None:
    """Multiply every gradient that there is."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients and factor != 1.0:
        torch._foreach_mul_(gradients, factor)


def parameters_of(optimizers: Mapping[str, torch.optim.Optimizer]) -> list[nn.Parameter]:
    """Return all parameters of several optimisers, in the order of the optimisers."""
    return [
        parameter
        for optimizer in optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]


def _decayed_and_free(
    network: nn.Module, weights: Sequence[nn.Parameter], settings: TrainingSettings
) -> list[dict[str, Any]]:
    spared = set() if settings.decay_depthwise else _depthwise_kernels(network)
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in weights:
        one_axis = parameter.numel() == parameter.shape[0]
        (free if one_axis or id(parameter) in spared else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def _depthwise_kernels(network: nn.Module) -> set[int]:
    """Return the ids of the kernels of convolutions whose groups have one input channel each."""
    return {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.in_channels > 1
    }
