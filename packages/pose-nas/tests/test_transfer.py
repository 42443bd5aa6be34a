"""Weight transfer against Eq. 3.1 written out element by element."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from posenas.composing.building import build_network
from posenas.contract.keypoint_sets import COCO_17
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.transfer import transfer
from posenas.standard.fixed.space import FixedSpace
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn

Arrays = Mapping[str, np.ndarray]


def by_elements(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, int]:
    """Each element of a child's weights from its place in the parent's, and how many there are.

    An element's place on a kernel's axis is counted from the first one of the centred smaller kernel, on any
    other axis from the first.
    """
    result, taken = own.copy(), 0
    for place in itertools.product(*map(range, own.shape)):
        source = []
        for axis, index in enumerate(place):
            child, parent = own.shape[axis], other.shape[axis]
            shift = 0
            if axis >= 2 and parent >= child:
                shift = (parent - child) // 2
            elif axis >= 2:
                shift = -((child - parent) // 2)
            source.append(index + shift)
        if all(0 <= index < other.shape[axis] for axis, index in enumerate(source)):
            result[place] = other[tuple(source)]
            taken += 1
    return result, taken


def normalisations(network: nn.Module) -> set[str]:
    return {
        f"{path}.{name}"
        for path, module in network.named_modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
        for name in ("weight", "bias", "running_mean", "running_var")
    }


def stand_in(name: str, child: Arrays, parent: Arrays) -> str | None:
    """The parent's name of what the child's begins with; None for fresh values."""
    if name in parent:
        return name
    for found in re.finditer(r"\.(\d+)(?=\.)", name):
        start = name[: found.start() + 1]
        numbers = {
            int(key[len(start) :].split(".")[0])
            for key in parent
            if re.match(rf"{re.escape(start)}\d+\.", key)
        }
        if not numbers or int(found[1]) in numbers:
            continue
        block, last = f"{start}{found[1]}.", f"{start}{max(numbers)}."
        ours = {key[len(block) :]: child[key].ndim for key in child if key.startswith(block)}
        theirs = {key[len(last) :]: parent[key].ndim for key in parent if key.startswith(last)}
        return last + name[len(block) :] if ours == theirs else None
    return None


def expected(network: nn.Module, parent: Arrays) -> tuple[dict[str, np.ndarray], float]:
    """The state that a transfer leaves, and the share."""
    child = arrays(network.state_dict())
    parameters = dict(network.named_parameters())
    result, taken = dict(child), 0
    for name, own in child.items():
        source = stand_in(name, child, parent)
        if source is None or parent[source].ndim != own.ndim:
            continue
        result[name], count = by_elements(own, parent[source])
        if own.ndim == 1 and (name in parameters or name in normalisations(network)):
            for index in range(len(parent[source]), len(own)):
                result[name][index] = np.mean(parent[source])
        taken += count if name in parameters else 0
    return result, taken / sum(parameter.numel() for parameter in parameters.values())


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def randomised(network: nn.Module) -> nn.Module:
    """Values everywhere, statistics included, that no other tensor has."""
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
        else:
            tensor.fill_(int(torch.randint(1, 1000, ())))
    return network


def check(child: nn.Module, parent: nn.Module) -> float:
    """Compares a transfer with the oracle; the share."""
    state = randomised(parent).state_dict()
    before = arrays(state)
    wanted, share = expected(randomised(child), before)
    found = transfer(child, state)
    assert found.share == pytest.approx(share, abs=1e-12)
    for name, value in child.state_dict().items():
        np.testing.assert_allclose(value.numpy(), wanted[name], rtol=1e-6, err_msg=name)
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in state.items())
    return found.share


class Block(nn.Module):
    """An inverted residual with squeeze and excitation, by the names that tell its parts."""

    def __init__(
        self, channels: int, width: int, *, kernel: int, stride: int = 1, expansion: int = 2
    ) -> None:
        super().__init__()
        hidden = expansion * channels
        if expansion > 1:
            self.expand = nn.Conv2d(channels, hidden, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden)
        self.squeeze = nn.Conv2d(hidden, max(1, channels // 4), 1)
        self.excite = nn.Conv2d(max(1, channels // 4), hidden, 1)
        self.project = nn.Conv2d(hidden, width, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(width)

    def forward(self, features: Tensor) -> Tensor:
        if hasattr(self, "expand"):
            features = nn.functional.silu(self.expand_norm(self.expand(features)))
        features = nn.functional.silu(self.depthwise_norm(self.depthwise(features)))
        gate = nn.functional.silu(self.squeeze(features.mean((2, 3), keepdim=True)))
        output: Tensor = self.project_norm(self.project(features * self.excite(gate).sigmoid()))
        return output


class Network(nn.Module):
    """A stem, two modules of blocks, and a head of a transposed and a 1x1 convolution."""

    def __init__(self, first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.module1 = blocks(8, *first)
        self.module2 = blocks(first[2], *second)
        self.deconvolution = nn.ConvTranspose2d(second[2], 6, 4, 2, 1, bias=False)
        self.deconvolution_norm = nn.BatchNorm2d(6)
        self.final = nn.Conv2d(6, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.module2(self.module1(self.stem(images)))
        output: Tensor = self.final(self.deconvolution_norm(self.deconvolution(features)))
        return output


def blocks(channels: int, number: int, kernel: int, width: int, stride: int) -> nn.Sequential:
    """Number of blocks, kernel, channels and stride, as a genotype of the thesis has them."""
    inputs = [channels, *[width] * (number - 1)]
    strides = [stride, *[1] * (number - 1)]
    return nn.Sequential(
        *(Block(size, width, kernel=kernel, stride=step) for size, step in zip(inputs, strides, strict=True))
    )


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


BASE = ((2, 3, 8, 1), (2, 5, 12, 2))


@pytest.mark.parametrize(
    ("child", "share"),
    [
        (BASE, 1.0),
        (((2, 5, 8, 1), (2, 5, 12, 2)), None),  # kernels alone
        (((2, 3, 8, 1), (2, 3, 12, 2)), 1.0),
        (((2, 3, 16, 1), (2, 5, 12, 2)), None),
        (((2, 3, 4, 1), (2, 5, 12, 2)), 1.0),
        (((2, 5, 4, 1), (2, 3, 20, 2)), None),
        (((3, 3, 8, 1), (2, 5, 12, 2)), 1.0),
        (((4, 3, 8, 1), (3, 3, 12, 2)), 1.0),
        (((1, 3, 8, 1), (1, 5, 12, 2)), 1.0),
        (((2, 3, 8, 2), (2, 5, 12, 1)), 1.0),  # strides have no weights
    ],
)
def test_every_mutation_is_equation_3_1(
    child: tuple[tuple[int, int, int, int], ...], share: float | None
) -> None:
    found = check(Network(*child), Network(*BASE))
    assert found == share if share is not None else 0.5 < found < 1.0


genes = st.tuples(st.integers(1, 3), st.sampled_from((3, 5)), st.sampled_from((4, 8, 12)), st.integers(1, 2))


@settings(max_examples=15, deadline=None)
@given(child=st.tuples(genes, genes), parent=st.tuples(genes, genes))
def test_any_two_networks_of_a_space(
    child: tuple[tuple[int, ...], ...], parent: tuple[tuple[int, ...], ...]
) -> None:
    check(Network(*child), Network(*parent))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (nn.Conv2d(4, 6, 5), nn.Conv2d(4, 6, 3)),
        (nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 5)),
        (nn.Conv2d(6, 4, (5, 3)), nn.Conv2d(3, 9, (3, 5))),
        (nn.Conv2d(4, 6, 2), nn.Conv2d(4, 6, 5)),
        (nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(6, 6, 3, groups=6)),
        (nn.Conv2d(8, 6, 3, groups=2), nn.Conv2d(8, 6, 3, groups=1)),
        (nn.ConvTranspose2d(4, 6, 4), nn.ConvTranspose2d(6, 4, 2)),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), nn.ConvTranspose2d(4, 8, 5, groups=2)),
        (nn.Conv1d(4, 6, 5), nn.Conv1d(6, 4, 3)),
        (nn.Conv3d(2, 3, (1, 3, 5)), nn.Conv3d(3, 2, (3, 3, 3))),
        (nn.Linear(5, 7), nn.Linear(7, 4)),
        (nn.LayerNorm(7), nn.LayerNorm(4)),
        (nn.BatchNorm1d(3), nn.BatchNorm1d(5)),
        (nn.BatchNorm2d(5), nn.BatchNorm2d(3)),
    ],
    ids=lambda module: str(module),
)
def test_every_kind_of_layer(child: nn.Module, parent: nn.Module) -> None:
    assert 0 < check(nn.ModuleDict({"layer": child}), nn.ModuleDict({"layer": parent})) <= 1


def test_eq_3_1_by_hand() -> None:
    """The parent's 3x3 lies in the middle of the child's 5x5, in the first input channel of two."""
    parent = nn.Conv2d(1, 1, 3, bias=False)
    nn.init.ones_(parent.weight)
    child = nn.Conv2d(2, 1, 5, bias=False)
    nn.init.zeros_(child.weight)
    assert transfer(child, parent.state_dict()).share == 9 / 50
    assert child.weight[0, 1].abs().sum() == 0
    rim = torch.zeros(5, 5)
    rim[1:4, 1:4] = 1
    assert torch.equal(child.weight[0, 0].detach(), rim)


def test_batch_norm_is_filled_with_the_parents_mean() -> None:
    parent, child = nn.BatchNorm2d(2), nn.BatchNorm2d(4)
    parent.load_state_dict(
        {
            "weight": torch.tensor([1.0, 3.0]),
            "bias": torch.tensor([-1.0, 0.0]),
            "running_mean": torch.tensor([4.0, 8.0]),
            "running_var": torch.tensor([1.0, 2.0]),
            "num_batches_tracked": torch.tensor(7),
        }
    )
    assert transfer(child, parent.state_dict()).share == 0.5
    assert child.weight.tolist() == [1, 3, 2, 2]
    assert child.bias.tolist() == [-1, 0, -0.5, -0.5]
    assert child.running_mean is not None
    assert child.running_mean.tolist() == [4, 8, 6, 6]
    assert child.running_var is not None
    assert child.running_var.tolist() == [1, 2, 1.5, 1.5]
    assert child.num_batches_tracked == 7


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.LayerNorm])
def test_biases_of_every_layer_are_filled_with_the_parents_mean(layer: type[nn.Module]) -> None:
    """The mean is of the parent's whole vector; it counts as nothing taken over."""
    sizes = {nn.LayerNorm: ((2,), (5,)), nn.Linear: ((3, 2), (3, 5))}.get(layer, ((3, 2, 1), (3, 5, 1)))
    parent, child = (layer(*size) for size in sizes)
    state = parent.state_dict() | {"bias": torch.tensor([0.5, -1.5])}
    found = transfer(child, state)
    assert child.get_parameter("bias").tolist() == [0.5, -1.5, -0.5, -0.5, -0.5]
    assert found.share == 2 / 5


def test_a_narrower_childs_biases_are_the_leading_ones() -> None:
    child = nn.Conv2d(3, 2, 1)
    transfer(child, {"bias": torch.tensor([0.5, -1.5, 9.0])})
    assert child.get_parameter("bias").tolist() == [0.5, -1.5]


def test_equal_networks_compute_the_same_and_stay_apart() -> None:
    parent, child = randomised(Network(*BASE)), randomised(Network(*BASE))
    images = torch.rand(2, 3, 32, 32)
    found = transfer(child, parent.state_dict())
    assert (found.share, found.fresh) == (1.0, ())
    assert torch.equal(child.eval()(images), parent.eval()(images))
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in child.parameters())
    nn.init.zeros_(child.get_parameter("stem.weight"))
    assert parent.get_parameter("stem.weight").abs().min() > 0


def test_a_wider_child_keeps_its_fresh_kernels_elsewhere() -> None:
    parent, child = nn.Conv2d(2, 2, 1), nn.Conv2d(3, 4, 1)
    before = {name: value.clone() for name, value in child.state_dict().items()}
    transfer(child, parent.state_dict())
    assert torch.equal(child.weight[2:].detach(), before["weight"][2:])
    assert torch.equal(child.weight[:2, 2:].detach(), before["weight"][:2, 2:])
    bias = child.get_parameter("bias").detach()
    assert torch.equal(bias[:2], parent.get_parameter("bias"))
    assert torch.equal(bias[2:], parent.get_parameter("bias").detach().mean().expand(2))


def test_a_new_block_is_its_own_modules_last_one() -> None:
    parent, child = randomised(Network(*BASE)), Network((4, 3, 8, 1), BASE[1])
    transfer(child, parent.state_dict())
    for number, source in ((0, 0), (1, 1), (2, 1), (3, 1)):
        ours, theirs = (
            child.module1[number].state_dict(),
            parent.get_submodule(f"module1.{source}").state_dict(),
        )
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_new_block_of_another_make_stays_fresh() -> None:
    parent = nn.ModuleDict({"module": nn.Sequential(Block(8, 8, kernel=3, expansion=1))})
    child = nn.ModuleDict(
        {"module": nn.Sequential(Block(8, 8, kernel=3, expansion=1), Block(8, 8, kernel=3, expansion=6))}
    )
    found = check(child, parent)
    assert found < 0.5
    fresh = transfer(child, parent.state_dict()).fresh
    assert set(fresh) == {name for name, _ in child.named_parameters() if name.startswith("module.1.")}


def stages(*sizes: int) -> nn.ModuleDict:
    lists = (nn.ModuleList(nn.Linear(3, 3) for _ in range(size)) for size in sizes)
    return nn.ModuleDict({"stages": nn.ModuleList(lists)})


@pytest.mark.parametrize(
    ("child", "parent", "source"),
    [
        ((1, 2), (1, 1), {"stages.1.1": "stages.1.0"}),
        ((1, 2, 2), (1, 2), {"stages.2.0": "stages.1.0", "stages.2.1": "stages.1.1"}),
        ((1, 2, 3), (1, 2), {"stages.2.0": None, "stages.2.2": None}),  # the outermost list decides alone
    ],
)
def test_lists_in_lists(
    child: tuple[int, ...], parent: tuple[int, ...], source: dict[str, str | None]
) -> None:
    ours, theirs = stages(*child), stages(*parent)
    check(ours, theirs)
    for name, origin in source.items():
        weight = ours.get_parameter(f"{name}.weight")
        others = {path: value for path, value in theirs.state_dict().items() if torch.equal(value, weight)}
        assert set(others) == (set() if origin is None else {f"{origin}.weight"})


def test_what_does_not_match_stays_fresh() -> None:
    child = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.Linear(3, 4), "c": nn.Linear(3, 4)})
    before = arrays(child.state_dict())
    parent = {
        "a.weight": torch.ones(4, 3, 1, 1),
        "a.bias": torch.ones(4, dtype=torch.int64),
        "d.weight": torch.ones(4, 3),
        "c.bias": torch.ones(4, dtype=torch.bfloat16),
    }
    found = transfer(child, parent)
    assert found.share == pytest.approx(4 / 48)
    assert found.fresh == ("a.weight", "a.bias", "b.weight", "b.bias", "c.weight")
    after = arrays(child.state_dict())
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"c.bias"}


class Constants(nn.Module):
    """Buffers that are no statistics: one that depends on a size, an integer, one that is not saved."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("grid", torch.linspace(0, 1, size))
        self.register_buffer("index", torch.arange(size))
        self.register_buffer("cache", torch.zeros(size), persistent=False)


def test_a_constant_of_another_size_is_the_networks_own() -> None:
    child = Constants(5)
    transfer(child, {**Constants(3).state_dict(), "cache": torch.ones(5)})
    assert torch.equal(child.get_buffer("grid"), torch.linspace(0, 1, 5))
    assert torch.equal(child.get_buffer("index"), torch.arange(5))
    assert child.get_buffer("cache").sum() == 0
    transfer(child, {"grid": torch.ones(5), "index": torch.ones(5, dtype=torch.int64)})
    assert child.get_buffer("grid").tolist() == child.get_buffer("index").tolist() == [1] * 5


def test_without_parameters_the_share_is_zero() -> None:
    assert transfer(nn.ReLU(), {"weight": torch.ones(3)}).share == 0


def fixed(name: str, width: float) -> PoseNetwork:
    return build_network(FixedSpace(width), {"name": name}, head=HeatmapHead(), keypoints=COCO_17)


def test_networks_of_the_space_fixed() -> None:
    assert check(fixed("mobilenetv2", 0.25), fixed("mobilenetv2", 0.125)) < 1
    assert check(fixed("mobilenetv2", 0.125), fixed("mobilenetv2", 0.25)) == 1


def test_a_transfer_costs_little_beside_one_forward_pass() -> None:
    """Of the time that a child may cost to create, a tenth of a forward pass at batch 32."""
    parent, images = fixed("mobilenetv2", 0.5).state_dict(), torch.rand(32, 3, 128, 96)
    child = fixed("mobilenetv2", 0.6).eval()
    with torch.no_grad():
        forward = _seconds(lambda: child(images))
    assert min(_seconds(lambda: transfer(child, parent)) for _ in range(3)) < 0.1 * forward


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
