"""The operators of a small network against a list written by hand."""

from __future__ import annotations

from collections import Counter

import torch
from posenas.networks.devices import choose_compute
from posenas.networks.latency.alone import measure_alone, without_numbers
from posenas.networks.latency.operators import Operator, list_operators, record_calls
from torch import Tensor, nn

HEIGHT, WIDTH = 12, 8


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, (3, 1), padding=(1, 0), groups=4, bias=False)
        self.deconv = nn.ConvTranspose2d(12, 6, 4, 2, 1, groups=2, bias=False)
        self.linear = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.relu(self.norm(self.conv(images)))
        features = self.deconv(self.grouped(features))
        return self.linear(features.mean(dim=(2, 3))) + 1.0


CELLS = (HEIGHT // 2) * (WIDTH // 2)
BY_HAND = [
    Operator("conv2d 12x8 3->8 k3x3 s2x2 g1 bias", CELLS * 216, 3 * 96 + 216 + 8 + 8 * CELLS),
    Operator("batch_norm 1x8x6x4", 0, 2 * 8 * CELLS + 4 * 8),
    Operator("relu 1x8x6x4", 0, 2 * 8 * CELLS),
    Operator("conv2d 6x4 8->12 k3x1 s1x1 g4", CELLS * 72, 8 * CELLS + 72 + 12 * CELLS),
    Operator("conv_transpose2d 6x4 12->6 k4x4 s2x2 g2", CELLS * 576, 12 * CELLS + 576 + 4 * 6 * CELLS),
    Operator("mean 1x6x12x8 dim=2 dim=3", 0, 6 * 96 + 6),
    Operator("linear 1x6 5x6 5", 30, 6 + 30 + 5 + 5),
    Operator("add 1x5 1.0", 0, 10),
]


def small() -> Small:
    with torch.device("meta"):
        return Small()


def test_operators_are_those_written_by_hand() -> None:
    assert list_operators(small(), (HEIGHT, WIDTH)) == BY_HAND
    assert [operator.kind for operator in BY_HAND][:2] == ["conv2d", "batch_norm"]


def test_a_real_run_has_the_same_operators_as_the_meta_device() -> None:
    with torch.device("cpu"):
        calls = record_calls(Small(), torch.rand(1, 3, HEIGHT, WIDTH))
    assert [call.operator for call in calls] == BY_HAND


def test_the_batch_size_multiplies_the_work() -> None:
    batched = list_operators(small(), (HEIGHT, WIDTH), batch_size=3)
    assert [operator.macs for operator in batched] == [3 * operator.macs for operator in BY_HAND]
    assert batched[1].key == "batch_norm 3x8x6x4"


def test_what_operators_share_is_their_shape_and_not_their_place() -> None:
    with torch.device("meta"):
        twice = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, dilation=2))
    keys = Counter(operator.key for operator in list_operators(twice, (4, 4)))
    assert keys == {"conv2d 4x4 3->3 k1x1 s1x1 g1 bias": 2, "conv2d 4x4 3->3 k1x1 s1x1 g1 d2x2 bias": 1}


def test_calls_are_repeated_alone_on_tensors_like_the_recorded_ones() -> None:
    """In place, grouped and transposed: each runs, and the clock sees every call of every round."""
    network = nn.Sequential(Small(), nn.Flatten(), nn.ReLU(inplace=True))
    calls = [without_numbers(call) for call in record_calls(network, torch.rand(1, 3, HEIGHT, WIDTH))]
    seen = 0

    def clock(call: object) -> float:
        nonlocal seen
        assert callable(call)
        call()
        seen += 1
        return float(seen)

    compute = choose_compute("cpu", "32")
    latencies = measure_alone(calls, compute=compute, threads=1, time_call=clock, rounds=3)
    assert seen == 4 * len(calls)
    # One round to warm up; then each takes its turn.
    medians = [2 * len(calls) + number for number in range(1, len(calls) + 1)]
    assert [latency.median_ms for latency in latencies] == medians
    assert all(latency.repeats == 3 for latency in latencies)
