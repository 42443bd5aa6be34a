"""Batch norms made part of the convolutions before them: the same outputs with less work, for evaluation."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor, fx, nn

from posenas.networks.frozen import FrozenBatchNorm

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d
Normalisation: TypeAlias = nn.BatchNorm2d | FrozenBatchNorm

# What a forward pass raises that asks for values, or that meets fx's stand-in for a tensor elsewhere.
_CANNOT_FOLLOW = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@torch.no_grad()
def fold_normalisations(network: nn.Module) -> int:
    """Fold, in place, every BatchNorm2d that is alone in reading the output of a convolution.

    Who reads what comes from torch.fx, which follows the forward pass. Where it cannot follow a module, such
    as one that crops regions by what it finds, the modules in it are followed by themselves: each is taken to
    be used by calling it.

    Args:
        network: in evaluation mode, to be used in that mode only from now on.

    Returns:
        How many were folded.
    """
    graph = _followed(network, _absent(network))
    if graph is not None:
        return _fold_pairs(network, graph)
    used = _uses(network)
    return sum(_fold_within(child, used) for child in network.children())


def _fold_within(module: nn.Module, used: Counter[int]) -> int:
    """Fold what is in a module of a network that cannot be followed as a whole, and return how many.

    Args:
        module: the module.
        used: how often each module of the network is a child of another one, by its id.
    """
    own = _uses(module)
    # Nobody knows which optional arguments it is given, nor what others do with a module that is theirs too.
    alone = not _absent(module) and all(used[each] == count for each, count in own.items())
    graph = _followed(module, {}) if alone else None
    if graph is not None:
        return _fold_pairs(module, graph)
    return sum(_fold_within(child, used) for child in module.children())


def _uses(network: nn.Module) -> Counter[int]:
    """Return how often each module in the network is a child of another one, by its id."""
    return Counter(
        id(child) for module in network.modules() for child in module._modules.values() if child is not None
    )


def _fold_pairs(network: nn.Module, graph: fx.Graph) -> int:
    folded = 0
    for convolution_path, normalisation_path in list(_pairs(network, graph)):
        convolution = network.get_submodule(convolution_path)
        normalisation = network.get_submodule(normalisation_path)
        assert isinstance(convolution, Convolution)
        assert isinstance(normalisation, Normalisation)
        _fold(convolution, normalisation)
        parent, _, name = normalisation_path.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
        folded += 1
    return folded


class _Tracer(fx.Tracer):
    """A tracer that takes a frozen batch norm for one step, as it does torch's own."""

    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        return type(module) is FrozenBatchNorm or super().is_leaf_module(module, module_qualified_name)


def _followed(network: nn.Module, given: dict[str, None]) -> fx.Graph | None:
    """Return the graph of a module's forward pass; None where it cannot be followed.

    Args:
        network: the module.
        given: arguments that are None.
    """
    try:
        return _Tracer().trace(network, concrete_args=given)
    except _CANNOT_FOLLOW:
        return None


def _pairs(network: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Give the paths of a convolution and of the batch norm that alone reads its output; both run once."""
    modules = dict(network.named_modules(remove_duplicate=False))
    runs = Counter(id(modules[str(node.target)]) for node in graph.nodes if node.op == "call_module")
    touched = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) != 1:
            continue
        paths = str(source.target), str(node.target)
        convolution, normalisation = (modules[path] for path in paths)
        if (
            type(convolution) in (nn.Conv2d, nn.ConvTranspose2d)
            and _is_constant(normalisation)
            and runs[id(convolution)] == runs[id(normalisation)] == 1
            and not touched.intersection(paths)
        ):
            yield paths


def _is_constant(module: nn.Module) -> bool:
    """Tell whether a module is a batch norm by figures that no batch changes."""
    if type(module) is nn.BatchNorm2d:
        return module.running_var is not None and not module.training
    return type(module) is FrozenBatchNorm


def _absent(network: nn.Module) -> dict[str, None]:
    """Return the arguments that an evaluation leaves at None, such as a head's targets."""
    parameters = inspect.signature(network.forward).parameters
    return {name: None for name, parameter in parameters.items() if parameter.default is None}


def _fold(convolution: Convolution, normalisation: Normalisation) -> None:
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert variance is not None
    scale = (variance + normalisation.eps).rsqrt()
    if normalisation.weight is not None:
        scale = scale * normalisation.weight
    shift = torch.zeros_like(mean) if normalisation.bias is None else normalisation.bias
    bias = -mean if convolution.bias is None else convolution.bias - mean
    convolution.weight = nn.Parameter(_scaled(convolution, scale), requires_grad=False)
    convolution.bias = nn.Parameter(bias * scale + shift, requires_grad=False)


def _scaled(convolution: Convolution, scale: Tensor) -> Tensor:
    """Return the weight with each output channel times its entry of `scale`."""
    weight = convolution.weight
    if isinstance(convolution, nn.Conv2d):
        return weight * scale.view(-1, 1, 1, 1)
    # (I, O / groups, kH, kW): a group's rows make its own output channels.
    grouped = weight.view(convolution.groups, -1, *weight.shape[1:])
    return (grouped * scale.view(convolution.groups, 1, -1, 1, 1)).view_as(weight)
