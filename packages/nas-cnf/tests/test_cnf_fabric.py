"""Fabrics against a literal forward pass; exact zeros; relaxed architectures and their gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import pytest
import torch
from nas_cnf.cell import Cell
from nas_cnf.fabric import Fabric
from nas_cnf.network import FabricNetwork
from nas_cnf.operations import OPERATIONS, Operation
from nas_cnf.space import CnfSpace
from torch import Tensor, nn
from torch.nn import functional

FLOAT64_NOISE = {"rtol": 1e-9, "atol": 1e-9}
GONE = -1000.0
"""A softmax gives this an exact 0 beside values around 0."""


def drawn(space: CnfSpace, seed: int) -> FabricNetwork:
    """A network at random alpha and beta, its batch norms as if it had trained."""
    torch.manual_seed(seed)
    network = space.build(space.sample(Random(seed)))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.double().eval()


class Literal:
    """A fabric's forward pass, cell by cell and edge by edge, from the tensors of its state dict alone."""

    def __init__(
        self, state: Mapping[str, Tensor], prefix: str, operations: Sequence[Operation], hidden: int
    ) -> None:
        self.state = {
            name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
        }
        self.operations = operations
        self.hidden = hidden

    def normalise(self, features: Tensor, name: str) -> Tensor:
        state = self.state
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        features = (features - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        if f"{name}.weight" in state:
            features = (
                features * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]
            )
        return features

    def convolve(self, features: Tensor, name: str, **options: Any) -> Tensor:
        return functional.conv2d(
            features, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **options
        )

    def adapt(self, features: Tensor, scale: int) -> Tensor:
        name = f"entrance.convolutions.{scale}"
        return self.convolve(features, name) if f"{name}.weight" in self.state else features

    def operation(self, kind: str, features: Tensor, name: str) -> Tensor:
        channels = features.shape[1]
        if kind == "zero":
            return features * 0
        if kind == "skip":
            return features
        if kind == "avg3":
            ones = functional.pad(torch.ones_like(features), (1, 1, 1, 1))
            padded = functional.pad(features, (1, 1, 1, 1))
            total = functional.avg_pool2d(padded, 3, 1) * 9
            return self.normalise(total / (functional.avg_pool2d(ones, 3, 1) * 9), f"{name}.1")
        if kind == "max3":
            padded = functional.pad(features, (1, 1, 1, 1), value=-math.inf)
            return self.normalise(functional.max_pool2d(padded, 3, 1), f"{name}.1")
        dilation = 2 if kind == "dil3" else 1
        for start in (0, 4) if kind == "sep3" else (0,):
            features = self.convolve(
                features, f"{name}.{start}", padding=dilation, dilation=dilation, groups=channels
            )
            features = self.convolve(features, f"{name}.{start + 1}")
            features = self.normalise(features, f"{name}.{start + 2}").clamp(min=0)
        return features

    def down(self, features: Tensor, name: str) -> Tensor:
        return self.normalise(self.convolve(features, f"{name}.0", stride=2, padding=1), f"{name}.1")

    def up(self, features: Tensor, name: str) -> Tensor:
        small = self.normalise(self.convolve(features, f"{name}.0"), f"{name}.1")
        size = [2 * side for side in small.shape[2:]]
        return functional.interpolate(small, size, mode="bilinear", align_corners=True)

    def heard(self, maps: Mapping[int, Tensor], scale: int, name: str) -> list[Tensor]:
        """Parallel, finer, coarser, each brought to the cell's scale."""
        own = maps.get(scale)
        if own is None:  # on the diagonal the finer map is everything, by three ways of its own
            return [
                self.down(maps[scale - 1], f"{name}.sources.{which}")
                for which in ("parallel", "above", "below")
            ]
        above = self.down(maps[scale - 1], f"{name}.sources.above") if scale - 1 in maps else own
        below = self.up(maps[scale + 1], f"{name}.sources.below") if scale + 1 in maps else own
        return [own, above, below]

    def cell(self, maps: Mapping[int, Tensor], scale: int, name: str, beta: Tensor) -> Tensor:
        shares = beta.exp() / beta.exp().sum()
        heard = self.heard(maps, scale, name)
        total = sum(3 * share * features for share, features in zip(shares, heard, strict=True))
        assert isinstance(total, Tensor)
        nodes = [total.clamp(min=0)]
        edge = 0
        for number in range(1, self.hidden + 1):
            node = torch.zeros_like(nodes[0])
            for source in list(nodes):
                alpha = self.state["alpha"][edge]
                for kind, share in zip(self.operations, alpha.exp() / alpha.exp().sum(), strict=True):
                    result = self.operation(kind, source, f"{name}.edges.{edge}.{kind}")
                    node = node + len(alpha) * share * result
                edge += 1
            nodes.append(node / number if number > 2 else node)
        return self.convolve(torch.cat(nodes[1:], dim=1), f"{name}.output")

    def __call__(self, maps: Mapping[int, Tensor], layers: Sequence[int]) -> list[Tensor]:
        index = 0
        for layer, cells in enumerate(layers):
            following = {}
            for scale in range(cells):
                beta = self.state["beta"][index]
                following[scale] = self.cell(maps, scale, f"layers.{layer}.{scale}", beta)
                index += 1
            maps = following
        return [maps[scale] for scale in range(layers[-1])]


BACKBONES = {
    "Fabric-1 (H = 2)": (CnfSpace(backbone="fabric-1", width=0.2, parts=0), [2, 3, 4], 2),
    "Fabric-2": (CnfSpace(backbone="fabric-2", width=0.2, parts=0), [2, 3, 4, 4, 4], 1),
    "down to 1/16": (CnfSpace(backbone="fabric-2", width=0.2, parts=0, coarsest=16), [2, 3, 3, 3, 3], 1),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_are_the_literal_ones(name: str) -> None:
    space, layers, hidden = BACKBONES[name]
    network = drawn(space, 1)
    literal = Literal(network.state_dict(), "backbone.", OPERATIONS, hidden)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        stem = literal.normalise(
            literal.convolve(images, "entrance.layers.0", stride=2, padding=1), "entrance.layers.1"
        )
        stem = literal.normalise(
            literal.convolve(stem, "entrance.layers.2", stride=2, padding=1), "entrance.layers.3"
        )
        stem = literal.convolve(stem.clamp(min=0), "entrance.layers.5")
        expected = literal({0: stem}, layers)
        for found, wanted in zip(network(images).values(), expected, strict=True):
            torch.testing.assert_close(found, wanted, **FLOAT64_NOISE)
            assert wanted.std() > 1e-2


PARTS = {
    "the paper's": (CnfSpace(parts=2, channels=2), [3, 2, 1]),
    "two nodes": (CnfSpace(channels=2, hidden=2), [3, 2, 1]),
    "three nodes, other operations": (
        CnfSpace(channels=2, hidden=3, operations=("max3", "skip", "avg3", "sep3")),
        [3, 2, 1],
    ),
    "longer": (CnfSpace(channels=2, layers=6), [4, 4, 4, 3, 2, 1]),
    "down to 1/16": (CnfSpace(channels=2, layers=2, coarsest=16), [2, 1]),
}


@pytest.mark.parametrize("name", PARTS)
def test_part_networks_are_the_literal_ones(name: str) -> None:
    space, layers = PARTS[name]
    network = drawn(space, 2)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        features = network(images)
        pyramid = network.backbone(images)
        for number in range(1, space.parts + 1):
            literal = Literal(network.state_dict(), f"part{number}.", space.operations, space.hidden)
            adapted = {scale: literal.adapt(each, scale) for scale, each in enumerate(pyramid)}
            (expected,) = literal(adapted, layers)
            torch.testing.assert_close(features[f"part{number}"], expected, **FLOAT64_NOISE)
            assert expected.std() > 1e-2


def test_a_pyramid_of_the_fabrics_channels_is_taken_as_it_is() -> None:
    """A fabric of C = 10 at width 0.4 gives what part networks of C = 4 take."""
    network = drawn(CnfSpace(backbone="fabric-1", width=0.4, channels=4), 3)
    assert not [name for name, _ in network.named_parameters() if name.startswith("part1.entrance")]
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        pyramid, found = network.backbone(images), network(images)["part1"]
        literal = Literal(network.state_dict(), "part1.", ("zero", "skip", "sep3", "dil3"), 1)
        (expected,) = literal(dict(enumerate(pyramid)), [3, 2, 1])
        torch.testing.assert_close(found, expected, **FLOAT64_NOISE)


def relaxed(space: CnfSpace, network: FabricNetwork) -> FabricNetwork:
    """A copy whose alpha and beta are parameters: nothing is left out of its passes."""
    twin = copy.deepcopy(network)
    space.relax(twin)
    return twin


def called(network: nn.Module, run: Callable[[], object]) -> set[str]:
    """Names of the modules that were computed."""
    seen: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: seen.add(name))  # type: ignore[misc]
        for name, module in network.named_modules()
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def test_what_weighs_nothing_is_not_computed_and_nothing_changes() -> None:
    space = CnfSpace(channels=2, hidden=2, operations=("skip", "sep3", "dil3"))
    network = drawn(space, 4)
    with torch.no_grad():
        network.part1.alpha[0, 1] = GONE  # sep3 of the first edge
        network.part1.alpha[2, 2] = GONE  # dil3 of the third
        network.part1.beta[5, 2] = GONE  # the last cell hears nothing coarser: 1/8 before it is idle
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    twin = relaxed(space, network)
    with torch.no_grad():
        expected = twin(images)["part1"]
        seen = called(network, lambda: network(images))
        torch.testing.assert_close(network(images)["part1"], expected, rtol=1e-9, atol=1e-9)
    assert "part1.layers.2.0.edges.0.dil3" in seen
    assert "part1.layers.2.0.edges.0.sep3" not in seen
    assert "part1.layers.2.0.edges.2.sep3" in seen
    assert "part1.layers.2.0.edges.2.dil3" not in seen
    assert "part1.layers.2.0.sources.below" not in seen
    assert "part1.layers.1.0" in seen
    assert "part1.layers.1.1" not in seen
    assert "part1.layers.0.2" not in seen  # 1/16 was heard by that cell alone
    everything = called(twin, lambda: twin(images))
    assert {"part1.layers.1.1", "part1.layers.2.0.edges.0.sep3", "part1.layers.0.2"} <= everything


def test_an_operation_taken_out_counts_as_zero() -> None:
    space = CnfSpace(channels=2)
    network = drawn(space, 5).float()
    with torch.no_grad():
        network.part1.alpha[0, 2] = GONE
        images = torch.randn(1, 3, 64, 64)
        expected = network(images)["part1"]
        for module in network.part1.modules():
            if isinstance(module, Cell):
                (edge,) = module.edges
                assert isinstance(edge, nn.ModuleDict)
                del edge["sep3"]
        assert torch.equal(network(images)["part1"], expected)
        network.part1.alpha[0] = torch.tensor([0.0, GONE, GONE, GONE])
        assert network(images)["part1"].isfinite().all()


def changed_in_place(network: FabricNetwork, beta: Tensor) -> None:
    with torch.no_grad():
        network.part1.beta.copy_(beta)


def loaded(network: FabricNetwork, beta: Tensor) -> None:
    network.load_state_dict({**network.state_dict(), "part1.beta": beta})


def assigned(network: FabricNetwork, beta: Tensor) -> None:
    network.load_state_dict({**network.state_dict(), "part1.beta": beta}, assign=True)


@pytest.mark.parametrize("change", [changed_in_place, loaded, assigned])
def test_a_changed_architecture_is_seen_at_once(change: Callable[[FabricNetwork, Tensor], None]) -> None:
    space = CnfSpace(channels=2)
    network = drawn(space, 6)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = network(images)["part1"]
        change(network, torch.randn(6, 3, dtype=torch.float64))
        after = network(images)["part1"]
        assert not torch.allclose(before, after)
        torch.testing.assert_close(after, relaxed(space, network)(images)["part1"], **FLOAT64_NOISE)
        torch.testing.assert_close(after, copy.deepcopy(network)(images)["part1"])


def test_networks_made_in_inference_mode_work() -> None:
    space = CnfSpace(channels=1)
    with torch.inference_mode():
        network = space.build(space.sample(Random(0))).eval()
        images = torch.randn(1, 3, 64, 64)
        before = network(images)["part1"]
        network.part1.beta.neg_()
        assert not torch.allclose(network(images)["part1"], before)


@pytest.mark.parametrize("backbone", ["mobilenetv2", "fabric-1", "hrnet-w32", "resnet50"])
def test_gradients_reach_every_weight_alpha_and_beta(backbone: str) -> None:
    space = CnfSpace(backbone=backbone, width=0.1, parts=2, channels=2, hidden=2)
    torch.manual_seed(0)
    network = space.build(space.sample(Random(0))).double()
    values = space.relax(network)
    features = network(torch.randn(2, 3, 64, 64, dtype=torch.float64))
    sum(features[name].square().mean() for name in ("part1", "part2")).backward()  # type: ignore[union-attr]
    for name, value in values.items():
        assert value.grad is not None, name
        assert value.grad.abs().min() > 0 or name.endswith("beta"), name
        assert value.grad.abs().max() > 1e-6, name
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # A bias before batch norm changes nothing: its gradient is 0 but for rounding.
        assert parameter.grad.abs().max() > 1e-12 or name.endswith(".bias"), name
    assert set(values) == {f"{fabric}.{which}" for fabric in fabrics(backbone) for which in ("alpha", "beta")}


def fabrics(backbone: str) -> list[str]:
    return [*(["backbone"] if backbone.startswith("fabric") else []), "part1", "part2"]


def test_architecture_gradient_is_the_finite_difference() -> None:
    """Without ReLU's bends in the way, at a small step in float64."""
    space = CnfSpace(channels=1)
    network = drawn(space, 7)
    values = space.relax(network)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)

    def loss() -> Tensor:
        return network(images)["part1"].square().mean()

    gradients = torch.autograd.grad(loss(), list(values.values()))
    for value, gradient in zip(values.values(), gradients, strict=True):
        direction = torch.randn_like(value)
        with torch.no_grad():
            value.add_(direction, alpha=1e-6)
            upper = loss()
            value.sub_(direction, alpha=2e-6)
            lower = loss()
            value.add_(direction, alpha=1e-6)
        slope = (upper - lower) / 2e-6
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-8)


def test_relaxing_keeps_names_values_and_outputs() -> None:
    space = CnfSpace(backbone="fabric-1", width=0.2, parts=2, channels=2)
    network = drawn(space, 8)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before, state = network(images), {name: each.clone() for name, each in network.state_dict().items()}
        values = space.relax(network)
        after = network(images)
    assert set(values) == set(space.dimensions())
    named = dict(network.named_parameters())
    assert all(named[name] is value for name, value in values.items())
    assert set(network.state_dict()) == set(state)
    assert all(torch.equal(each, state[name]) for name, each in network.state_dict().items())
    for level, features in after.items():
        torch.testing.assert_close(features, before[level], **FLOAT64_NOISE)
    again = space.relax(network)
    assert all(again[name] is value for name, value in values.items())
    part = network.part1
    assert isinstance(part, Fabric)
    assert part.is_relaxed
    assert not part.get_submodule("entrance")._buffers


def test_relaxed_networks_take_up_weights_of_given_ones_and_the_other_way() -> None:
    space = CnfSpace(channels=2)
    given, learnt = drawn(space, 9), drawn(space, 10)
    space.relax(learnt)
    learnt.load_state_dict(given.state_dict())
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(learnt(images)["part1"], given(images)["part1"], **FLOAT64_NOISE)
        learnt.part1.alpha.add_(torch.randn_like(learnt.part1.alpha))
        given.load_state_dict(learnt.state_dict())
        torch.testing.assert_close(learnt(images)["part1"], given(images)["part1"], **FLOAT64_NOISE)


@pytest.mark.parametrize("hidden", [3, 4, 8])
def test_more_hidden_nodes_do_not_enlarge_the_maps(hidden: int) -> None:
    def spread(nodes: int) -> float:
        torch.manual_seed(0)
        space = CnfSpace(hidden=nodes)
        network = space.build(space.ancestor()).train()
        with torch.no_grad():
            return float(network(torch.randn(2, 3, 64, 64))["part1"].std())

    assert 0.5 < spread(hidden) / spread(2) < 2


def cell_parameters(c: int, hidden: int, *, down: int, up: int) -> float:
    """Counted by layer: ways down and up, edges, and the last convolution."""
    edges = hidden * (hidden + 1) // 2
    return (
        down * (4.5 * c * c + c + 2 * c)
        + up * (2 * c * c + 3 * c)
        + edges * (3 * c * c + 27 * c)
        + hidden * c * c
        + c
    )


@pytest.mark.parametrize(
    ("scale", "incoming", "down", "up"),
    [(0, 4, 0, 1), (1, 4, 1, 1), (2, 4, 1, 1), (3, 4, 1, 0), (2, 2, 3, 0), (1, 1, 3, 0), (0, 1, 0, 0)],
)
@pytest.mark.parametrize("hidden", [1, 2])
def test_cells_have_the_counted_parameters(
    scale: int, incoming: int, down: int, up: int, hidden: int
) -> None:
    with torch.device("meta"):
        cell = Cell(scale, incoming, channels=10, hidden=hidden, operations=OPERATIONS)
    counted = sum(parameter.numel() for parameter in cell.parameters())
    assert counted == cell_parameters(10 * 4 * 2**scale, hidden, down=down, up=up)
