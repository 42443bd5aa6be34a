"""Parameters and MACs of networks of one operation, against closed forms and printed figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import mean

import pytest
from nas_autopose.mixture import only
from nas_autopose.network import AutoPoseNetwork
from nas_autopose.operations import OPERATIONS, Operation
from nas_autopose.space import AutoPoseSpace
from posenas.networks.counting import Costs, measure
from posenas.networks.multiplications import KnownCalls
from posenas.networks.without_values import WithoutValues

PAPER = AutoPoseSpace(channels=16, scales=4, stages=3, modules=2)
HEIGHT, WIDTH = 256, 192
KNOWN: KnownCalls = {}
C, PIXELS = 32, HEIGHT * WIDTH // 16
UNIT = C * C * PIXELS
"""MACs of a 1x1 convolution from all channels of a branch to as many: the same at every scale."""

MACS_OF: dict[Operation, int] = {"conv1": 1, "conv3": 9, "conv5": 25, "max3": 0, "avg3": 0, "skip": 0}
"""Of an operation, in units; a convolution's parameters are as many times the square of its channels."""


def network(
    active: int, individual: Sequence[Operation], aggregation: Sequence[Operation]
) -> AutoPoseNetwork:
    """The derived network with so many of the finest branches on in all stages."""
    gates = {
        f"stage{stage}.branch{branch}": branch <= active for stage in (1, 2, 3) for branch in (1, 2, 3, 4)
    }
    genotype = {
        **gates,
        "individual.alpha": [only(name) for name in individual],
        "aggregation.alpha": [only(name) for name in aggregation],
        "width": 2,
    }
    assert PAPER.derived(genotype) == genotype
    with WithoutValues():
        return PAPER.build(genotype)


@cache
def single(name: Operation, active: int) -> Costs:
    """The costs of the network with one operation everywhere."""
    return measure(network(active, [name] * 10, [name] * 9), (HEIGHT, WIDTH), known=KNOWN)


def macs_of_stages(active: int, individual: int, aggregation: int) -> int:
    """MACs of six modules, given the units of all edges of an individual and of an aggregation cell.

    A cell's output is a 1x1 convolution of 4 or of 2 nodes. A map that comes from k scales above is halved by
    k convolutions, each 9 x c x 2c x pixels / 4 = 4.5 units; one from k scales below passes c x c / 2^k at
    its own, 4^k times smaller size, which is 1 / 2^k units in all.
    """
    total = 0.0
    for place in range(active):
        total += 2 * (individual + 4) + aggregation + 2
        total += sum(4.5 * (place - source) for source in range(place))
        total += sum(0.5 ** (source - place) for source in range(place + 1, 4))
    return round(6 * total * UNIT)


def macs_of_ends() -> int:
    """MACs of stem and output: 2C channels at 1/2 and 1/4, a bottleneck to C, and 15C channels to C."""
    stem = 27 * 2 * C * 4 * PIXELS + 9 * (2 * C) ** 2 * PIXELS
    bottleneck = (2 * C * C + 9 * C * C + C * C + 2 * C * C) * PIXELS
    return stem + bottleneck + round(3 * 4.5 * UNIT) + 9 * 15 * C * C * PIXELS


SINGLE = [(name, active) for name in OPERATIONS for active in (1, 2, 3, 4)]


@pytest.mark.parametrize(("name", "active"), SINGLE)
def test_macs_of_one_operation_follow_the_closed_form(name: Operation, active: int) -> None:
    found = single(name, active).macs
    expected = macs_of_stages(active, 10 * MACS_OF[name], 9 * MACS_OF[name]) + macs_of_ends()
    assert found == pytest.approx(expected, rel=1e-9)


PRINTED: dict[str, tuple[str, ...]] = {
    "conv1": ("0.75", "1.59", "2.59", "3.83"),
    "conv3": ("5.1", "10.4", "15.7", "21.4"),
    "conv5": ("13.9", "27.9", "42", "56"),
    "half": ("2.7", "5.4", "8.3", "11.5"),
    "random": ("3.4", "6.9", "10.5", "14.4"),
}
"""GMACs of the six modules with 1 to 4 branches on, as the model of the fact sheet prints them."""


@pytest.mark.parametrize("active", [1, 2, 3, 4])
@pytest.mark.parametrize("what", PRINTED)
def test_macs_are_the_printed_ones_to_their_digits(what: str, active: int) -> None:
    """Half 3x3 and half skip is the mean of both; random operations are the mean of all six.

    The sheet's 10.4 seems to be rounded twice, from 10.346, so a little more than half a digit is let pass.
    """
    mixes: dict[str, tuple[Operation, ...]] = {
        "conv1": ("conv1",),
        "conv3": ("conv3",),
        "conv5": ("conv5",),
        "half": ("conv3", "skip"),
        "random": OPERATIONS,
    }
    macs = mean(single(name, active).macs for name in mixes[what])
    printed = PRINTED[what][active - 1]
    digit = 10.0 ** -len(printed.partition(".")[2])
    assert abs((macs - macs_of_ends()) / 1e9 - float(printed)) < 0.55 * digit


def test_a_mixed_cell_has_the_sum_of_its_edges() -> None:
    individual: list[Operation] = [
        "conv5",
        "skip",
        "conv3",
        "max3",
        "conv1",
        "conv1",
        "avg3",
        "conv3",
        "skip",
        "skip",
    ]
    aggregation: list[Operation] = [
        "conv3",
        "skip",
        "conv1",
        "max3",
        "conv5",
        "conv1",
        "avg3",
        "skip",
        "conv3",
    ]
    edges = (sum(MACS_OF[name] for name in names) for names in (individual, aggregation))
    found = measure(network(3, individual, aggregation), (HEIGHT, WIDTH), known=KNOWN).macs
    assert found == pytest.approx(macs_of_stages(3, *edges) + macs_of_ends(), rel=1e-9)


def parameters_of_stages(active: int, individual: int, aggregation: int) -> int:
    """Parameters of six modules, given what edges have of the square of the channels.

    Only the batch norms of outputs and of resized maps have weights; those of operations have none.
    """
    total = 0
    for place in range(active):
        c = C << place
        total += 2 * ((individual + 4) * c * c + 2 * c) + (aggregation + 2) * c * c + 2 * c
        for source in range(4):
            steps = range(source, place)
            total += sum(9 * (C << scale) * (C << scale + 1) + 2 * (C << scale + 1) for scale in steps)
            total += c * (C << source) + 2 * c if source > place else 0
    return 6 * total


def parameters_of_ends() -> int:
    stem = 27 * 2 * C + 4 * C + 9 * 4 * C * C + 4 * C
    bottleneck = 2 * C * C + 9 * C * C + C * C + 2 * C * C + 4 * 2 * C
    down = sum(9 * (C << scale) * (C << scale + 1) + 2 * (C << scale + 1) for scale in range(3))
    return stem + bottleneck + down + 9 * 15 * C * C + 2 * C


@pytest.mark.parametrize(("name", "active"), SINGLE)
def test_parameters_follow_the_closed_form(name: Operation, active: int) -> None:
    edges = 10 * MACS_OF[name], 9 * MACS_OF[name]
    assert single(name, active).parameters == parameters_of_stages(active, *edges) + parameters_of_ends()
