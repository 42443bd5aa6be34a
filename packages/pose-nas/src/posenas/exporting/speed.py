"""The time of one view by torch and by an exported file, on one thread of this CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any, cast

import torch

from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule
from posenas.data.channels import to_unit
from posenas.data.normalising import normalisation_of, normalise
from posenas.exporting.runtime import POSES, ExportedNetwork, fed_by
from posenas.networks.latency.measure import device_name, exactly_threads
from posenas.prediction.trained import TrainedNetwork

_WARM_UP = 5
_TURNS = 30


def measure_speed(trained: TrainedNetwork, exported: ExportedNetwork, batch: Batch) -> dict[str, Any]:
    """Return the milliseconds of one view, from bytes to poses, and what they were measured on.

    Torch and the file take turns, so that both meet the same load of the machine.

    Args:
        trained: the network, on the CPU.
        exported: its file, opened for one thread.
        batch: views that were read without normalisation; the first one is shown.
    """
    one = replace(batch, images=batch.images[:1], pitch=None if batch.pitch is None else batch.pitch[:1])
    fed = fed_by(one)
    head, rule = cast(HeadModule, trained.network.head), normalisation_of(trained.view)

    def by_torch() -> object:
        images = normalise(to_unit(torch.from_numpy(fed[0])), rule)
        return head.decode(trained.network(images), one)

    def by_file() -> object:
        return exported(*fed, only=[name for name in exported.outputs if name in POSES])

    with torch.inference_mode(), exactly_threads(1):
        mine, others = _in_turns(by_torch, by_file)
    return {
        "device": device_name(torch.device("cpu")),
        "threads": 1,
        "torch_ms": median(mine),
        "onnx_ms": median(others),
    }


def _in_turns(*calls: Callable[[], object]) -> list[list[float]]:
    """Return the milliseconds of each call in each turn."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(_WARM_UP + _TURNS):
        for call, taken in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            if turn >= _WARM_UP:
                taken.append(1000 * (time.perf_counter() - started))
    return times
