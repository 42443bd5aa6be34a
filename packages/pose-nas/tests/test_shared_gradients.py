"""When and where gradients of copies reach the shared weights."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from posenas.networks.sharing import SharedWeights
from posenas.networks.tensor_lists import copy_groups, in_groups, is_dense
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint


def layers(width: int, depth: int = 6) -> nn.Sequential:
    blocks = [nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)) for _ in range(depth)]
    return nn.Sequential(*blocks)


@pytest.fixture
def shared() -> SharedWeights:
    torch.manual_seed(0)
    return SharedWeights(layers(8))


def images(width: int) -> Tensor:
    return torch.randn(2, width, 4, 4, generator=torch.Generator().manual_seed(1))


def gradients_of(shared: SharedWeights) -> dict[str, Tensor | None]:
    return {name: parameter.grad for name, parameter in shared.named_parameters()}


class Counted(TorchDispatchMode):
    """Counts the operations that change tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.changing: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.is_mutable:
            self.changing[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("width", [8, 5])
def test_operations_do_not_grow_with_the_networks_tensors(width: int) -> None:
    counts = []
    for depth in (2, 6):
        shared = SharedWeights(layers(8, depth))
        active = shared.bind(layers(width, depth))
        active.network(images(width)).square().sum().backward()
        loss = active.network(images(width)).square().sum()
        with Counted() as counted:
            loss.backward()
            active.refresh()
        counts.append(counted.changing)
        assert all(name.startswith("_foreach") for name in counted.changing)
    assert counts[0] == counts[1]


def test_losses_of_two_networks_in_one_pass(shared: SharedWeights) -> None:
    first, second = shared.activate(layers(5)), shared.activate(layers(3))
    for network, width in ((first, 5), (second, 3)):
        network(images(width)).square().sum().backward()
    expected = {name: each.clone() for name, each in gradients_of(shared).items() if each is not None}
    shared.zero_grad(set_to_none=True)
    (first(images(5)).square().sum() + second(images(3)).square().sum()).backward()
    torch.testing.assert_close(gradients_of(shared), expected)


def test_a_layer_that_the_holder_has_twice_gets_both_gradients() -> None:
    layer = nn.Linear(4, 4, bias=False)
    shared = SharedWeights(nn.Sequential(layer, layer))
    network = shared.activate(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)))
    network(torch.ones(1, 2)).sum().backward()
    weight = layer.weight.detach()[:2, :2].clone().requires_grad_()
    (torch.ones(1, 2) @ weight.T @ weight.T).sum().backward()
    assert layer.weight.grad is not None
    assert weight.grad is not None
    torch.testing.assert_close(layer.weight.grad[:2, :2], weight.grad)
    assert not layer.weight.grad[2:].any()


def test_a_part_that_gets_no_gradient_has_none(shared: SharedWeights) -> None:
    network = shared.activate(layers(5))
    network[:3](images(5)).square().sum().backward()
    found = gradients_of(shared)
    assert {name for name, each in found.items() if each is None} == {
        name for name in found if int(name.split(".")[1]) >= 3
    }


def test_gradients_that_are_asked_for_alone_are_not_added(shared: SharedWeights) -> None:
    network = shared.activate(layers(5))
    torch.autograd.grad(network(images(5)).square().sum(), list(network.parameters()))
    assert set(gradients_of(shared).values()) == {None}


def test_a_pass_that_failed_does_not_stop_the_next_one(shared: SharedWeights) -> None:
    def refuse(_gradient: Tensor) -> None:
        raise RuntimeError("no gradient here")

    network = shared.activate(layers(5))
    features = network[0](images(5))
    features.register_hook(refuse)
    with pytest.raises(RuntimeError, match="no gradient here"):
        network[1:](features).square().sum().backward()
    network.zero_grad()
    shared.zero_grad(set_to_none=True)
    network(images(5)).square().sum().backward()
    again = gradients_of(shared)
    shared.zero_grad(set_to_none=True)
    shared.activate(layers(5))(images(5)).square().sum().backward()
    torch.testing.assert_close(again, gradients_of(shared), rtol=0, atol=0)


def test_activations_that_are_computed_again(shared: SharedWeights) -> None:
    network = shared.activate(layers(5)).eval()
    network(images(5)).square().sum().backward()
    plain = gradients_of(shared)
    shared.zero_grad(set_to_none=True)
    features = images(5).requires_grad_()
    for layer in network:
        features = checkpoint(layer, features, use_reentrant=True)
    features.square().sum().backward()
    torch.testing.assert_close(gradients_of(shared), plain, rtol=0, atol=0)
    assert all(each is not None for each in plain.values())


def test_a_network_is_freed_when_nobody_holds_it(shared: SharedWeights) -> None:
    network = shared.activate(layers(5))
    network(images(5)).square().sum().backward()
    weight = weakref.ref(network.get_parameter("0.0.weight"))
    gc.disable()
    try:
        del network
        assert weight() is None
    finally:
        gc.enable()


def test_shared_weights_that_come_back_from_elsewhere_are_copied_from_there(shared: SharedWeights) -> None:
    active = shared.bind(layers(5))
    shared.double().float()
    assert active.is_stranded
    active = shared.bind(layers(5))
    active.network.double()
    assert active.is_stranded


def test_groups_of_dense_tensors_and_of_others() -> None:
    whole, last = torch.arange(60.0).reshape(3, 4, 5), torch.arange(4.0).reshape(1, 4, 1)
    turned = whole.permute(2, 0, 1)
    sources = [whole, whole[:2], whole[:, :2], last, turned]
    targets = [torch.empty_like(source) for source in sources]
    groups = in_groups(zip(targets, sources, strict=True))
    assert [len(changed) for changed, _ in groups] == [4, 1]
    assert groups[1][1][0] is sources[2]
    copy_groups(groups)
    for target, source in zip(targets, sources, strict=True):
        assert torch.equal(target, source)
    assert [is_dense(each) for each in sources] == [True, True, False, True, True]
    assert not is_dense(turned[::2])
