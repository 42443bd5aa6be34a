"""Weight sharing against explicit slicing of the shared weights by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.networks.sharing import SharedWeights, sub_slices
from torch import Tensor, nn
from torch.nn import functional


class Elastic(nn.Module):
    """One layer of each kind. The third convolution is absent from shallow networks."""

    scale: Tensor

    def __init__(self, width: int, *, kernel: int, groups: int, deep: bool, deconv_kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 1)
        self.grouped = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.third = nn.Conv2d(width, width, 3, padding=1) if deep else nn.Identity()
        self.layer_norm = nn.LayerNorm([width, 1, 1])
        self.deconv = nn.ConvTranspose2d(
            width, 2 * width, deconv_kernel, 2, deconv_kernel // 2 - 1, groups=groups
        )
        self.linear = nn.Linear(2 * width, 5)
        self.register_buffer("scale", torch.full((width, 1, 1), 0.5))

    def forward(self, images: Tensor) -> Tensor:
        features = self.norm(self.grouped(self.first(images))) * self.scale
        features = self.layer_norm(self.third(features).mean((2, 3), keepdim=True)) + features
        output: Tensor = self.linear(self.deconv(features).square().mean((2, 3)))
        return output


LARGEST = {"width": 16, "kernel": 5, "groups": 2, "deep": True, "deconv_kernel": 4}
PARTS = [
    LARGEST,
    {"width": 8, "kernel": 3, "groups": 4, "deep": True, "deconv_kernel": 2},
    {"width": 12, "kernel": 1, "groups": 2, "deep": False, "deconv_kernel": 4},
    {"width": 16, "kernel": 5, "groups": 16, "deep": True, "deconv_kernel": 2},
    {"width": 4, "kernel": 3, "groups": 1, "deep": False, "deconv_kernel": 2},
]


def elastic(settings: Mapping[str, int]) -> Elastic:
    return Elastic(**settings)  # type: ignore[arg-type]


def without_values(settings: Mapping[str, int]) -> Elastic:
    with torch.device("meta"):
        return elastic(settings)


@pytest.fixture
def shared() -> SharedWeights:
    torch.manual_seed(0)
    weights = SharedWeights(elastic(LARGEST).double())
    for parameter in weights.parameters():
        nn.init.normal_(parameter)
    return weights


def first_gradient(shared: SharedWeights) -> Tensor | None:
    return shared.get_parameter("largest.first.weight").grad


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def forward_by_hand(weights: Mapping[str, Tensor], images: Tensor, settings: Mapping[str, int]) -> Tensor:
    """The network of `settings`, every slice of the shared weights written out."""
    width, kernel, groups = settings["width"], settings["kernel"], settings["groups"]
    rim, group_width = (5 - kernel) // 2, width // groups
    features = functional.conv2d(images, weights["first.weight"][:width], weights["first.bias"][:width])
    chunks = []
    for group in range(groups):
        filters = weights["grouped.weight"][group * group_width : (group + 1) * group_width]
        filters = filters[:, :group_width, rim : rim + kernel, rim : rim + kernel]
        chunk = features[:, group * group_width : (group + 1) * group_width]
        chunks.append(functional.conv2d(chunk, filters, padding=kernel // 2))
    features = torch.cat(chunks, 1)
    variance, mean = torch.var_mean(features, (0, 2, 3), correction=0, keepdim=True)
    features = (features - mean) / (variance + 1e-5).sqrt() * weights["norm.weight"][:width, None, None]
    features = (features + weights["norm.bias"][:width, None, None]) * 0.5
    deeper = features
    if settings["deep"]:
        deeper = functional.conv2d(
            features, weights["third.weight"][:width, :width], weights["third.bias"][:width], padding=1
        )
    pooled = deeper.mean((2, 3), keepdim=True)
    variance, mean = torch.var_mean(pooled, (1, 2, 3), correction=0, keepdim=True)
    pooled = (pooled - mean) / (variance + 1e-5).sqrt() * weights["layer_norm.weight"][:width]
    features = features + pooled + weights["layer_norm.bias"][:width]
    crop = slice(1, 3) if settings["deconv_kernel"] == 2 else slice(0, 4)
    chunks = []
    for group in range(groups):
        rows = slice(group * group_width, (group + 1) * group_width)
        filters = weights["deconv.weight"][rows, : 2 * group_width, crop, crop]
        padding = settings["deconv_kernel"] // 2 - 1
        chunks.append(functional.conv_transpose2d(features[:, rows], filters, stride=2, padding=padding))
    features = torch.cat(chunks, 1) + weights["deconv.bias"][: 2 * width, None, None]
    return (
        features.square().mean((2, 3)) @ weights["linear.weight"][:, : 2 * width].T + weights["linear.bias"]
    )


@pytest.mark.parametrize(
    ("full", "part", "expected"),
    [
        ((8,), (3,), [(0, 3)]),
        ((8, 6), (8, 1), [(0, 8), (0, 1)]),
        ((8, 1, 1), (5, 1, 1), [(0, 5), (0, 1), (0, 1)]),
        ((8, 6, 7, 7), (4, 6, 3, 5), [(0, 4), (0, 6), (2, 5), (1, 6)]),
        ((8, 6, 4, 4), (8, 6, 2, 2), [(0, 8), (0, 6), (1, 3), (1, 3)]),
        ((), (), []),
    ],
)
def test_sub_slices(full: Sequence[int], part: Sequence[int], expected: list[tuple[int, int]]) -> None:
    assert sub_slices(full, part) == tuple(slice(*limits) for limits in expected)


@pytest.mark.parametrize(
    ("full", "part"),
    [((4,), (5,)), ((4, 4), (4,)), ((4, 4, 4, 4), (4, 4, 3, 4)), ((2, 2, 3, 3), (2, 3, 3, 3))],
)
def test_sub_slices_refuses_what_does_not_nest(full: Sequence[int], part: Sequence[int]) -> None:
    with pytest.raises(ValueError):
        sub_slices(full, part)


@pytest.mark.parametrize("settings", PARTS)
@pytest.mark.parametrize("way", ["activate", "derive"])
def test_network_is_the_slices_by_hand(
    shared: SharedWeights, images: Tensor, settings: Mapping[str, int], way: str
) -> None:
    network = getattr(shared, way)(without_values(settings))
    by_hand = forward_by_hand(dict(shared.holder.named_parameters()), images, settings)
    torch.testing.assert_close(network(images), by_hand)


def test_gradients_of_several_networks_add_up_in_the_shared_weights(
    shared: SharedWeights, images: Tensor
) -> None:
    weights = dict(shared.holder.named_parameters())
    losses = [forward_by_hand(weights, images, settings).square().sum() for settings in PARTS]
    expected = torch.autograd.grad(torch.stack(losses).sum(), list(weights.values()))
    for settings in PARTS:
        network = shared.activate(without_values(settings))
        network(images).square().sum().backward()
        assert all(parameter.grad is None for parameter in network.parameters())
    for parameter, gradient in zip(weights.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_gradient_buffers_are_kept_and_may_be_dropped(shared: SharedWeights, images: Tensor) -> None:
    network = shared.activate(without_values(PARTS[1]))
    network(images).sum().backward()
    once = first_gradient(shared)
    assert once is not None
    first = once.clone()
    network(images).sum().backward()
    assert first_gradient(shared) is once
    torch.testing.assert_close(once, 2 * first)
    shared.zero_grad(set_to_none=True)
    network(images).sum().backward()
    torch.testing.assert_close(first_gradient(shared), first)


def test_activated_copies_do_not_follow_the_shared_weights(shared: SharedWeights, images: Tensor) -> None:
    network = shared.activate(without_values(LARGEST))
    before = network(images)
    with torch.no_grad():
        for parameter in shared.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(network(images), before, rtol=0, atol=0)


@pytest.mark.parametrize("settings", PARTS)
def test_refreshed_network_is_a_new_one(
    shared: SharedWeights, images: Tensor, settings: Mapping[str, int]
) -> None:
    active = shared.bind(without_values(settings))
    active.network.eval()(images)
    with torch.no_grad():
        for parameter in shared.parameters():
            parameter.mul_(1.5)
    active.refresh()
    fresh = shared.activate(without_values(settings))
    assert active.network.training
    torch.testing.assert_close(active.network.state_dict(), fresh.state_dict(), rtol=0, atol=0)
    gradients = []
    for network in (active.network, fresh):
        shared.zero_grad(set_to_none=True)
        network(images).square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in shared.named_parameters()})
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_networks_gradient_is_not_the_shared_one(shared: SharedWeights, images: Tensor) -> None:
    """The largest network's gradient becomes the shared buffer, which the network must not write again."""
    network = shared.activate(without_values(LARGEST))
    network(images).sum().backward()
    first = first_gradient(shared)
    assert first is not None
    kept = first.clone()
    shared.activate(without_values(PARTS[1]))(images).sum().backward()
    assert network.first.weight.grad is None
    small = shared.activate(without_values(PARTS[1]))
    shared.zero_grad(set_to_none=True)
    small(images).sum().backward()
    torch.testing.assert_close(first, kept + first_gradient(shared))


def test_weights_that_moved_strand_the_active_network(shared: SharedWeights) -> None:
    active = shared.bind(without_values(LARGEST))
    assert not active.is_stranded
    shared.float()
    assert active.is_stranded


def test_derived_network_is_independent(shared: SharedWeights, images: Tensor) -> None:
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    network = shared.derive(without_values(LARGEST))
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    network(images).square().sum().backward()
    optimiser.step()
    assert all(parameter.grad is None for parameter in shared.parameters())
    torch.testing.assert_close(dict(shared.state_dict()), before, rtol=0, atol=0)
    assert not torch.equal(network.first.weight, shared.get_parameter("largest.first.weight"))


def test_statistics_start_afresh_and_constants_are_sliced(shared: SharedWeights, images: Tensor) -> None:
    shared.holder(images)
    shared.get_buffer("largest.scale")[2] = 7.0
    network = shared.activate(without_values(PARTS[1]))
    assert network.norm.num_batches_tracked == 0
    torch.testing.assert_close(network.norm.running_mean, torch.zeros(8, dtype=torch.float64))
    torch.testing.assert_close(network.norm.running_var, torch.ones(8, dtype=torch.float64))
    assert network.scale.flatten().tolist() == [0.5, 0.5, 7.0, 0.5, 0.5, 0.5, 0.5, 0.5]


def test_ordinary_network_and_frozen_parameters(shared: SharedWeights, images: Tensor) -> None:
    network = elastic(PARTS[2])
    network.first.requires_grad_(False)
    shared.activate(network)(images).sum().backward()
    assert first_gradient(shared) is None
    assert shared.get_parameter("largest.grouped.weight").grad is not None


def test_names_are_the_networks_own(shared: SharedWeights) -> None:
    assert set(shared.state_dict()) == {f"largest.{name}" for name in elastic(LARGEST).state_dict()}


def test_error_names_the_tensor_and_both_shapes(shared: SharedWeights) -> None:
    too_wide = elastic(LARGEST)
    too_wide.first = nn.Conv2d(3, 18, 1)
    with pytest.raises(PosenasError, match=r"first\.weight .*\(18, 3, 1, 1\).*\(16, 3, 1, 1\)"):
        shared.activate(too_wide)
    even = without_values({**LARGEST, "kernel": 4})
    with pytest.raises(PosenasError, match=r"grouped\.weight .*centre"):
        shared.derive(even)
    with pytest.raises(PosenasError, match=r"1\.weight is not in the network that holds the shared weights"):
        shared.activate(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))


def test_a_frozen_shared_parameter_gets_no_gradient(shared: SharedWeights) -> None:
    shared.holder.get_parameter("linear.weight").requires_grad = False
    network = shared.activate(without_values(PARTS[1]))
    network(torch.randn(2, 3, 8, 8, dtype=torch.float64)).sum().backward()
    assert shared.holder.get_parameter("linear.weight").grad is None
    assert shared.holder.get_parameter("linear.bias").grad is not None
