"""HRNet's exchange of features against literal sums over pixels."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from posenas.networks.layers.elastic_hrnet import BranchRange, ElasticHRNet, branch_range
from posenas.networks.layers.hrnet import HRNet, HRNetBody, HRNetPlan, Stage
from posenas.networks.layers.multi_resolution import Branch, Fusion, MultiResolutionModule, Transition
from torch import Tensor, nn

WIDTHS = (2, 3, 4)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def with_random_statistics(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                assert values is not None
                nn.init.normal_(values)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.double().eval()


def features(height: int = 8, width: int = 4) -> list[Tensor]:
    return [
        torch.rand(1, channels, height >> branch, width >> branch, dtype=torch.float64)
        for branch, channels in enumerate(WIDTHS)
    ]


def normalised(value: float, weights: dict[str, Tensor], name: str, channel: int) -> float:
    scale, shift, mean, variance = (
        float(weights[f"{name}.{key}"][channel]) for key in ("weight", "bias", "running_mean", "running_var")
    )
    return (value - mean) / (variance + 1e-5) ** 0.5 * scale + shift


def halved(inputs: Tensor, weights: dict[str, Tensor], convolution: str, norm: str) -> Tensor:
    """A 3x3 convolution at every other pixel, zeros outside, and batch norm; pixel by pixel."""
    kernel = weights[f"{convolution}.weight"]
    _, channels, height, width = inputs.shape
    outputs = torch.zeros(1, len(kernel), height // 2, width // 2, dtype=inputs.dtype)
    for target, y, x in product(*map(range, outputs.shape[1:])):
        total = sum(
            float(kernel[target, source, dy + 1, dx + 1] * inputs[0, source, 2 * y + dy, 2 * x + dx])
            for source in range(channels)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if 0 <= 2 * y + dy < height and 0 <= 2 * x + dx < width
        )
        outputs[0, target, y, x] = normalised(total, weights, norm, int(target))
    return outputs


def enlarged(inputs: Tensor, weights: dict[str, Tensor], factor: int) -> Tensor:
    """A 1x1 convolution and batch norm, every pixel repeated."""
    kernel = weights["0.weight"][:, :, 0, 0]
    _, _, height, width = inputs.shape
    outputs = torch.zeros(1, len(kernel), height * factor, width * factor, dtype=inputs.dtype)
    for target, y, x in product(*map(range, outputs.shape[1:])):
        value = float(kernel[target] @ inputs[0, :, y // factor, x // factor])
        outputs[0, target, y, x] = normalised(value, weights, "1", target)
    return outputs


@pytest.mark.parametrize("target", range(3))
def test_fusion_is_the_sum_over_branches(target: int) -> None:
    fusion = with_random_statistics(Fusion(WIDTHS, target))
    inputs = features(16, 8)
    total = inputs[target].clone()
    for source, branch in enumerate(inputs):
        prefix = f"paths.{source}."
        weights = {
            name.removeprefix(prefix): value
            for name, value in fusion.state_dict().items()
            if name.startswith(prefix)
        }
        if source > target:
            total += enlarged(branch, weights, 2 ** (source - target))
        elif source == target - 1:
            total += halved(branch, weights, "0", "1")
        elif source == target - 2:
            total += halved(halved(branch, weights, "0.0", "0.1").relu(), weights, "1", "2")
    torch.testing.assert_close(fusion(inputs), total.clamp(min=0))


def test_module_runs_each_branch_and_then_fuses_the_first_ones() -> None:
    branches = [Branch(8), Branch(16, groups=4), Branch(8, attention=True)]
    module = MultiResolutionModule(branches, outputs=2).eval()
    inputs = [torch.rand(1, branch.width, 8 >> index, 8 >> index) for index, branch in enumerate(branches)]
    hidden = [blocks(feature) for blocks, feature in zip(module.branches, inputs, strict=True)]
    outputs = module(inputs)
    assert len(outputs) == 2
    for output, fusion in zip(outputs, module.fusions, strict=True):
        torch.testing.assert_close(output, fusion(hidden))
    groups = {layer.groups for layer in module.branches[1].modules() if isinstance(layer, nn.Conv2d)}
    assert groups == {4}


@pytest.mark.parametrize(
    ("after", "project", "convolved"),
    [((8, 16, 32), False, [2]), ((8, 24, 32), False, [1, 2]), ((8, 16, 32), True, [0, 1, 2])],
)
def test_transition_convolves_where_it_must(
    after: tuple[int, ...], project: bool, convolved: list[int]
) -> None:
    transition = Transition((8, 16), after, project=project).eval()
    inputs = [torch.rand(1, 8, 8, 8), torch.rand(1, 16, 4, 4)]
    outputs = transition(inputs)
    shapes = [tuple(output.shape) for output in outputs]
    assert shapes == [(1, width, 8 >> index, 8 >> index) for index, width in enumerate(after)]
    assert [index for index in range(2) if outputs[index] is not inputs[index]] == convolved[:-1]


def test_levels_are_the_networks_own_features() -> None:
    stages = (
        Stage(1, (Branch(8), Branch(16))),
        Stage(2, (Branch(8), Branch(8), Branch(16, attention=True))),
    )
    network = HRNet(HRNetPlan(stem_width=8, depth=2, bottleneck=Branch(8, groups=2), stages=stages)).eval()
    images = torch.rand(2, 3, 32, 64)
    outputs = network(images)
    assert list(outputs) == [level.name for level in network.levels]
    for level in network.levels:
        assert outputs[level.name].shape == (2, level.channels, 32 // level.stride, 64 // level.stride)
    assert {level.name: level.stride for level in network.levels} == {
        "stem": 4,
        "stage1": 4,
        "stage2.branch1": 4,
        "stage2.branch2": 8,
        "transition2": 16,
        "stage3.branch1": 4,
    }
    torch.testing.assert_close(outputs["stage1"], network.stage1(network.stem(images)))
    second = network.stages[0](network.transitions[0]([outputs["stage1"]]))
    torch.testing.assert_close(outputs["stage2.branch2"], second[1])
    third = network.transitions[1](second)
    torch.testing.assert_close(outputs["transition2"], third[2])
    (top,) = network.stages[1](third)
    torch.testing.assert_close(outputs["stage3.branch1"], top)


def test_the_body_is_hrnet_after_its_stem() -> None:
    stages = (Stage(1, (Branch(2), Branch(3))), Stage(2, (Branch(2), Branch(3), Branch(4))))
    plan = HRNetPlan(stem_width=5, depth=2, bottleneck=Branch(2), stages=stages)
    body = with_random_statistics(HRNetBody(plan))
    network = with_random_statistics(HRNet(plan))
    weights = body.state_dict()
    shared = {name: weights[name] for name in network.state_dict() if not name.startswith("stem.")}
    # HRNet's last exchange makes the first branch alone.
    assert {name.rpartition(".fusions.")[0] for name in set(weights) - set(shared)} == {"stages.1.1"}
    network.load_state_dict(shared, strict=False)
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    levels = network(images)
    branches = body(levels["stem"])
    assert torch.equal(branches[0], levels["stage3.branch1"])
    assert [branch.shape[1:] for branch in branches] == [(2, 8, 8), (3, 4, 4), (4, 2, 2)]


def test_what_a_family_says_once_is_no_dimension() -> None:
    family = ElasticHRNet(
        stem_width=(16,),
        depth=((1,), (4, 8)),
        bottleneck=BranchRange((4, 8), (2, 1), (False,)),
        branches=(branch_range(8, 8, step=8, attention=(False,)), BranchRange((4,), (1,), (False, True))),
    )
    values = {name: choice.values for name, choice in family.dimensions().items()}
    assert values == {
        "stage1.width": (4, 8),
        "stage1.groups": (2, 1),
        "stage2.depth": (4, 8),
        "stage2.branch1.groups": (8, 4, 2, 1),
        "stage2.branch2.attention": (False, True),
    }
    genotype = {name: choice[-1] for name, choice in values.items()}
    assert family.possible(genotype) == {"stage1.groups": (2, 1), "stage2.branch1.groups": (8, 4, 2, 1)}
    assert family.plan(genotype) == HRNetPlan(
        stem_width=16,
        depth=1,
        bottleneck=Branch(8),
        stages=(Stage(2, (Branch(8), Branch(4, attention=True))),),
        project=True,
    )


def test_a_family_of_one_member_need_not_nest() -> None:
    branch = BranchRange((4,), (1,), (False,))
    family = ElasticHRNet(stem_width=(8,), depth=((1,), (4,)), bottleneck=branch, branches=(branch, branch))
    assert family.dimensions() == family.possible({}) == {}
    assert not family.plan({}).project
