"""Parts of a network that nothing changes: neither an optimiser nor the batches that run through them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class FrozenBatchNorm(nn.Module):
    """A batch norm whose figures are all constants; (N, C, H, W) to the same shape, in any mode.

    Its tensors have the names of a batch norm's, so it reads the weights of one.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        return batch_norm(features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def freeze(module: nn.Module) -> None:
    """Freeze a part of a network in place: parameters learn no more, and batch norms are constants.

    Raises:
        TypeError: where a batch norm has no statistics or no factors, and so is no constant.
    """
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                if child.running_mean is None or not child.affine:
                    raise TypeError(f"batch norm {name} has no statistics or factors that could be frozen")
                parent.add_module(name, _frozen(child))
    for parameter in module.parameters():
        parameter.requires_grad = False


def _frozen(norm: nn.BatchNorm2d) -> FrozenBatchNorm:
    frozen = FrozenBatchNorm(norm.num_features, eps=norm.eps).to(norm.weight)
    tensors = norm.state_dict()
    frozen.load_state_dict({name: tensors[name] for name in frozen.state_dict()})
    return frozen
