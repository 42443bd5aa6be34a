"""Weight sharing: one set of weights serves every network of a space whose networks nest.

A sub-network is an ordinary static network. Only its weights come from elsewhere: each of its parameters is a
slice of the parameter of the same name in the holder (`sub_slices`). The holder is the largest network, or
one with the tensors of all alternatives, which is no genotype's. What a sub-network lacks, such as the later
blocks of a stage or an attention module, is simply not there. An active sub-network and the stand-alone
network cut out of the shared weights are therefore the same by construction.

Gradients are added into the slices of one persistent buffer (`posenas.networks.shared_gradients`). A network
that is wanted in every step is kept and only filled anew, which costs a fraction of making and connecting it.
Tensors are filled in lists, so that a GPU launches few operations however many tensors a network has.

Source: the slicing rules are those of ViPNAS (Xu et al., CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, NamedTuple, Self, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.networks.shared_gradients import Place, SentGradients, Slices, at
from posenas.networks.tensor_lists import Group, copy_groups, in_groups

Network = TypeVar("Network", bound=nn.Module)
SharedTensor = TypeVar("SharedTensor", bound=Tensor)

Connect: TypeAlias = Callable[[nn.Parameter, nn.Parameter, Place], None]


def sub_slices(full: Sequence[int], part: Sequence[int]) -> Slices:
    """Return where a sub-network's tensor lies in the shared one.

    It is the leading entries of every axis. Of a tensor with four axes, the last two are a convolution's
    kernel, and its centre is taken. A grouped convolution (O, I / groups, kH, kW) thus keeps the first I /
    groups input channels of every filter; a transposed one (I, O / groups, kH, kW) keeps the first O / groups
    output channels.

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


_known_slices = lru_cache(maxsize=4096)(sub_slices)
"""The slices of pairs of shapes: a space has a few hundred, which come again in every network."""


class _Part(NamedTuple):
    """A tensor of a network, the shared one, what of it the values are, as a view, and where it lay then."""

    copy: Tensor
    shared: Tensor
    source: Tensor
    address: int

    @classmethod
    def of(cls, copy: Tensor, shared: Tensor, place: Place) -> Self:
        """Return the part that a copy is of a shared tensor."""
        source = shared.detach() if place is None else at(place, shared)
        return cls(copy, shared, source, shared.data_ptr())

    @property
    def is_stranded(self) -> bool:
        """Whether one of the tensors has moved, so that the view shows old values or another device's."""
        # The view holds the old memory, so that no other tensor can have come to its address.
        moved = self.shared.data_ptr() != self.address
        return moved or (self.copy.device, self.copy.dtype) != (self.source.device, self.source.dtype)


@dataclass(frozen=True)
class _Statistics:
    """The running statistics of all batch norms of a network, as lists."""

    means: list[Tensor]
    variances: list[Tensor]
    counts: list[Tensor]

    @classmethod
    def of(cls, normalisations: Sequence[nn.modules.batchnorm._BatchNorm]) -> Self:
        """Return those of batch norms that keep some."""
        keeping = [each for each in normalisations if each.running_mean is not None]
        return cls(
            [cast(Tensor, each.running_mean) for each in keeping],
            [cast(Tensor, each.running_var) for each in keeping],
            [cast(Tensor, each.num_batches_tracked) for each in keeping],
        )

    def reset(self) -> None:
        """Let all start afresh."""
        if self.means:
            torch._foreach_zero_([*self.means, *self.variances])
            torch._foreach_add_(self.variances, 1.0)
            torch._foreach_zero_(self.counts)


@dataclass(frozen=True)
class ActiveNetwork(Generic[Network]):
    """A network that holds copies of shared weights and can be filled anew after they have changed."""

    network: Network
    _modules: Sequence[nn.Module]
    _statistics: _Statistics
    _parts: Sequence[_Part]
    _copied: Sequence[Group]

    @property
    def is_stranded(self) -> bool:
        """Whether the shared weights, or the network's, have since moved to another device or type."""
        return any(part.is_stranded for part in self._parts)

    @torch.no_grad()
    def refresh(self) -> None:
        """Fill the network as if it was activated now: present weights, fresh statistics, training mode.

        An output that the network gave before can no longer be differentiated.
        """
        self.fill()
        if not all(module.training for module in self._modules):
            self.network.train()

    @torch.no_grad()
    def fill(self) -> None:
        """Fill the network like `refresh`, but leave its mode."""
        copy_groups(self._copied)
        self._statistics.reset()


class SharedWeights(nn.Module):
    """The weights of one network, the holder, from which any network that nests in it takes its own.

    Train it by passing `parameters()` to an optimiser and by backward passes through activated networks.
    After `zero_grad(set_to_none=True)` a parameter that no activated network has got a gradient for has none,
    and optimisers leave it as it is.
    """

    def __init__(self, holder: nn.Module, *, source: Callable[[str], str] | None = None) -> None:
        """Take in whose weights are shared.

        Args:
            holder: the network that has them.
            source: gives, by the path of a module of a network, that of the module in the holder which it
                takes from; None where they are the same.
        """
        super().__init__()
        self._source = source
        # Its name in files since 0.1: files are named by their content, and seeds derive from those names.
        self.add_module("largest", holder)

    @property
    def holder(self) -> nn.Module:
        """The network that has the shared weights."""
        return self.get_submodule("largest")

    def activate(self, network: Network) -> Network:
        """Fill a network with copies of the shared weights; its gradients add up in the shared ones.

        Every `backward` through the network adds to `.grad` of the shared parameters and leaves none on the
        network's own. Activate again after an optimiser's step: the copies do not follow.

        Args:
            network: on any device, such as one made `with WithoutValues()`. Its parameters and buffers
                are replaced by tensors on the device of the shared weights. Batch-norm statistics start
                afresh; any other buffer is a constant and sliced like a weight.

        Raises:
            PosenasError: where a tensor of the network does not nest in the holder.
        """
        return self.bind(network).network

    def bind(self, network: Network) -> ActiveNetwork[Network]:
        """Fill a network like `activate`, but return it as one that can be kept and refreshed."""
        return self._fill(network, _send_gradients())

    def derive(self, network: Network) -> Network:
        """Fill a network like `activate`, but its weights are its own from now on."""
        return self._fill(network, _keep_gradient).network

    @torch.no_grad()
    def _fill(self, network: Network, connect: Connect) -> ActiveNetwork[Network]:
        modules: list[nn.Module] = []
        normalisations: list[nn.modules.batchnorm._BatchNorm] = []
        parts: list[_Part] = []
        for path, module, full in _side_by_side(network, self.holder, self._source):
            modules.append(module)
            parts += _replace_parameters(module, full, path, connect)
            constants = _replace_buffers(module, full, path)
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                normalisations.append(module)
            else:
                parts += constants
        copied = in_groups((part.copy, part.source) for part in parts)
        active = ActiveNetwork(network, modules, _Statistics.of(normalisations), parts, copied)
        active.fill()
        return active


def _side_by_side(
    network: nn.Module, holder: nn.Module, source: Callable[[str], str] | None
) -> Iterator[tuple[str, nn.Module, nn.Module | None]]:
    """Yield each module's path with a dot, the module, and the one in the holder that it takes from."""
    theirs = dict(holder.named_modules(remove_duplicate=False))
    for path, module in network.named_modules(remove_duplicate=False):
        yield path and f"{path}.", module, theirs.get(source(path) if source else path)


def _replace_parameters(
    module: nn.Module, holder: nn.Module | None, path: str, connect: Connect
) -> list[_Part]:
    """Give a module parameters where the shared ones are, still without values, and return them."""
    parts = []
    for name, parameter in module._parameters.items():
        if parameter is not None:
            full = _find(name, path, holder._parameters if holder else {})
            place = _locate(path + name, parameter, full)
            learns = parameter.requires_grad and full.requires_grad
            copy = nn.Parameter(torch.empty_like(at(place, full)), learns)
            connect(copy, full, place)
            module._parameters[name] = copy
            parts.append(_Part.of(copy, full, place))
    return parts


def _replace_buffers(module: nn.Module, holder: nn.Module | None, path: str) -> list[_Part]:
    """Give a module buffers where the shared ones are, still without values, and return them."""
    parts = []
    for name, buffer in module._buffers.items():
        if buffer is not None:
            full = _find(name, path, holder._buffers if holder else {})
            place = _locate(path + name, buffer, full)
            module._buffers[name] = copy = torch.empty_like(at(place, full))
            parts.append(_Part.of(copy, full, place))
    return parts


def _find(name: str, path: str, shared: Mapping[str, SharedTensor | None]) -> SharedTensor:
    full = shared.get(name)
    if full is None:
        raise PosenasError(
            f"weight sharing: {path}{name} is not in the network that holds the shared weights"
        )
    return full


def _locate(name: str, part: Tensor, full: Tensor) -> Place:
    try:
        return None if part.shape == full.shape else _known_slices(full.shape, part.shape)
    except ValueError as error:
        raise PosenasError(
            f"weight sharing: {name} of shape {tuple(part.shape)} is no slice of shape {tuple(full.shape)} "
            f"in the network that holds the shared weights: {error}"
        ) from None


def _keep_gradient(_copy: nn.Parameter, _shared: nn.Parameter, _place: Place) -> None:
    pass


def _send_gradients() -> Connect:
    """Return what connects the parameters of one network to the shared ones."""
    sent = SentGradients()

    def connect(copy: nn.Parameter, shared: nn.Parameter, place: Place) -> None:
        if copy.requires_grad:
            sent.connect(copy, shared, place)

    return connect
