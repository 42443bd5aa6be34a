"""Checks of devices: which ones torch sees, whether they compute, and why a GPU stays unseen."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posenas.cli.doctor.finding import Finding

if TYPE_CHECKING:
    from types import ModuleType

AREA = "devices"
GIB = 2**30
FREE_ADVISED = 2 * GIB


def check_devices() -> Iterator[Finding]:
    """Yield one finding for each CUDA device, or one that says why torch sees none."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # torch tells an old driver by a warning only
        visible = torch.cuda.is_available()
    if visible:
        for index in range(torch.cuda.device_count()):
            yield _cuda(torch, index)
        return
    yield unseen(
        version=torch.__version__,
        cuda=torch.version.cuda,
        driver=driver_version(),
        files=sorted(Path("/dev").glob("nvidia[0-9]*")),
        environment=os.environ,
        messages=[str(each.message) for each in caught],
    )


def driver_version(path: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    """Return the version of the NVIDIA driver in the kernel; None without one."""
    try:
        found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", path.read_text())
    except FileNotFoundError:
        return None
    return found[0] if found else "of unknown version"


def unseen(
    *,
    version: str,
    cuda: str | None,
    driver: str | None,
    files: Sequence[Path],
    environment: Mapping[str, str],
    messages: Sequence[str],
) -> Finding:
    """Return why torch sees no CUDA device.

    Args:
        version: version of torch.
        cuda: version of CUDA that torch is built for; None if it is built without.
        driver: version of the kernel's driver; None without one.
        files: the GPUs' device files.
        environment: the environment variables.
        messages: what torch said while it looked.
    """
    here = f"NVIDIA driver {driver} is here, but"
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if driver is None:
        return Finding(AREA, "ok", "no CUDA device; everything runs on the CPU")
    if not files:
        return Finding(
            AREA, "warn", f"{here} no GPU is handed to this container", "start the container with --gpus all"
        )
    if cuda is None:
        remedy = "install a CUDA build: https://pytorch.org/get-started/locally"
        return Finding(AREA, "warn", f"{here} torch {version} is built without CUDA", remedy)
    if hidden is not None and hidden.strip() in ("", "-1"):
        return Finding(
            AREA,
            "warn",
            f"{here} CUDA_VISIBLE_DEVICES={hidden!r} hides its GPUs",
            "unset CUDA_VISIBLE_DEVICES",
        )
    said = " ".join(" ".join(messages).split()) or "torch does not say why"
    return Finding(
        AREA,
        "mend",
        f"{here} torch {version} for CUDA {cuda} cannot use it ({said})",
        f"update the driver, or install a build of torch for a CUDA that driver {driver} supports",
    )


def _cuda(torch: ModuleType, index: int) -> Finding:
    """Return the finding about one device, after a product was computed on it."""
    properties = torch.cuda.get_device_properties(index)
    name = f"cuda:{index} {properties.name}, capability {properties.major}.{properties.minor}"
    try:
        ones = torch.ones(64, 64, device=f"cuda:{index}")
        right = bool((ones @ ones == 64).all())
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        remedy = (
            f"install a build of torch with kernels for it (this one: {' '.join(torch.cuda.get_arch_list())})"
        )
        return Finding(AREA, "mend", f"{name} cannot compute: {reason}", remedy)
    if not right:
        return Finding(AREA, "mend", f"{name} computes wrongly: a product of ones", "do not use this device")
    memory = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free < FREE_ADVISED:
        return Finding(AREA, "warn", f"{name}, {memory}", "end the programs that nvidia-smi lists")
    return Finding(AREA, "ok", f"{name}, {memory}")
