"""Figures of files: milliseconds of one view, megabytes, and the memory of a process that runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from posenas.contract.errors import PosenasError
from posenas.contract.messages import message
from posenas.exporting import resident
from posenas.exporting.quantisation import quantised
from posenas.exporting.runtime import POSES, open_model
from posenas.networks.latency.measure import choose_clock, in_quiet, summarise, take_turns

if TYPE_CHECKING:
    import onnx

_CALIBRATION_BATCHES = 2
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Fed:
    """A file's inputs for one view of random bytes.

    Attributes:
        inputs: `images` (1, H, W, 3) uint8, and of whole images `pitch` (1,) float32.
    """

    inputs: tuple[NDArray[Any], ...]

    @staticmethod
    def like(examples: Sequence[torch.Tensor]) -> Fed:
        """Return one view that is shaped as the examples are."""
        images, *others = (example[:1].numpy() for example in examples)
        noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
        return Fed((noise, *others))


def time_and_size(model: onnx.ModelProto, fed: Fed, threads: int) -> dict[str, float]:
    """Return the time of one view through a file, and the file's size.

    `onnx_latency_ms` is the median of the quietest quarter of the calls, `onnx_latency_lower_ms` and
    `onnx_latency_upper_ms` are their quartiles. `onnx_file_mb` is in 10^6 bytes.
    """
    return _time_and_size("onnx", model.SerializeToString(), fed, threads)


def time_and_size_of_int8(model: onnx.ModelProto, fed: Fed, threads: int) -> dict[str, float]:
    """Return the time and the size of a file after its backbone was made int8.

    The figures are those of `time_and_size`, and begin with `onnx_int8`. The ranges of the values are from
    random views, which changes the poses but not the operators.
    """
    return _time_and_size("onnx_int8", quantised(model, [fed.inputs] * _CALIBRATION_BATCHES), fed, threads)


def _time_and_size(name: str, content: bytes, fed: Fed, threads: int) -> dict[str, float]:
    network = open_model(content, name="the exported network", threads=threads)
    poses = [output for output in network.outputs if output in POSES]
    cpu = torch.device("cpu")
    turns = take_turns(
        [lambda: network(*fed.inputs, only=poses)], time_call=choose_clock(cpu, threads), seconds=1.0
    )
    time = summarise(in_quiet([block for (block,) in turns]), device="")
    return {
        f"{name}_latency_ms": time.median_ms,
        f"{name}_latency_lower_ms": time.first_quartile_ms,
        f"{name}_latency_upper_ms": time.third_quartile_ms,
        f"{name}_file_mb": len(content) / _MEGABYTE,
    }


def memory(model: onnx.ModelProto, fed: Fed, threads: int) -> dict[str, float]:
    """Return `onnx_memory_mb`: what a process of its own grows by to open a file and run one view.

    Raises:
        PosenasError: if the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, views = Path(folder) / "network.onnx", Path(folder) / "views.npz"
        file.write_bytes(model.SerializeToString())
        named: dict[str, Any] = dict(zip(("images", "pitch"), fed.inputs, strict=False))
        np.savez(views, **named)
        command = [sys.executable, str(resident.__file__), str(file), str(views), str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PosenasError(f"a process that ran the exported network failed: {message(done.stderr):.300}")
    return {"onnx_memory_mb": json.loads(done.stdout) / _MEGABYTE}


def check_memory_is_told() -> None:
    """Raise PosenasError if the system does not tell the memory of processes as Linux does."""
    if not resident.STATUS.is_file():
        raise PosenasError(
            f"onnx_memory_mb: this system has no {resident.STATUS}, as Linux has; leave it out"
        )
