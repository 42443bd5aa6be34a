"""Folded networks against the same networks unfolded."""

from __future__ import annotations

import copy

import pytest
import torch
from posenas.learning.inference import prepare
from posenas.networks.folding import fold_normalisations
from posenas.networks.pose_network import PoseNetwork
from torch import Tensor, nn


class Blocks(nn.Module):
    """A convolution of each kind before a batch norm, and two that must not be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.BatchNorm2d(8), nn.ReLU())
        self.grouped = nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4, bias=False)
        self.norm = nn.BatchNorm2d(12, affine=False)
        self.up = nn.ConvTranspose2d(12, 6, 4, 2, 1, groups=3)
        self.norm_up = nn.BatchNorm2d(6, eps=1e-3)
        self.read_twice = nn.Conv2d(6, 6, 1)
        self.norm_of_one_reader = nn.BatchNorm2d(6)
        self.run_twice = nn.Conv2d(6, 6, 1)
        self.norm_run_twice = nn.BatchNorm2d(6)

    def forward(self, images: Tensor) -> Tensor:
        features = self.norm_up(self.up(self.norm(self.grouped(self.first(images)))))
        both = self.read_twice(features)
        features = both + self.norm_of_one_reader(both)
        for _ in range(2):
            features = self.norm_run_twice(self.run_twice(features))
        return features


class Untraceable(Blocks):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.sum() > 0 else -images)


def randomised(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                if tensor is not None:
                    tensor.data.uniform_(0.5, 1.5, generator=generator)
    return network.double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_folds_what_one_batch_norm_reads_and_nothing_else(images: Tensor) -> None:
    network = randomised(Blocks())
    expected = network(images)
    assert fold_normalisations(network) == 3
    torch.testing.assert_close(network(images), expected)
    left = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert left == ["norm_of_one_reader", "norm_run_twice"]


def test_in_a_network_that_cannot_be_followed_folds_what_can(images: Tensor) -> None:
    network = randomised(Untraceable())
    before = copy.deepcopy(network)
    assert fold_normalisations(network) == 1
    torch.testing.assert_close(network(images), before(images))
    kept, shown = before.state_dict(), network.state_dict()
    same = [name for name in shown if not name.startswith("first.")]
    assert all(torch.equal(shown[name], kept[name]) for name in same)
    assert not [each for each in network.get_submodule("first") if isinstance(each, nn.BatchNorm2d)]  # type: ignore[attr-defined]


class Optional(nn.Module):
    """A convolution and a batch norm, with something between them if it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor, gate: Tensor | None = None) -> Tensor:
        read = self.convolution(images)
        return self.norm(read if gate is None else read * gate)


class Cropping(nn.Module):
    """Looks at both halves of an image by one network, at the brighter one first, and at the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.hand = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.again = self.hand
        self.nested = nn.ModuleDict({"face": nn.ModuleList([Optional(), Blocks()])})
        self.lent = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.borrows = nn.Sequential(self.lent[0], nn.BatchNorm2d(3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        left, right = images.chunk(2, dim=3)
        if left.sum() < right.sum():
            left, right = right, left
        face = self.nested["face"][0](images, images.sigmoid())
        return (
            self.hand(left),
            self.again(right),
            self.nested["face"][1](face),
            self.lent(left),
            self.borrows(right),
        )


def test_folds_a_network_once_that_a_head_calls_for_each_region(images: Tensor) -> None:
    network = randomised(Cropping())
    expected = network(images)
    calls: list[nn.Module] = []
    convolution = network.get_submodule("hand.0")
    # 1 of the hand, 3 of the blocks; not what may lie between, nor a convolution that two norms read.
    assert fold_normalisations(network) == 4
    convolution.register_forward_hook(lambda module, *_: calls.append(module))
    torch.testing.assert_close(network(images), expected)
    assert len(calls) == 2
    kept = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    blocks = "nested.face.1."
    assert kept == [
        "nested.face.0.norm",
        f"{blocks}norm_of_one_reader",
        f"{blocks}norm_run_twice",
        "lent.1",
        "borrows.1",
    ]


def test_leaves_a_batch_norm_that_takes_the_batchs_statistics(images: Tensor) -> None:
    network = randomised(Blocks())
    network.get_submodule("norm").train()
    expected = copy.deepcopy(network)(images)
    assert fold_normalisations(network) == 2
    torch.testing.assert_close(network(images), expected)


def test_a_weight_that_others_share_is_not_changed_for_them(images: Tensor) -> None:
    network = randomised(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)))
    network[2].weight = network[0].weight  # type: ignore[index, union-attr]
    expected = network(images)
    assert fold_normalisations(network) == 1
    torch.testing.assert_close(network(images), expected)


class Head(nn.Module):
    """Reads a level by its name, and has a batch norm of its own."""

    def __init__(self, *, counts_levels: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(6, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.counts_levels = counts_levels

    def forward(self, features: dict[str, Tensor], targets: Tensor | None = None) -> Tensor:
        levels = len(features) if self.counts_levels else 1
        read = self.convolution(features["level"])
        if targets is not None:
            return self.norm(read * targets)
        return self.norm(read) * levels


class Level(Blocks):
    def forward(self, images: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"level": super().forward(images)}


@pytest.mark.parametrize("counts_levels", [False, True])
def test_a_heads_batch_norms_are_folded_where_its_pass_can_be_followed(
    images: Tensor, counts_levels: bool
) -> None:
    network = PoseNetwork(Level(), Head(counts_levels=counts_levels))
    randomised(network)
    expected = network(images)
    prepare(network)
    torch.testing.assert_close(network(images), expected)
    kept = [name for name, module in network.head.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert kept == (["norm"] if counts_levels else [])
