"""The published sizes against the authors' networks: parameters, whole and by layer, and multiply-adds."""

from __future__ import annotations

import pytest
import torch
from head_kapao.network import YoloNetwork
from head_kapao.space import YoloSpace
from head_kapao.zoo import (
    KAPAO_L,
    KAPAO_L_CROWDPOSE,
    KAPAO_M,
    KAPAO_M_CROWDPOSE,
    KAPAO_S,
    KAPAO_S_CROWDPOSE,
)
from posenas import KEYPOINT_SETS, ZooEntry
from posenas.networks.counting import measure
from torch import nn

PARAMETERS = {
    "s": (KAPAO_S, 12_559_980),
    "m": (KAPAO_M, 35_755_404),
    "l": (KAPAO_L, 77_047_852),
    "s-crowdpose": (KAPAO_S_CROWDPOSE, 12_525_312),
    "m-crowdpose": (KAPAO_M_CROWDPOSE, 35_703_456),
    "l-crowdpose": (KAPAO_L_CROWDPOSE, 76_978_624),
}
GMACS = {"s": "34.2", "m": "103.8", "l": "234.1"}
"""Of convolutions, at 1280 x 1280, to the digits of the authors' networks."""

LAYERS_OF_S = {
    0: ("stem", 3520),
    1: ("backbone.p2.0", 18560),
    2: ("backbone.p2.1", 18816),
    3: ("backbone.p3.0", 73984),
    4: ("backbone.p3.1", 156928),
    5: ("backbone.p4.0", 295424),
    6: ("backbone.p4.1", 625152),
    7: ("backbone.p5.0", 885504),
    8: ("backbone.p5.1", 665856),
    9: ("backbone.p6.0", 1770496),
    10: ("backbone.p6.1", 656896),
    11: ("backbone.p6.2", 1182720),
    12: ("narrow.p5", 197376),
    15: ("top_down.p5", 813312),
    16: ("narrow.p4", 98816),
    19: ("top_down.p4", 361984),
    20: ("narrow.p3", 33024),
    23: ("top_down.p3", 90880),
    24: ("halve.p4", 147712),
    26: ("bottom_up.p4", 296448),
    27: ("halve.p5", 590336),
    29: ("bottom_up.p5", 715008),
    30: ("halve.p6", 1327872),
    32: ("bottom_up.p6", 1313792),
}
"""By the authors' numbers; those between enlarge or join."""


def without_values(entry: ZooEntry) -> YoloNetwork:
    with torch.device("meta"):
        return YoloSpace(**entry.options).build(entry.genotype)


def output_channels(entry: ZooEntry) -> int:
    """Of 3 anchors: box, objectness, a class for the person and each keypoint, each keypoint's place."""
    keypoints = len(KEYPOINT_SETS[entry.keypoints])
    return 3 * (4 + 1 + (1 + keypoints) + 2 * keypoints)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_and_1x1_output_convolutions_have_the_published_count(name: str) -> None:
    entry, parameters = PARAMETERS[name]
    network = without_values(entry)
    outputs = sum((level.channels + 1) * output_channels(entry) for level in network.levels)
    assert count(network) + outputs == parameters
    if "parameters" in entry.published:
        assert float(f"{parameters:.3g}") == entry.published["parameters"]


@pytest.mark.parametrize("name", GMACS)
def test_networks_and_output_convolutions_have_the_known_multiply_adds(name: str) -> None:
    entry, _ = PARAMETERS[name]
    network = without_values(entry)
    macs = measure(network, entry.input_size).macs + sum(
        level.channels * output_channels(entry) * (1280 // level.stride) ** 2 for level in network.levels
    )
    assert f"{macs / 1e9:.1f}" == GMACS[name]


def test_every_layer_of_s_has_the_known_count() -> None:
    network = without_values(KAPAO_S)
    counted = {name: count(network.get_submodule(name)) for name, _ in LAYERS_OF_S.values()}
    assert counted == dict(LAYERS_OF_S.values())
    assert sum(counted.values()) == count(network)
    outputs = sum((level.channels + 1) * output_channels(KAPAO_S) for level in network.levels)
    assert outputs == 219_564  # layer 33


@pytest.mark.parametrize("entry", [KAPAO_S, KAPAO_M, KAPAO_L], ids=lambda entry: entry.options["size"])
def test_depths_and_widths_are_the_known_ones(entry: ZooEntry) -> None:
    known = {
        "s": (32, (64, 128, 256, 384, 512), (1, 3, 3, 1, 1)),
        "m": (48, (96, 192, 384, 576, 768), (2, 6, 6, 2, 2)),
        "l": (64, (128, 256, 512, 768, 1024), (3, 9, 9, 3, 3)),
    }
    stem, widths, depths = known[entry.options["size"]]
    width = dict(zip(("p2", "p3", "p4", "p5", "p6"), widths, strict=True))
    expected: dict[str, int] = {"stem.width": stem}
    for name, depth in zip(width, depths, strict=True):
        expected |= {f"backbone.{name}.depth": depth, f"backbone.{name}.width": width[name]}
    for path, names in (("top_down", ("p5", "p4", "p3")), ("bottom_up", ("p4", "p5", "p6"))):
        for name in names:
            expected |= {f"{path}.{name}.depth": depths[0], f"{path}.{name}.width": width[name]}
    kernels = {name: value for name, value in entry.genotype.items() if name.endswith(".kernel")}
    assert entry.genotype == expected | kernels
    assert set(kernels.values()) == {3}
    assert len(kernels) == 11
