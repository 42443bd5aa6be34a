"""The backbone `hrnet-w32`: its ends, nesting, and a dynamic forward pass written out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import gcd
from random import Random
from time import process_time

import pytest
import torch
from nas_ofa_elastic.hrnet import HRNET_W32
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_17, Genotype, find_network
from posenas.composing.building import make, network_costs
from posenas.layers import HRNet
from posenas.networks.sharing import SharedWeights
from posenas.standard.fixed.space import FixedSpace
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn
from torch.nn import functional

SPACE = ElasticSpace("hrnet-w32")
HEAD = HeatmapHead(input_size=(256, 192))


def drawn(number: int) -> list[Genotype]:
    rng = Random(3)
    return [SPACE.largest(), SPACE.smallest(), *(SPACE.sample(rng) for _ in range(number))]


def without_values(genotype: Genotype) -> HRNet:
    with torch.device("meta"):
        return HRNET_W32.build(genotype)


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def test_largest_network_is_hrnet_w32_with_attention_and_transitions() -> None:
    """Networks of different widths nest only if all of them convolve between the stages."""
    with torch.device("meta"):
        hand_made = shapes(FixedSpace().build({"name": "hrnet-w32"}))
    largest = shapes(without_values(SPACE.largest()))
    assert hand_made.items() <= largest.items()
    kept = tuple(f"transitions.{stage}.branches.{branch}." for stage in (1, 2) for branch in range(stage + 1))
    assert all(".attention." in name or name.startswith(kept) for name in largest.keys() - hand_made.keys())
    added = sum(
        largest[name].numel()
        for name in largest.keys() - hand_made.keys()
        if name.startswith(kept) and name.endswith("0.weight")
    )
    assert added == 9 * (2 * 32**2 + 2 * 64**2 + 128**2)


def test_dimensions_are_those_of_table_a3() -> None:
    values = {name: choice.values for name, choice in SPACE.dimensions().items()}
    assert values["stem.width"] == values["stage1.width"] == (16, 32, 48, 64)
    depths = {name: choice for name, choice in values.items() if name.endswith("depth")}
    assert depths == {"stage1.depth": (2, 3, 4), "stage3.depth": (8, 12, 16), "stage4.depth": (8, 12)}
    for stage in (2, 3, 4):
        for branch in range(1, stage + 1):
            width, groups, attention = (
                values.pop(f"stage{stage}.branch{branch}.{name}") for name in ("width", "groups", "attention")
            )
            assert (width[0], width[-1], len(width)) == (8 * 2 ** (branch - 1), 32 * 2 ** (branch - 1), 4)
            assert (groups[0], groups[-1]) == (width[-1], 1)
            assert attention == (False, True)
    assert len(values) == 7


@pytest.mark.parametrize("end", ["largest", "smallest"])
def test_zoo_holds_the_ends(end: str) -> None:
    network = find_network(f"vipnas-hrnet-w32-{end}")
    assert make("space", network.space) == SPACE
    assert network.genotype == getattr(SPACE, end)()


def test_values_run_from_cheap_to_dear() -> None:
    """Each dimension's last value, all others at their first, makes no network cheaper."""
    start = SPACE.smallest()
    least = network_costs(SPACE, start, head=HEAD, keypoints=COCO_17)
    for name, value in SPACE.largest().items():
        if name.startswith(("stage2.branch", "stage3.branch")):
            continue  # their ranges are those of stage 4, and so is what they mean
        dearer = network_costs(SPACE, {**start, name: value}, head=HEAD, keypoints=COCO_17)
        assert dearer.parameters > least.parameters, name
        assert dearer.macs > least.macs, name


def test_costs_are_counted_quickly() -> None:
    genotype = SPACE.largest()
    network_costs(SPACE, genotype, head=HEAD, keypoints=COCO_17)
    seconds = []
    for _ in range(3):
        start = process_time()
        network_costs(SPACE, genotype, head=HEAD, keypoints=COCO_17)
        seconds.append(process_time() - start)
    assert min(seconds) < 1.0  # a third of a second where nobody else computes


def test_levels_are_named_by_stage_and_branch() -> None:
    genotype = SPACE.sample(Random(4))
    width = {name.removesuffix(".width"): value for name, value in genotype.items() if name.endswith("width")}
    levels = without_values(genotype).levels
    assert [(level.name, level.stride, level.channels) for level in levels] == [
        ("stem", 4, width["stem"]),
        ("stage1", 4, 4 * width["stage1"]),
        *((name, stride, width[name]) for name, stride in [("stage2.branch1", 4), ("stage2.branch2", 8)]),
        *(
            (f"stage3.branch{branch}", 2 ** (branch + 1), width[f"stage3.branch{branch}"])
            for branch in (1, 2, 3)
        ),
        ("transition3", 32, width["stage4.branch4"]),
        ("stage4.branch1", 4, width["stage4.branch1"]),
    ]


class Dynamic:
    """The super-network as one dynamic network, which slices its weights in every forward pass."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def convolve(
        self, name: str, features: Tensor, width: int, *, groups: int = 1, stride: int = 1
    ) -> Tensor:
        weight = self.weights[f"{name}.weight"][:width, : features.shape[1] // groups]
        bias = self.weights.get(f"{name}.bias")
        return functional.conv2d(
            features,
            weight,
            None if bias is None else bias[:width],
            stride=stride,
            padding=weight.shape[-1] // 2,
            groups=groups,
        )

    def normalise(self, name: str, features: Tensor) -> Tensor:
        weight, bias = (self.weights[f"{name}.{part}"][: features.shape[1]] for part in ("weight", "bias"))
        return functional.batch_norm(features, None, None, weight, bias, training=True)

    def layer(self, name: str, features: Tensor, width: int, *, stride: int = 1) -> Tensor:
        return self.normalise(f"{name}.1", self.convolve(f"{name}.0", features, width, stride=stride)).relu()

    def attend(self, name: str, features: Tensor, wanted: bool) -> Tensor:
        if not wanted:
            return features
        channels = features.shape[1]
        scores = self.convolve(
            f"{name}.attention.squeeze", features.mean((2, 3), keepdim=True), channels // 4
        )
        scores = self.convolve(f"{name}.attention.expand", scores.relu(), channels)
        return features * (0.5 * scores + 0.5).clamp(0, 1)

    def bottleneck(self, name: str, features: Tensor, genotype: Genotype, project: bool) -> Tensor:
        width = genotype["stage1.width"]
        groups = gcd(genotype["stage1.groups"], width)
        hidden = self.normalise(f"{name}.norm1", self.convolve(f"{name}.conv1", features, width)).relu()
        hidden = self.convolve(f"{name}.conv2", hidden, width, groups=groups)
        hidden = self.convolve(f"{name}.conv3", self.normalise(f"{name}.norm2", hidden).relu(), 4 * width)
        hidden = self.attend(name, self.normalise(f"{name}.norm3", hidden), genotype["stage1.attention"])
        if project:
            features = self.convolve(f"{name}.shortcut.0", features, 4 * width)
            features = self.normalise(f"{name}.shortcut.1", features)
        return (features + hidden).relu()

    def block(self, name: str, features: Tensor, settings: Mapping[str, int]) -> Tensor:
        width = settings["width"]
        groups = gcd(settings["groups"], width)
        hidden = self.convolve(f"{name}.conv1", features, width, groups=groups)
        hidden = self.convolve(
            f"{name}.conv2", self.normalise(f"{name}.norm1", hidden).relu(), width, groups=groups
        )
        hidden = self.attend(name, self.normalise(f"{name}.norm2", hidden), bool(settings["attention"]))
        return (features + hidden).relu()

    def bring(self, name: str, features: Tensor, width: int, steps: int) -> Tensor:
        """To another branch: `steps` times coarser, or finer where negative."""
        if steps < 0:
            features = self.normalise(f"{name}.1", self.convolve(f"{name}.0", features, width))
            return features.repeat_interleave(2**-steps, 2).repeat_interleave(2**-steps, 3)
        for step in range(steps - 1):
            features = self.layer(f"{name}.{step}", features, features.shape[1], stride=2)
        if steps:
            features = self.convolve(f"{name}.{steps - 1}", features, width, stride=2)
            features = self.normalise(f"{name}.{steps}", features)
        return features

    def __call__(self, images: Tensor, genotype: Genotype) -> dict[str, Tensor]:
        features = self.layer("stem.0", images, genotype["stem.width"], stride=2)
        features = self.layer("stem.1", features, genotype["stem.width"], stride=2)
        outputs = {"stem": features}
        for index in range(genotype["stage1.depth"]):
            features = self.bottleneck(f"stage1.{index}", features, genotype, project=index == 0)
        outputs["stage1"] = features
        branches = [features]
        for stage in (2, 3, 4):
            branches = self.stage(stage, branches, genotype, outputs)
        return outputs

    def stage(
        self, stage: int, branches: list[Tensor], genotype: Genotype, outputs: dict[str, Tensor]
    ) -> list[Tensor]:
        settings = [
            {
                key: genotype[f"stage{stage}.branch{branch + 1}.{key}"]
                for key in ("width", "groups", "attention")
            }
            for branch in range(stage)
        ]
        coarsest = branches[-1]
        entering = [*branches, coarsest]
        branches = [
            self.layer(
                f"transitions.{stage - 2}.branches.{branch}",
                entering[branch],
                settings[branch]["width"],
                stride=2 if branch == stage - 1 else 1,
            )
            for branch in range(stage)
        ]
        if stage == 4:
            outputs["transition3"] = branches[-1]
        modules = 1 if stage == 2 else genotype[f"stage{stage}.depth"] // 4
        for module in range(modules):
            name = f"stages.{stage - 2}.{module}"
            for branch in range(stage):
                for block in range(4):
                    branches[branch] = self.block(
                        f"{name}.branches.{branch}.{block}", branches[branch], settings[branch]
                    )
            kept = 1 if stage == 4 and module == modules - 1 else stage
            branches = [
                sum(
                    (
                        self.bring(
                            f"{name}.fusions.{target}.paths.{source}",
                            branches[source],
                            settings[target]["width"],
                            target - source,
                        )
                        for source in range(stage)
                    ),
                    start=torch.zeros((), dtype=coarsest.dtype),
                ).relu()
                for target in range(kept)
            ]
        for branch, features in enumerate(branches, 1):
            outputs[f"stage{stage}.branch{branch}"] = features
        return branches


@pytest.fixture(scope="module")
def shared() -> SharedWeights:
    """Random weights everywhere, so that no part is the identity; gates stay away from their ends."""
    torch.manual_seed(0)
    shared = SharedWeights(SPACE.build(SPACE.largest()).double())
    with torch.no_grad():
        for name, parameter in shared.named_parameters():
            deviation = max(1, parameter[0].numel()) ** -0.5
            gate = "attention.expand" in name
            parameter.normal_(0.0 if gate else 0.1, 0.1 * deviation if gate else deviation)
    return shared


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 64, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_thirty_active_networks_are_the_dynamic_and_the_derived_ones(
    shared: SharedWeights, images: Tensor
) -> None:
    """Filling a network raises an error where one of its tensors does not nest in the largest one's."""
    dynamic = Dynamic(dict(shared.holder.named_parameters()))
    with torch.no_grad():
        for index, genotype in enumerate(drawn(28)):
            network = without_values(genotype)
            active = shared.activate(network)(images)
            derived = shared.derive(network)(images)
            for level in network.levels:
                assert active[level.name].shape == (
                    2,
                    level.channels,
                    64 // level.stride,
                    32 // level.stride,
                )
                assert torch.equal(active[level.name], derived[level.name])
            if index % 3 == 0:
                by_hand = dynamic(images, genotype)
                assert list(active) == list(by_hand)
                for name, features in by_hand.items():
                    torch.testing.assert_close(active[name], features, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_the_dynamic_network(shared: SharedWeights, images: Tensor) -> None:
    weights = dict(shared.holder.named_parameters())
    genotypes = [SPACE.largest(), SPACE.sample(Random(2))]
    outputs = [Dynamic(weights)(images, genotype) for genotype in genotypes]
    loss = torch.stack([output["stage4.branch1"].square().mean() for output in outputs]).sum()
    expected = torch.autograd.grad(loss, list(weights.values()))
    shared.zero_grad()
    for genotype in genotypes:
        shared.activate(without_values(genotype))(images)["stage4.branch1"].square().mean().backward()
    for (name, parameter), gradient in zip(weights.items(), expected, strict=True):
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(parameter.grad, gradient, msg=partial("{}: {}".format, name))


def test_group_numbers_divide_every_width() -> None:
    """`gcd`, as the dynamic network has it: group numbers are powers of two."""
    for stage in (2, 3, 4):
        for name, branch in HRNET_W32._ranges(stage).items():
            for width in branch.width:
                for groups in branch.groups:
                    genotype = {f"{name}.width": width, f"{name}.groups": groups, f"{name}.attention": False}
                    assert branch.branch(name, genotype).groups == gcd(groups, width)
