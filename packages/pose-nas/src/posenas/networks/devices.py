"""Devices and precisions: where and how precisely a run computes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from posenas.contract.errors import PosenasError, suggestion
from posenas.networks.loss_scale import LossScale

_REPEATABLE_CUBLAS = ":4096:8"
"""The memory with which cuBLAS gives the same bits each time, as its manual says."""

_CORES_FOR_ONE_LOADING = 8
_MOST_LOADING = 8
"""Loading processes of one training that are started unasked: each keeps `training.cache` MiB of images."""

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "32", "tf32", "bf16", "fp16")

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Compute:
    """A device, and the type that networks compute in there.

    Attributes:
        autocast_dtype: the type; None for float32.
        loss_scale: what keeps small gradients of fp16 from becoming zero; None for other types.
        tf32: whether float32 is multiplied with 10 bits of the mantissa, and added up with all.
        deterministic: whether a GPU gives the same bits each time. A CPU does so anyway.
    """

    device: torch.device
    autocast_dtype: torch.dtype | None
    loss_scale: LossScale | None = None
    tf32: bool = False
    deterministic: bool = False

    @property
    def precision(self) -> str:
        """The type as the option `precision` names it."""
        names = {torch.bfloat16: "bf16", torch.float16: "fp16"}
        if self.autocast_dtype is None:
            return "tf32" if self.tf32 else "32"
        return names[self.autocast_dtype]

    @property
    def repeats(self) -> bool:
        """Whether the same computation gives the same bits each time."""
        return self.deterministic or self.device.type == "cpu"

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


def choose_compute(
    device: str, precision: str, *, depthwise: bool = False, deterministic: bool = False
) -> Compute:
    """Return the device and the type for a run's options `device` and `precision`.

    The device `auto` is CUDA where there is one. The precision `auto` is bfloat16 where the device multiplies
    in it: on any such CUDA device, and on CPUs with AVX512-BF16 or AMX (measured 1.6 times as fast for dense
    convolutions). On other CUDA devices it is float16, and on other CPUs float32.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `32`, `tf32`, `bf16` or `fp16`.
        depthwise: whether the networks have depthwise convolutions. On a CPU they take longer in bfloat16
            (measured 1.5 times as long for EvoPose2D's ancestor), so `auto` is float32 for them there.
        deterministic: whether a GPU must give the same bits each time, which may take longer.

    Raises:
        PosenasError: for an unknown word, for CUDA where torch sees none, or for fp16 or tf32 on a CPU.
    """
    if device not in DEVICES:
        raise PosenasError(f"device {device!r}: {suggestion(device, DEVICES)}")
    if precision not in PRECISIONS:
        raise PosenasError(f"precision {precision!r}: {suggestion(precision, PRECISIONS)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise PosenasError(f"device 'cuda': torch {torch.__version__} sees no CUDA device; use --device cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision in ("fp16", "tf32") and device == "cpu":
        raise PosenasError(
            f"precision {precision!r} is for CUDA devices; on a CPU use --precision bf16 or 32"
        )
    if precision == "auto":
        precision = _fastest(device, depthwise=depthwise)
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return Compute(
        torch.device(device),
        types.get(precision),
        LossScale() if precision == "fp16" else None,
        tf32=precision == "tf32",
        deterministic=deterministic,
    )


def use_switches(compute: Compute) -> None:
    """Set what torch decides for a whole process; on a CPU there is nothing to set.

    Where bits need not repeat, cuDNN tries its ways of computing a convolution when it first meets a shape,
    and takes the fastest. Call it before anything is computed: cuBLAS reads its setting once.
    """
    if compute.device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = compute.tf32
    torch.backends.cudnn.allow_tf32 = compute.tf32
    torch.backends.cudnn.benchmark = not compute.deterministic
    torch.use_deterministic_algorithms(compute.deterministic)
    if compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _REPEATABLE_CUBLAS)


def place(network: Network, device: torch.device) -> Network:
    """Move a network to a device, in place, and return it; for a GPU its kernels are laid out as images are.

    On a CPU they stay as they are: single networks would train 3 to 5 % faster and sandwich steps no faster,
    and the norms of `training.clip_norm` would have other last bits than those of earlier versions.
    """
    network.to(device)
    if device.type == "cuda":
        lay_channels_last(network)
    return network


def lay_channels_last(network: nn.Module) -> None:
    """Lay the entries of all kernels out channels last in memory, as those of images; no value changes."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


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


def loading_processes(wanted: int | Literal["auto"], device: torch.device, *, beside: int = 1) -> int:
    """Return how many processes load the images of one training.

    With `auto` it is one for each core that a training on a GPU has beside its own. A training on a CPU needs
    the cores itself: there it is one for every eight cores. It is at least one, and at most eight.

    Args:
        wanted: a number, or `auto`.
        device: where the training computes.
        beside: processes of this machine that train at the same time and share its cores, at least one.
    """
    if wanted != "auto":
        return wanted
    cores = len(os.sched_getaffinity(0)) // beside
    free = cores // _CORES_FOR_ONE_LOADING if device.type == "cpu" else cores - 1
    return max(1, min(free, _MOST_LOADING))


def processes_here() -> int:
    """Return how many processes of this machine train one network together, as their launcher tells."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def use_threads(workers: int) -> None:
    """Leave a core for each loading process; if OMP_NUM_THREADS is set, it decides instead."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - workers))
