"""The paper's networks against its figures, and against counts of the authors' code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from nas_cnf.network import FabricNetwork
from nas_cnf.space import CnfSpace
from posenas import PosenasError, find_network
from posenas.composing.named_networks import changed, describe_network
from posenas.networks.counting import Costs, measure
from torch import Tensor, nn


def without_values(space: CnfSpace) -> FabricNetwork:
    with torch.device("meta"):
        return space.build(space.ancestor())


class WithVectors(nn.Module):
    """A network and, for each part, a 1x1 convolution to so many vectors of 8 numbers."""

    def __init__(self, backbone: FabricNetwork, points: list[int]) -> None:
        super().__init__()
        self.backbone = backbone
        channels = {level.name: level.channels for level in backbone.levels}
        self.heads = nn.ModuleDict(
            {
                f"part{number}": nn.Conv2d(channels[f"part{number}"], 8 * count, 1)
                for number, count in enumerate(points, 1)
            }
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.backbone(images)
        return [head(features[name]) for name, head in self.heads.items()]


MPII = {1: [16], 3: [3, 6, 7], 5: [5, 2, 2, 3, 4], 8: [5, 2, 2, 2, 2, 5, 2, 2]}
COCO = {3: [5, 6, 6], 5: [7, 2, 2, 2, 4]}
"""Keypoints of each part, table I."""


@dataclass(frozen=True)
class Known:
    """A network of the paper.

    Attributes:
        counted: parameters of the authors' code for one input a cell, with one unused stem a part; None
            where that was not counted.
        printed: the paper's, in millions, and how many decimals it prints.
        gmacs: of the authors' code.
        gflops: the same by the papers' rule.
    """

    backbone: str
    parts: int
    channels: int
    hidden: int
    input_size: tuple[int, int]
    points: list[int]
    counted: float | None
    gmacs: float
    gflops: float | None

    def space(self) -> CnfSpace:
        return CnfSpace(
            backbone=self.backbone,
            width=1.0,
            parts=self.parts,
            channels=self.channels,
            hidden=self.hidden,
        )


SQUARE = (256, 256)
MOBILE, HRNET = "mobilenetv2", "hrnet-w32"
KNOWN = {
    "table II": Known(MOBILE, 3, 10, 1, SQUARE, MPII[3], 3.019e6, 1.250, 1.164),
    "P = 1": Known(MOBILE, 1, 10, 1, SQUARE, MPII[1], 1.902e6, 0.654, None),
    "P = 5": Known(MOBILE, 5, 10, 1, SQUARE, MPII[5], 4.137e6, 1.846, None),
    "P = 8": Known(MOBILE, 8, 10, 1, SQUARE, MPII[8], 5.815e6, 2.748, None),
    "Ours-a": Known(MOBILE, 3, 10, 2, (384, 384), MPII[3], 1.338e6 + 2.660e6, 4.924, 4.586),
    "Ours-1": Known(MOBILE, 3, 16, 1, (384, 288), COCO[3], 1.338e6 + 3.865e6, 4.329, 4.032),
    "Ours-c": Known(HRNET, 3, 12, 2, SQUARE, MPII[3], 8.128e6 + 3.837e6, 8.963, 8.347),
    "Ours-b": Known(HRNET, 5, 16, 1, SQUARE, MPII[5], 8.128e6 + 6.745e6, 10.073, 9.381),
    "Ours-3": Known(HRNET, 5, 16, 1, (384, 288), COCO[5], None, 17.002, 15.834),
    "Ours-2": Known("resnet50", 3, 10, 1, (384, 288), COCO[3], 23.508e6 + 4.083e6, 11.334, None),
}


@cache
def costs_of(name: str) -> Costs:
    known = KNOWN[name]
    with torch.device("meta"):
        network = WithVectors(without_values(known.space()), known.points)
    return measure(network, known.input_size)


def unused_stem(channels: int) -> int:
    """The authors' code makes a stem in every part network too, to which no image is ever sent."""
    return 3 * 64 * 9 + 64 * 64 * 9 + 2 * 2 * 64 + 64 * 4 * channels


@pytest.mark.parametrize("name", KNOWN)
def test_networks_have_the_counts_of_the_authors_code(name: str) -> None:
    known = KNOWN[name]
    costs = costs_of(name)
    assert costs.gmacs == pytest.approx(known.gmacs, abs=0.00051)
    if known.gflops is not None:
        assert costs.paper_gflops == pytest.approx(known.gflops, rel=2e-4)
    if known.counted is not None:
        with_stems = costs.parameters + known.parts * unused_stem(known.channels)
        assert with_stems == pytest.approx(known.counted, abs=1100)


def second_input(known: Known) -> int:
    """Parameters of the edges from a second input node of every cell: one more for each hidden node."""
    widths = [4 * known.channels * 2**scale for cells in (3, 2, 1) for scale in range(cells)]
    return known.parts * known.hidden * sum(3 * width**2 + 27 * width for width in widths)


UNUSED_BLOCK = 160 * 960 + 960 * 9 + 960 * 320 + 2 * (960 + 960 + 320)
"""MobileNetV2's last one, which Ours-a counts."""


@pytest.mark.parametrize(
    ("name", "printed", "more"),
    [
        ("table II", "3.3", 0),
        ("Ours-1", "6.1", 0),
        ("Ours-b", "16.4", 0),
        ("Ours-a", "5.2", UNUSED_BLOCK),
    ],
)
def test_with_a_second_input_parameters_are_those_the_paper_prints(
    name: str, printed: str, more: int
) -> None:
    """And without the stems."""
    known = KNOWN[name]
    assert f"{(costs_of(name).parameters + second_input(known) + more) / 1e6:.1f}" == printed


def test_of_resnet50s_network_the_paper_prints_what_is_counted() -> None:
    assert f"{costs_of('Ours-2').parameters / 1e6:.1f}" == "27.5"


FABRICS = {"fabric-1": (4.090, 1.270), "fabric-2": (5.263, 1.235), "fabric-3": (7.544, 1.688)}


@pytest.mark.parametrize("name", FABRICS)
def test_fabrics_have_the_counts_of_the_authors_code(name: str) -> None:
    costs = measure(without_values(CnfSpace(backbone=name, width=1.0, parts=0)), SQUARE)
    assert (round(costs.parameters / 1e6, 3), round(costs.gmacs, 3)) == FABRICS[name]


@pytest.mark.parametrize(
    ("name", "millions", "channels"),
    [
        ("mobilenetv2", 1.338, [24, 32, 96, 160]),
        ("hrnet-w32", 8.128, [32, 64, 128, 256]),
        ("resnet50", 23.508, [256, 512, 1024, 2048]),
    ],
)
def test_hand_made_pyramids_have_the_counts_of_the_authors_code(
    name: str, millions: float, channels: list[int]
) -> None:
    network = without_values(CnfSpace(backbone=name, width=1.0, parts=0))
    assert round(measure(network, SQUARE).parameters / 1e6, 3) == millions
    assert [level.channels for level in network.levels] == channels


IN_THE_ZOO = {
    "posenfs-mobilenetv2": "table II",
    "posenfs-1": "Ours-1",
    "posenfs-2": "Ours-2",
    "posenfs-3": "Ours-3",
    "posenfs-a": "Ours-a",
    "posenfs-b": "Ours-b",
    "posenfs-c": "Ours-c",
}


@pytest.mark.parametrize("name", IN_THE_ZOO)
def test_zoo_has_the_papers_networks(name: str) -> None:
    """With the head's own convolutions, of the same size as those above."""
    described, known = describe_network(find_network(name)), KNOWN[IN_THE_ZOO[name]]
    costs = costs_of(IN_THE_ZOO[name])
    assert described["parameters"] == costs.parameters
    assert described["macs"] == costs.macs
    assert described["paper_gflops"] == pytest.approx(costs.paper_gflops)
    assert described["input_size"] == list(known.input_size)
    published = described["published"]
    agrees = described["parameters"] == pytest.approx(published["parameters"], rel=0.005)
    assert agrees != bool(published.get("parameters_difference"))
    if name not in ("posenfs-2", "posenfs-3"):  # its rule for ResNet-50 is unknown; the other one is pruned
        printed = published["paper_gflops"]
        assert round(described["paper_gflops"], 1) == printed


@pytest.mark.parametrize("name", FABRICS)
def test_zoo_has_the_fabrics(name: str) -> None:
    described = describe_network(find_network(name))
    parameters, gmacs = FABRICS[name]
    assert described["parameters"] == pytest.approx(parameters * 1e6, rel=0.005)
    assert described["macs"] / 1e9 == pytest.approx(gmacs, rel=0.005)
    assert described["published"]["parameters_difference"]
    assert [level["stride"] for level in described["levels"]] == [4, 8, 16, 32]


@pytest.mark.parametrize("name", [*IN_THE_ZOO, *FABRICS])
def test_zoo_heads_have_the_papers_targets(name: str) -> None:
    head = find_network(name).head
    height = head.options["input_size"][0]
    assert (head.options["encoding"], head.options["sigma"]) == ("gaussian", {256: 2.0, 384: 3.0}[height])


def test_figures_of_test_images_say_so() -> None:
    published = {name: find_network(name).published for name in IN_THE_ZOO}
    assert [published[f"posenfs-{number}"]["oks.AP on test-dev"] for number in (1, 2, 3)] == [
        0.674,
        0.709,
        0.723,
    ]
    assert {name: figures["oks.AP"] for name, figures in published.items() if "oks.AP" in figures} == {
        "posenfs-3": 0.730
    }
    assert published["posenfs-a"]["pckh.PCKh@0.5 on test"] == 0.902


def test_zoo_entries_begin_undecided() -> None:
    genotype = find_network("posenfs-c").genotype
    assert set(genotype) == {f"part{number}.{which}" for number in (1, 2, 3) for which in ("alpha", "beta")}
    assert genotype["part2.alpha"] == [[0.0] * 4] * 3
    assert genotype["part3.beta"] == [[0.0] * 3] * 6


@pytest.mark.parametrize("parts", [1, 5, 8])
def test_a_described_network_may_have_other_parts(parts: int) -> None:
    network = changed(find_network("posenfs-mobilenetv2"), [f"space.parts={parts}"])
    costs = costs_of(f"P = {parts}")
    described = describe_network(network)
    assert (described["parameters"], described["macs"]) == (costs.parameters, costs.macs)


def test_a_decided_network_keeps_its_genotype() -> None:
    entry = find_network("posenfs-mobilenetv2")
    decided = replace(entry, genotype={**entry.genotype, "part1.alpha": [[1.0, 0.0, 0.0, 0.0]]})
    with pytest.raises(PosenasError, match=r"part4\.alpha"):
        describe_network(changed(decided, ["space.parts=8"]))
