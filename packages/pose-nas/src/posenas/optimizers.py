"""What turns gradients into steps: the optimiser, which weights it decays, and the gradients' scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from posenas.training import TrainingSettings


def make_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW or Adam; biases and normalisation are never decayed, depthwise kernels if the settings say so."""
    spared = set() if settings.decay_depthwise else _depthwise_kernels(network)
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in network.parameters():
        one_axis = parameter.numel() == parameter.shape[0]
        (free if one_axis or id(parameter) in spared else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
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
