"""The thesis's FLOPs against what it prints for networks of all its kinds, each rebuilt here."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from posenas.networks.counting import Costs, measure
from torch import Tensor, nn

# Blocks, kernel, channels and stride of EvoPose2D-S's modules: thesis, table 3.3.
EVOPOSE_S = (
    (1, 3, 16, 1),
    (3, 3, 24, 2),
    (2, 5, 40, 2),
    (4, 3, 80, 2),
    (2, 5, 112, 1),
    (4, 5, 128, 1),
    (2, 3, 80, 1),
)
EVOPOSE_XS = (*EVOPOSE_S[:5], (4, 5, 128, 2), EVOPOSE_S[6])


def layer(inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * inputs
        self.expand = nn.Sequential(layer(inputs, hidden, 1), nn.SiLU()) if expansion > 1 else nn.Identity()
        self.depthwise = nn.Sequential(layer(hidden, hidden, kernel, stride, groups=hidden), nn.SiLU())
        squeezed = max(1, inputs // 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(hidden, squeezed, 1), nn.SiLU(), nn.Conv2d(squeezed, hidden, 1)
        )
        self.project = layer(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.depthwise(self.expand(features))
        output: Tensor = self.project(hidden * torch.sigmoid(self.gate(hidden)))
        return features + output if self.residual else output


def evopose(modules: Iterable[tuple[int, int, int, int]]) -> nn.Sequential:
    layers: list[nn.Module] = [layer(3, 32, 3, 2), nn.SiLU()]
    channels = 32
    for index, (blocks, kernel, width, stride) in enumerate(modules):
        for block in range(blocks):
            layers.append(
                InvertedResidual(
                    channels,
                    width,
                    kernel=kernel,
                    stride=1 if block else stride,
                    expansion=6 if index else 1,
                )
            )
            channels = width
    for _ in range(3):
        layers += [nn.ConvTranspose2d(channels, 128, 3, 2, 1, 1, bias=False), nn.BatchNorm2d(128), nn.SiLU()]
        channels = 128
    return nn.Sequential(*layers, nn.Conv2d(128, 17, 1))


class KerasBottleneck(nn.Module):
    """Keras's: strides in the first convolution, and a bias in each."""

    def __init__(self, inputs: int, width: int, *, stride: int, project: bool) -> None:
        super().__init__()

        def biased(channels: int, outputs: int, kernel: int, step: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels, outputs, kernel, step, kernel // 2), nn.BatchNorm2d(outputs)
            )

        self.main = nn.Sequential(
            biased(inputs, width, 1, stride),
            nn.ReLU(),
            biased(width, width, 3),
            nn.ReLU(),
            biased(width, 4 * width, 1),
        )
        self.shortcut = biased(inputs, 4 * width, 1, stride) if project else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.main(features) + self.shortcut(features))


def simple_baseline() -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for blocks, width, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for block in range(blocks):
            layers.append(KerasBottleneck(channels, width, stride=1 if block else stride, project=block == 0))
            channels = 4 * width
    for _ in range(3):
        layers += [nn.ConvTranspose2d(channels, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU()]
        channels = 256
    return nn.Sequential(*layers, nn.Conv2d(256, 17, 1))


def costs_of(network: nn.Module) -> Costs:
    return measure(network, (256, 192))


@pytest.mark.parametrize(
    ("modules", "gmacs", "thesis"), [(EVOPOSE_XS, 0.462373, 0.4686), (EVOPOSE_S, 1.064085, 1.0723)]
)
def test_evopose2d(modules: tuple[tuple[int, int, int, int], ...], gmacs: float, thesis: float) -> None:
    with torch.device("meta"):
        costs = costs_of(evopose(modules))
    assert costs.parameters_with_statistics == 2_531_199
    assert costs.gmacs == pytest.approx(gmacs, abs=1e-6)
    assert costs.thesis_gflops == pytest.approx(thesis, abs=5e-5)


def test_simple_baseline_has_the_printed_figures() -> None:
    with torch.device("meta"):
        costs = costs_of(simple_baseline())
    assert costs.parameters_with_statistics == 34_080_913
    assert round(costs.thesis_gflops, 2) == 5.21


def test_the_rule_counted_by_hand() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), nn.Conv2d(4, 2, 1, bias=False), nn.Hardswish())
        counted = measure(network, (2, 5))
    macs, biased, swish = 10 * (3 * 4 + 4 * 2), 10 * 4, 10 * 4 + 10 * 2
    assert counted.macs == macs
    assert counted.thesis_gflops == pytest.approx((macs + (biased + swish) / 2) / 1e9, rel=1e-12)
    with torch.device("meta"):
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
        assert measure(head, (4, 6)).thesis_gflops == pytest.approx((15 + (72 + 5) / 2) / 1e9, rel=1e-12)
