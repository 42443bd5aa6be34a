"""Zero-cost proxies: figures of an untrained network that promise to tell how well it would learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from posenas import PosenasError
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def synflow(network: nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the natural logarithm of the network's synaptic flow; more promises a better score.

    All parameters take their absolute values, and batch norms do nothing but scale and shift. The flow is the
    sum over all parameters of value times gradient, for an image of ones and the sum of the outputs. It is
    computed in the network's own precision: nothing cancels, as no term is negative. The network is left as
    it was.

    Args:
        network: maps images to a tensor, or to nested mappings and sequences of tensors.
        shape: (C, H, W) of an image.

    Raises:
        PosenasError: where the flow is too great for the network's precision.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow",
    NeurIPS 2020.
    """
    network = deepcopy(network).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    parameters = list(network.parameters())
    ones = torch.ones(1, *shape, dtype=parameters[0].dtype, device=parameters[0].device)
    total = torch.stack([each.sum() for each in tensors_in(network(ones))]).sum()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    pairs = zip(parameters, gradients, strict=True)
    flow = torch.stack([(value * gradient).sum() for value, gradient in pairs if gradient is not None]).sum()
    if not torch.isfinite(flow):
        raise PosenasError(f"the flow overflows {flow.dtype}; call synflow with network.double()")
    return float(flow.detach().log())


def naswot(network: nn.Module, images: Tensor) -> float:
    """Return the log-determinant of the images' kernel of ReLU patterns; more promises a better score.

    A unit is one number that any ReLU of the network gives. It is on where the number is above 0. An entry of
    the kernel is the number of units that two images have both on or both off. Batch norms take the
    statistics of these images. The network is left as it was.

    Args:
        network: with ReLUs, of any form.
        images: (N, 3, H, W), normalised.

    Source: Mellor et al., "Neural architecture search without training", ICML 2021.
    """
    network = deepcopy(network).train()
    patterns = Patterns(len(images))
    with torch.no_grad(), patterns:
        network(images)
    return float(torch.linalg.slogdet(patterns.kernel).logabsdet)


class Patterns(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts in which units of every ReLU each two images agree, while a network is run.

    Attributes:
        kernel: (N, N) numbers of units, float64.
    """

    def __init__(self, images: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernel = torch.zeros(images, images, dtype=torch.float64)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in (torch.ops.aten.relu.default, torch.ops.aten.relu_.default):
            on = (result > 0).flatten(1).float()
            self.kernel += (on @ on.T + (1 - on) @ (1 - on).T).double()
        return result


def tensors_in(outputs: Any) -> Iterable[Tensor]:
    """Yield every tensor of nested mappings and sequences."""
    if isinstance(outputs, Tensor):
        yield outputs
    else:
        for part in outputs.values() if isinstance(outputs, Mapping) else outputs:
            yield from tensors_in(part)
