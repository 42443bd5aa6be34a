"""Checks of the machine: cores, memory, disk, shared memory, and a folder to write to."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from posenas.cli.doctor.finding import Finding, Status

AREA = "machine"
GIB = 2**30
MIB = 2**20

# A process with torch takes 0.65 GiB at a small step, each loading one training.cache = 768 MiB more.
MEMORY_NEEDED, MEMORY_ADVISED = 1 * GIB, 3 * GIB
# A checkpoint of HRNet-W32 with AdamW's moments is 0.34 GB, and the old one stays until the new one is whole.
DISK_NEEDED, DISK_ADVISED = 1 * GIB, 5 * GIB
# 64 views of 256 x 192 are 9 MiB, and up to three such batches of a loading process wait in shared memory.
SHARED_NEEDED, SHARED_ADVISED = 32 * MIB, 256 * MIB

CGROUP = Path("/sys/fs/cgroup")


def check_threads(environment: Mapping[str, str], *, cores: int, quota: float | None) -> Iterator[Finding]:
    """Yield the finding about threads and cores.

    Args:
        environment: the environment variables.
        cores: number of cores that this process may run on.
        quota: cores' worth of time that a container grants; None where it does not limit it.
    """
    text = environment.get("OMP_NUM_THREADS")
    usable = cores if quota is None else max(1, min(cores, math.ceil(quota)))
    granted = (
        f"{cores} cores" if usable == cores else f"{cores} cores, of which the container grants {quota:g}"
    )
    advice = f"export OMP_NUM_THREADS={usable}"
    if text is None and usable == cores:
        yield Finding(
            AREA, "ok", f"{granted}; OMP_NUM_THREADS is not set, so loading processes get their own"
        )
    elif text is None:
        yield Finding(AREA, "warn", f"{granted}, but torch starts a thread for each core", advice)
    elif not text.partition(",")[0].strip().isdecimal() or int(text.partition(",")[0]) < 1:
        yield Finding(AREA, "warn", f"OMP_NUM_THREADS={text!r} is no number from 1", advice)
    elif int(text.partition(",")[0]) > usable:
        yield Finding(
            AREA, "warn", f"{granted}, but OMP_NUM_THREADS={text}: threads wait for each other", advice
        )
    else:
        yield Finding(AREA, "ok", f"{granted}; OMP_NUM_THREADS={text}")


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """Return the cores' worth of time that the container grants; None where there is no limit."""
    try:
        granted, period = (cgroup / "cpu.max").read_text().split()
    except FileNotFoundError:
        return None
    return None if granted == "max" else int(granted) / int(period)


def check_precision() -> Iterator[Finding]:
    """Yield the finding about `--precision auto`: what it means on this CPU, and why."""
    import torch

    from posenas.networks.devices import choose_compute

    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    features = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if known.get(name)]
    dtype = choose_compute("cpu", "auto").autocast_dtype
    name = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    yield Finding(
        AREA,
        "ok",
        f"CPU with {', '.join(features) or 'none of avx2, avx512_f, avx512_bf16, amx_bf16'}: "
        f"precision auto is {name} on it",
    )


def available_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP) -> int | None:
    """Return how many bytes this process may still take; None where the system does not tell."""
    try:
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except FileNotFoundError:
        return None
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
    except FileNotFoundError:
        return free
    return free if limit == "max" else min(free, int(limit) - used)


def check_memory(available: int | None) -> Iterator[Finding]:
    """Yield the finding about the free memory, in bytes."""
    if available is None:
        yield Finding(AREA, "ok", "this system does not tell how much memory is free")
        return
    remedy = "end other programs, or lower training.workers, training.cache and training.batch_size"
    yield _judged("free memory", available, needed=MEMORY_NEEDED, advised=MEMORY_ADVISED, remedy=remedy)


def check_disk(folder: Path) -> Iterator[Finding]:
    """Yield the finding about the folder's free disk space."""
    remedy = "remove old runs, or name a folder on another disk with --run"
    free = shutil.disk_usage(folder).free
    yield _judged(f"free disk in {folder}", free, needed=DISK_NEEDED, advised=DISK_ADVISED, remedy=remedy)


def check_shared_memory(folder: Path) -> Iterator[Finding]:
    """Yield the finding about shared memory, through which loading processes hand over their batches."""
    if not folder.is_dir():
        yield Finding(AREA, "ok", f"no {folder} on this system, so no limit on shared memory to check")
        return
    remedy = "start the container with --shm-size=1g, or set training.workers=0"
    free = shutil.disk_usage(folder).free
    yield _judged(
        f"free shared memory in {folder}", free, needed=SHARED_NEEDED, advised=SHARED_ADVISED, remedy=remedy
    )


def _judged(what: str, size: int, *, needed: int, advised: int, remedy: str) -> Finding:
    if size >= advised:
        return Finding(AREA, "ok", f"{what}: {_size(size)}")
    status: Status = "warn" if size >= needed else "mend"
    return Finding(AREA, status, f"{what}: {_size(size)}, {_size(advised)} advised", remedy)


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


def check_runs_folder(folder: Path) -> Iterator[Finding]:
    """Yield the finding about writing to the folder, tried with a file that vanishes when it is closed."""
    where = folder if folder.exists() else folder.parent
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            file.write(b"x")
    except OSError as error:
        yield Finding(
            AREA,
            "mend",
            f"runs cannot be written to {folder}: {error.strerror}",
            "go to a folder of your own, or name one with --run",
        )
    else:
        yield Finding(AREA, "ok", f"runs can be written to {folder}")
