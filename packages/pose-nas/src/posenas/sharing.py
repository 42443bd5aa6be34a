"""Weight sharing: one set of weights serves every network of a space whose networks nest.

A sub-network is an ordinary static network. What makes it one of many is only where its weights come
from: each of its parameters is a slice of the parameter of the same name in the largest network
(`sub_slices`). What a sub-network lacks (the later blocks of a stage, an attention module) it simply does
not have. An active sub-network and the stand-alone network cut out of the shared weights are thus the same
by construction.

Gradients are added into the slices of one persistent buffer: differentiating through a slice would fill a
gradient of the full size with zeros, for every tensor of every sub-network.

Source: the slicing rules are those of ViPNAS (Xu et al., CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from posenas.errors import PosenasError

Network = TypeVar("Network", bound=nn.Module)
SharedTensor = TypeVar("SharedTensor", bound=Tensor)
Slices: TypeAlias = tuple[slice, ...]
Connect: TypeAlias = Callable[[nn.Parameter, nn.Parameter, Slices], None]


def sub_slices(full: Sequence[int], part: Sequence[int]) -> Slices:
    """Where a sub-network's tensor lies in the shared one.

    The leading entries of every axis, except the last two of four axes: they are a convolution's kernel,
    of which the centre is taken. A grouped convolution (O, I / groups, kH, kW) thus keeps the first
    I / groups input channels of every filter, and a transposed one (I, O / groups, kH, kW) likewise.

    Raises:
        ValueError: if `part` does not fit into `full`, or a kernel has no centre of that size.
    """
    if len(part) != len(full) or any(size > limit for size, limit in zip(part, full, strict=True)):
        raise ValueError("it does not fit")
    starts = [0] * len(full)
    if len(full) == 4:
        for axis in (2, 3):
            margin = full[axis] - part[axis]
            if margin % 2:
                raise ValueError("an odd kernel has no even centre, nor an even one an odd centre")
            starts[axis] = margin // 2
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))


class SharedWeights(nn.Module):
    """The weights of a largest network, from which any network that nests in it takes its own.

    Train it by passing `parameters()` to an optimiser and by backward passes through activated networks;
    `zero_grad(set_to_none=False)` keeps the gradient buffers.
    """

    def __init__(self, largest: nn.Module) -> None:
        super().__init__()
        self.largest = largest

    def activate(self, network: Network) -> Network:
        """Fill a network with copies of the shared weights; its gradients add up in the shared ones.

        Every `backward` through the network adds to `.grad` of the shared parameters and leaves none on
        the network's own. Activate again after an optimiser's step: the copies do not follow.

        Args:
            network: of any device, such as the skeleton made by `with torch.device("meta")`. Its
                parameters and buffers are replaced by tensors on the device of the shared weights.
                Batch-norm statistics start afresh; any other buffer is a constant and sliced like a weight.

        Raises:
            PosenasError: where a tensor of the network does not nest in the largest network.
        """
        return self._fill(network, _send_gradient_to)

    def derive(self, network: Network) -> Network:
        """Like `activate`, but the network's weights are its own from now on."""
        return self._fill(network, _keep_gradient)

    def _fill(self, network: Network, connect: Connect) -> Network:
        parameters = dict(self.largest.named_parameters(remove_duplicate=False))
        buffers = dict(self.largest.named_buffers(remove_duplicate=False))
        for path, module in network.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            _fill_parameters(module, prefix, parameters, connect)
            _fill_buffers(module, prefix, buffers)
        return network


def _fill_parameters(
    module: nn.Module,
    prefix: str,
    shared: dict[str, nn.Parameter],
    connect: Connect,
) -> None:
    for name, parameter in module._parameters.items():
        if parameter is not None:
            full, slices = _locate(prefix + name, parameter, shared)
            copy = nn.Parameter(full.detach()[slices].clone(), parameter.requires_grad)
            connect(copy, full, slices)
            module._parameters[name] = copy


def _fill_buffers(module: nn.Module, prefix: str, shared: dict[str, Tensor]) -> None:
    normalisation = module if isinstance(module, nn.modules.batchnorm._BatchNorm) else None
    for name, buffer in module._buffers.items():
        if buffer is not None:
            full, slices = _locate(prefix + name, buffer, shared)
            module._buffers[name] = full.new_empty(buffer.shape) if normalisation else full[slices].clone()
    if normalisation:
        normalisation.reset_running_stats()


def _locate(name: str, part: Tensor, shared: dict[str, SharedTensor]) -> tuple[SharedTensor, Slices]:
    if name not in shared:
        raise PosenasError(f"weight sharing: {name} is not in the largest network")
    full = shared[name]
    try:
        return full, sub_slices(full.shape, part.shape)
    except ValueError as error:
        raise PosenasError(
            f"weight sharing: {name} of shape {tuple(part.shape)} is no slice of shape {tuple(full.shape)} "
            f"in the largest network: {error}"
        ) from None


def _keep_gradient(_copy: nn.Parameter, _shared: nn.Parameter, _slices: Slices) -> None:
    pass


def _send_gradient_to(copy: nn.Parameter, shared: nn.Parameter, slices: Slices) -> None:
    if copy.requires_grad:
        hook = partial(_add_gradient, shared, slices)
        copy.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]


def _add_gradient(shared: nn.Parameter, slices: Slices, copy: Tensor) -> None:
    if shared.grad is None:
        shared.grad = torch.zeros_like(shared)
    assert copy.grad is not None
    shared.grad[slices].add_(copy.grad)
    copy.grad = None
