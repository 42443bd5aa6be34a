"""Batch norms that see the whole batch, of which each process has a share, on GPUs and CPUs alike.

Source: Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3, with the sums of all processes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from posenas.contract.errors import PosenasError
from posenas.networks.processes import Processes


class SynchronisedNorms(TorchFunctionMode):
    """A mode in which batch norms in training normalise by the people of all processes.

    It holds for any network that calls `torch.nn.functional.batch_norm`, as torch's modules do. All processes
    must call the same norms in the same order, forwards and backwards. Gradients are such that their mean
    over the people of all processes is the gradient of the mean loss. They cannot be differentiated again.
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
        values = input if input.dtype == torch.float64 else input.float()
        whole = self._statistics(values.detach())
        _move(running_mean, whole.mean, momentum)
        _move(running_var, whole.variance * (whole.number / (whole.number - 1)), momentum)
        weight = values.new_ones(values.shape[1]) if weight is None else weight.to(values.dtype)
        bias = torch.zeros_like(weight) if bias is None else bias.to(values.dtype)
        whole = _Statistics(whole.number, whole.mean.to(values.dtype), whole.variance.to(values.dtype))
        normalised: Tensor = _Normalised.apply(  # type: ignore[no-untyped-call]
            values, weight, bias, whole, eps, self._processes, self._people
        )
        return normalised.to(input.dtype)

    def _statistics(self, values: Tensor) -> _Statistics:
        """Return the statistics of all processes' values, in float64.

        In it sums of squares lose nothing that counts where a mean is large.
        """
        mean, variance = (each.double() for each in torch.batch_norm_update_stats(values, None, None, 0.0))
        number = mean.new_full((1,), values.numel() // len(mean))
        sums = torch.cat([number, number * mean, number * (variance + mean.square())])
        number, mean, square = torch.split(self._processes.total(sums), [1, len(mean), len(mean)])
        mean = mean / number
        return _Statistics(number, mean, (square / number - mean.square()).clamp(min=0))


class _Statistics(NamedTuple):
    """How many values a channel has, (1,), and the mean and the variance of each channel, (C,)."""

    number: Tensor
    mean: Tensor
    variance: Tensor


class _Normalised(Function):
    """Batch norm by the statistics of all processes, through which gradients pass too."""

    @staticmethod
    def forward(
        context: Any,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        whole: _Statistics,
        eps: float,
        processes: Processes,
        people: int,
    ) -> Tensor:
        context.save_for_backward(values, weight, *whole)
        context.eps, context.processes, context.people = eps, processes, people
        return functional.batch_norm(values, whole.mean, whole.variance, weight, bias, eps=eps)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise PosenasError(
                "training.batch_norm=synchronised: this training differentiates a gradient again, which "
                "synchronised batch norms cannot; begin a new run with training.batch_norm=process"
            )
        values, weight, number, mean, variance = context.saved_tensors
        eps, people = context.eps, context.people
        direct, slope, total = torch.ops.aten.native_batch_norm_backward(
            gradients[0], values, weight, mean, variance, None, None, False, eps, [True, True, True]
        )
        # Through mean and variance the losses of all processes depend on the values of this one.
        means = context.processes.total(torch.cat([slope, total]).double() * people) / (number * people)
        of_variance, of_mean = means.to(values.dtype).view(2, -1) * weight * (variance + eps).rsqrt()
        direct -= functional.batch_norm(values, mean, variance, of_variance, of_mean, eps=eps)
        return direct, slope, total, None, None, None, None


@torch.no_grad()
def _move(running: Tensor | None, present: Tensor, momentum: float) -> None:
    """Move a running statistic towards that of the present batch, in place."""
    if running is not None:
        running.mul_(1 - momentum).add_(present, alpha=momentum)
