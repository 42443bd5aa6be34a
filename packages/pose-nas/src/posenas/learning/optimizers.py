"""What turns gradients into steps: the optimiser, which weights it decays, and the gradients' scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from posenas.learning.settings import TrainingSettings


@dataclass(frozen=True)
class Architecture:
    """Parameters of a network that say which one it is, and how they learn.

    Attributes:
        learning_rate: the same in every step; None for the weights'.
    """

    parameters: Sequence[nn.Parameter]
    learning_rate: float | None
    weight_decay: float


def make_optimizer(
    network: nn.Module, settings: TrainingSettings, architecture: Architecture | None = None
) -> torch.optim.Optimizer:
    """AdamW or Adam; biases and normalisation are never decayed, depthwise kernels if the settings say so.

    A group with its own `fixed_rate` keeps it.
    """
    own = {id(parameter) for parameter in architecture.parameters} if architecture else set()
    spared = set() if settings.decay_depthwise else _depthwise_kernels(network)
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in network.parameters():
        if id(parameter) in own:
            continue
        one_axis = parameter.numel() == parameter.shape[0]
        (free if one_axis or id(parameter) in spared else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if architecture:
        groups.append(
            {
                "params": list(architecture.parameters),
                "weight_decay": architecture.weight_decay,
                "fixed_rate": architecture.learning_rate,
            }
        )
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind([group for group in groups if group["params"]], lr=settings.learning_rate, fused=True)


def scale_gradients(network: nn.Module, factor: float) -> None:
    """Multiplies every gradient that there is."""
    if factor == 1.0:
        return
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def _depthwise_kernels(network: nn.Module) -> set[int]:
    """The ids of the kernels of convolutions whose groups have one input channel each."""
    return {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.in_channels > 1
    }
