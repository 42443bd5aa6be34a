"""The zoo's networks against the figures of the thesis, and of the authors' code run by its own framework."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from nas_evo.zoo import EFFICIENTNET_B0_POSE, EVOPOSE2D_L, EVOPOSE2D_M, EVOPOSE2D_S, EVOPOSE2D_XS
from posenas import ZooEntry, find_network
from posenas.composing.building import make
from posenas.composing.named_networks import describe_network
from posenas.networks.counting import measure
from posenas.runs.recipe import ComponentChoice
from torch import nn


@dataclass(frozen=True)
class Known:
    """Of the authors' networks; `heatmaps` are (height, width), GFLOPs those of the authors' code and those
    that the thesis prints."""

    trainable: int
    with_statistics: int
    macs: int
    thesis_gflops: str
    printed_gflops: str
    heatmaps: tuple[int, int]


KNOWN = {
    "evopose2d-xs": Known(2_496_239, 2_531_199, 462_372_800, "0.4686", "0.47", (64, 48)),
    "evopose2d-s": Known(2_496_239, 2_531_199, 1_064_085_440, "1.0723", "1.07", (128, 96)),
    "evopose2d-m": Known(7_256_105, 7_341_609, 5_550_593_216, "5.5935", "5.59", (192, 144)),
    "evopose2d-l": Known(14_566_883, 14_709_587, 17_591_425_152, "17.711", "17.7", (256, 192)),
}
ENTRIES = {
    "evopose2d-xs": EVOPOSE2D_XS,
    "evopose2d-s": EVOPOSE2D_S,
    "evopose2d-m": EVOPOSE2D_M,
    "evopose2d-l": EVOPOSE2D_L,
    "efficientnet-b0-pose": EFFICIENTNET_B0_POSE,
}
S_PARAMETERS = {
    "module1": (1_448, 1_544),
    "module2": (27_424, 29_104),
    "module3": (46_640, 48_336),
    "module4": (345_830, 353_190),
    "module5": (334_576, 339_632),
    "module6": (1_026_620, 1_039_548),
    "module7": (322_740, 328_052),
}
"""Without and with batch norm's statistics."""


def backbone(entry: ZooEntry) -> nn.Module:
    space = make("space", ComponentChoice(entry.space, entry.options))
    with torch.device("meta"):
        return space.build(entry.genotype)  # type: ignore[no-any-return]


def sizes(entry: ZooEntry) -> dict[str, tuple[int, ...]]:
    """Height and width of each level at the network's input size."""
    features = backbone(entry)(torch.zeros(1, 3, *entry.input_size, device="meta"))
    return {name: tuple(value.shape[2:]) for name, value in features.items()}


def to_digits(value: float, like: str) -> str:
    """With as many decimals."""
    return f"{value:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize("name", KNOWN)
def test_networks_have_the_known_counts(name: str) -> None:
    known, described = KNOWN[name], describe_network(find_network(name))
    assert described["parameters"] == known.trainable
    assert described["parameters_with_statistics"] == known.with_statistics
    assert described["macs"] == known.macs
    assert to_digits(described["thesis_gflops"], known.thesis_gflops) == known.thesis_gflops
    assert sizes(ENTRIES[name])["deconv3"] == known.heatmaps


@pytest.mark.parametrize("name", KNOWN)
def test_networks_have_the_printed_figures(name: str) -> None:
    """To every digit that the thesis prints."""
    known, described = KNOWN[name], describe_network(find_network(name))
    published = described["published"]
    assert published["thesis_gflops"] == float(known.printed_gflops)
    assert to_digits(described["thesis_gflops"], known.printed_gflops) == known.printed_gflops
    assert float(f"{described['parameters_with_statistics']:.3g}") == published["parameters_with_statistics"]


def test_ancestor_has_the_known_count_and_that_of_keras_with_the_top() -> None:
    """Keras's EfficientNet-B0 also counts the 7 numbers of the layer that normalises images."""
    described = describe_network(find_network("efficientnet-b0-pose"))
    assert described["parameters_with_statistics"] == 4_302_125
    assert round(described["thesis_gflops"], 2) == 0.53
    deconvolution = 3 * 3 * (1280 - 320) * 128
    with_top = described["parameters_with_statistics"] + 320 * 1280 + 4 * 1280 + deconvolution
    assert with_top + 7 == 5_822_772
    assert sizes(EFFICIENTNET_B0_POSE)["deconv3"] == (64, 48)


@pytest.mark.parametrize("name", S_PARAMETERS)
def test_modules_of_s_have_the_known_parameters(name: str) -> None:
    module = backbone(EVOPOSE2D_S).get_submodule(name)
    trainable = sum(parameter.numel() for parameter in module.parameters())
    statistics = sum(buffer.numel() for buffer in module.buffers() if buffer.dim())
    assert (trainable, trainable + statistics) == S_PARAMETERS[name]


def test_s_has_the_known_resolutions() -> None:
    assert list(sizes(EVOPOSE2D_S).values()) == [
        (128, 96),
        (128, 96),
        (64, 48),
        (32, 24),
        *[(16, 12)] * 4,
        (32, 24),
        (64, 48),
        (128, 96),
    ]
    extra_small = sizes(EVOPOSE2D_XS)
    assert extra_small["module5"] == (16, 12)
    assert extra_small["module6"] == extra_small["module7"] == (8, 6)


def test_backbones_alone_cost_all_but_the_heads_last_convolution() -> None:
    """17 maps by a 1x1 convolution with bias, after 128 channels of 128x96."""
    counted = measure(backbone(EVOPOSE2D_S), (256, 192))
    known = KNOWN["evopose2d-s"]
    assert counted.parameters == known.trainable - 17 * (128 + 1)
    assert counted.macs == known.macs - 17 * 128 * 128 * 96
