"""Batch norms that see the whole batch, of which each process has a share, on GPUs and CPUs alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from posenas.networks.processes import Processes


class SynchronisedNorms(TorchFunctionMode):
    """A mode in which batch norms in training normalise by the people of all processes.

    It holds for any network that calls `torch.nn.functional.batch_norm`, as torch's modules do. All processes
    must call the same norms in the same order, forwards and backwards. Gradients are such that their mean
    over the people of all processes is the gradient of the mean loss.
    """

    def __init__(self, processes: Processes, *, people: int) -> None:
        """Prepare the mode for one batch.

        Args:
            processes: which share the batch.
            people: how many of them this process has; its losses are means over them.
        """
        super().__init__()
        self._processes, self._people = processes, people

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is functional.batch_norm:
            return self._normalised(*args, **kwargs or {})
        return function(*args, **kwargs or {})

    def _normalised(
        self,
        input: Tensor,  # noqa: A002
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Return this process's part of what `batch_norm`, which has these arguments, gives for the batch."""
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
        exact = input if input.dtype == torch.float64 else input.float()
        count, mean, variance = self._statistics(exact)
        _move(running_mean, mean, momentum)
        _move(running_var, variance * (count / (count - 1)), momentum)
        scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - mean * scale
        shape = [1, -1, *[1] * (input.dim() - 2)]
        scale, shift = (each.to(exact.dtype).view(shape) for each in (scale, shift))
        return torch.addcmul(shift, exact, scale).to(input.dtype)

    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return how many values a channel has in all processes, (1,), and its mean and variance, (C,).

        Sums of squares are of float64, in which they lose nothing that counts where a mean is large.
        """
        axes = [0, *range(2, values.dim())]
        variance, mean = (each.double() for each in torch.var_mean(values, axes, correction=0))
        count = mean.new_full((1,), values.numel() // len(mean))
        own = torch.cat([count, count * mean, count * (variance + mean.square())])
        whole: Tensor = _Sum.apply(own, self._processes, self._people)  # type: ignore[no-untyped-call]
        count, mean, square = torch.split(whole, [1, len(mean), len(mean)])
        mean = mean / count
        return count, mean, (square / count - mean.square()).clamp(min=0)


class _Sum(Function):
    """The sum over all processes, in each of which the gradient is that of its own mean over people."""

    @staticmethod
    def forward(context: Any, values: Tensor, processes: Processes, people: int) -> Tensor:
        context.processes, context.people = processes, people
        return processes.total(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        weighed = gradients[0] * context.people
        total = _Sum.apply(weighed, context.processes, context.people)  # type: ignore[no-untyped-call]
        return total / context.people, None, None


@torch.no_grad()
def _move(running: Tensor | None, present: Tensor, momentum: float) -> None:
    """Move a running statistic towards that of the present batch, in place."""
    if running is not None:
        running.mul_(1 - momentum).add_(present, alpha=momentum)
