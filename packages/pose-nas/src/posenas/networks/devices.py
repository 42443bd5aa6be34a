"""Devices and precisions: where and how precisely a run computes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from posenas.contract.errors import PosenasError, suggestion
from posenas.networks.loss_scale import LossScale

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "32", "bf16", "fp16")


@dataclass(frozen=True)
class Compute:
    """A device, and the type that networks compute in there.

    Attributes:
        autocast_dtype: the type; None for float32.
        loss_scale: what keeps small gradients of fp16 from becoming zero; None for other types.
    """

    device: torch.device
    autocast_dtype: torch.dtype | None
    loss_scale: LossScale | None = None

    @property
    def precision(self) -> str:
        """The type as the option `precision` names it."""
        names = {torch.bfloat16: "bf16", torch.float16: "fp16"}
        return "32" if self.autocast_dtype is None else names[self.autocast_dtype]

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in the chosen type while the context is open."""
        with torch.autocast(
            self.device.type, dtype=self.autocast_dtype, enabled=self.autocast_dtype is not None
        ):
            yield


def full_precision(like: Tensor) -> torch.autocast:
    """Return a context in which nothing is computed in a shorter type, on the tensor's device.

    It does nothing on the meta device, on which costs are counted and which has no autocast to switch off.
    """
    return torch.autocast("cpu" if like.is_meta else like.device.type, enabled=False)


def choose_compute(device: str, precision: str, *, depthwise: bool = False) -> Compute:
    """Return the device and the type for a run's options `device` and `precision`.

    The device `auto` is CUDA where there is one. The precision `auto` is bfloat16 where the device multiplies
    in it: on any such CUDA device, and on CPUs with AVX512-BF16 or AMX (measured 1.6 times as fast for dense
    convolutions). On other CUDA devices it is float16, and on other CPUs float32.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `32`, `bf16` or `fp16`.
        depthwise: whether the networks have depthwise convolutions. On a CPU they take longer in bfloat16
            (measured 1.5 times as long for EvoPose2D's ancestor), so `auto` is float32 for them there.

    Raises:
        PosenasError: for an unknown word, for CUDA where torch sees none, or for fp16 on a CPU.
    """
    if device not in DEVICES:
        raise PosenasError(f"device {device!r}: {suggestion(device, DEVICES)}")
    if precision not in PRECISIONS:
        raise PosenasError(f"precision {precision!r}: {suggestion(precision, PRECISIONS)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise PosenasError(f"device 'cuda': torch {torch.__version__} sees no CUDA device; use --device cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "fp16" and device == "cpu":
        raise PosenasError("precision 'fp16' is for CUDA devices; on a CPU use --precision bf16 or 32")
    if precision == "auto":
        precision = _fastest(device, depthwise=depthwise)
    if precision == "fp16":
        return Compute(torch.device(device), torch.float16, LossScale())
    return Compute(torch.device(device), torch.bfloat16 if precision == "bf16" else None)


def _fastest(device: str, *, depthwise: bool) -> str:
    """Return the precision that `auto` stands for."""
    if device == "cuda":
        return "bf16" if _multiplies_bfloat16(device) else "fp16"
    return "bf16" if not depthwise and _multiplies_bfloat16(device) else "32"


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""The numbers of glibc's parameters for mallopt."""
_KEPT = 2**30


def keep_freed_memory(*, trim_above: int = _KEPT, map_above: int = _KEPT) -> None:
    """Keep freed memory in this process, so that large activations can use it again.

    Otherwise each large activation would be made of new pages, which a CPU clears and maps each time.

    Args:
        trim_above: bytes that may lie free before the system gets them back.
        map_above: size in bytes from which an allocation has pages of its own, given back when it is freed.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
        if mallopt is not None:
            mallopt(_M_TRIM_THRESHOLD, trim_above)
            mallopt(_M_MMAP_THRESHOLD, map_above)


def use_threads(workers: int) -> None:
    """Leave a core for each loading process; if OMP_NUM_THREADS is set, it decides instead."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - workers))
