"""Measuring how long a network takes for a batch on a device, in milliseconds.

A thread that computes alone on the CPU is timed by its own CPU clock, which stands still while other
processes have the core: that is the wall time on a machine that does nothing else. Several threads, and CUDA,
are timed by the wall clock. Other processes still cost time through the caches, so calls are made in short
blocks, and only the quietest quarter of the blocks counts.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.networks.counting import frames_of
from posenas.networks.devices import Compute

TimeCall: TypeAlias = Callable[[Callable[[], Any]], float]
"""A function that makes a call and returns the milliseconds that it took."""

_WARM_UP = 2
_CALLS = 3
_FEWEST_TURNS = 5
_LONGEST_SECONDS = 10.0


@dataclass(frozen=True)
class MeasuredLatency:
    """The times of calls, in the quietest quarter of the blocks.

    Attributes:
        median_ms: their median.
        first_quartile_ms: their first quartile.
        third_quartile_ms: their third quartile.
        repeats: number of calls.
        device: the device in words, such as "AMD EPYC".
    """

    median_ms: float
    first_quartile_ms: float
    third_quartile_ms: float
    repeats: int
    device: str


def measure_latency(
    network: nn.Module,
    *,
    input_size: tuple[int, int],
    compute: Compute,
    batch_size: int = 1,
    threads: int = 1,
    time_call: TimeCall | None = None,
) -> MeasuredLatency:
    """Time the forward pass of one (batch size, 3, height, width) batch.

    The network is left in evaluation mode, in the channels-last layout, on the compute's device.

    Args:
        network: a network from images to outputs.
        input_size: (height, width) in pixels.
        compute: the device, and the type that the network computes in there.
        batch_size: images in one forward pass.
        threads: threads of the CPU; without effect on CUDA.
        time_call: replaces the clock.
    """
    check_single(network)
    turns = measure_in_turns(
        [network],
        shape=(batch_size, 3, *input_size),
        compute=compute,
        threads=threads,
        time_call=time_call or choose_clock(compute.device, threads),
        seconds=1.0,
    )
    return summarise(in_quiet([block for (block,) in turns]), device=device_name(compute.device))


def check_single(network: nn.Module) -> None:
    """Refuse a network for clips, whose frames differ in latency.

    Raises:
        PosenasError: for such a network.
    """
    if frames_of(network) > 1:
        raise PosenasError(
            "latency is measured of networks of single images alone; limit gmacs of a space for videos"
        )


def measure_in_turns(
    networks: Sequence[nn.Module],
    *,
    shape: tuple[int, int, int, int],
    compute: Compute,
    threads: int,
    time_call: TimeCall,
    seconds: float,
) -> list[list[list[float]]]:
    """Return one block of calls of every network for each turn, in milliseconds.

    Args:
        networks: the networks that take turns.
        shape: shape of the images, (N, 3, H, W).
        compute: the device, and the type that the networks compute in there.
        threads: threads of the CPU.
        time_call: makes a call and returns the milliseconds that it took.
        seconds: for how long there are turns. There are at least five, or fewer if ten seconds have passed.
    """
    calls = [_call_of(network, shape, compute) for network in networks]
    with torch.inference_mode(), exactly_threads(threads):
        return take_turns(calls, time_call=time_call, seconds=seconds)


def take_turns(
    calls: Sequence[Callable[[], object]], *, time_call: TimeCall, seconds: float
) -> list[list[list[float]]]:
    """Return one block of each call for each turn, in milliseconds, after a few calls to warm up.

    Args:
        calls: what takes turns.
        time_call: makes a call and returns the milliseconds that it took.
        seconds: for how long there are turns. There are at least five, or fewer if ten seconds have passed.
    """
    started = time.monotonic()
    turns: list[list[list[float]]] = []
    for call in calls:
        for _ in range(_WARM_UP):
            call()
    while not turns or (spent := time.monotonic() - started) < _LONGEST_SECONDS:
        if len(turns) >= _FEWEST_TURNS and spent >= seconds:
            break
        turns.append([_block(call, time_call) for call in calls])
    return turns


def in_quiet(blocks: Sequence[list[float]]) -> list[float]:
    """Return the milliseconds of the calls in the quietest quarter of a call's blocks."""
    ordered = sorted(blocks, key=statistics.median)
    return [milliseconds for block in ordered[: quarter(len(ordered))] for milliseconds in block]


def _call_of(network: nn.Module, shape: tuple[int, int, int, int], compute: Compute) -> Callable[[], None]:
    images = ready(network, shape, compute.device)

    def call() -> None:
        with compute.autocast():
            network(images)

    return call


def ready(network: nn.Module, shape: tuple[int, int, int, int], device: torch.device) -> Tensor:
    """Bring the network to the device, mode and layout in which it is timed, and return images for it.

    Args:
        network: changed in place.
        shape: shape of the images, (N, 3, H, W).
        device: where the network and the images will be.
    """
    network.eval().to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)


def _block(call: Callable[[], object], time_call: TimeCall) -> list[float]:
    """Return the times of a block of calls.

    Its first call finds the weights where other processes have left them, and does not count.
    """
    call()
    return [time_call(call) for _ in range(_CALLS)]


def quarter(number: int) -> int:
    """Return how many blocks the quietest quarter has, rounded up."""
    return math.ceil(number / 4)


def summarise(times: list[float], *, device: str) -> MeasuredLatency:
    """Return median, quartiles and number of one or more times in milliseconds."""
    first, third = np.quantile(times, (0.25, 0.75))
    return MeasuredLatency(statistics.median(times), float(first), float(third), len(times), device)


def choose_clock(device: torch.device, threads: int) -> TimeCall:
    """Return the CPU clock for a thread alone, the wall clock for several threads or CUDA."""
    if device.type == "cuda":
        return _time_on_cuda
    clock = time.thread_time if threads == 1 else time.perf_counter

    def timed(call: Callable[[], Any]) -> float:
        started = clock()
        call()
        return 1e3 * (clock() - started)

    return timed


def clock_in_words(device: torch.device, threads: int) -> str:
    """Return the name of the clock that `choose_clock` chooses."""
    if device.type == "cuda":
        return "wall clock, device synchronised"
    return "CPU clock of the only thread" if threads == 1 else "wall clock"


def _time_on_cuda(call: Callable[[], Any]) -> float:
    """Time a call from an idle device to an idle device: it returns before the device has finished."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - started)


@contextmanager
def exactly_threads(threads: int) -> Iterator[None]:
    """Let torch's operators use exactly this many CPU threads while the context is open."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_name(device: torch.device) -> str:
    """Return the GPU's name from CUDA, or the CPU's from the kernel; "CPU" where that has none."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"
