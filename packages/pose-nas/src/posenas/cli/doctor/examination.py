"""The examination: all checks, in the order in which a user would mend things."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from posenas.cli.doctor.data import check_data
from posenas.cli.doctor.devices import check_devices
from posenas.cli.doctor.finding import Check, Finding, isolated
from posenas.cli.doctor.machine import (
    available_memory,
    check_disk,
    check_memory,
    check_precision,
    check_runs_folder,
    check_shared_memory,
    check_threads,
    cpu_quota,
)
from posenas.cli.doctor.packages import check_opencv, check_python, check_requirements, importing
from posenas.cli.doctor.plugins import check_listed, check_loading

HEAVY = ("numpy", "cv2", "torch")
"""The modules that every run imports and that break most often: they bring compiled libraries."""


def examine(
    *, folder: Path, recipe: Path | None, dataset: str | None, assignments: Sequence[str]
) -> list[Finding]:
    """Return everything found; nothing is raised and nothing is left behind.

    Args:
        folder: runs would be begun in its subfolder `runs`.
        recipe: the recipe's file whose data is looked at; None for none.
        dataset: name of the dataset that is looked at, in place of the recipe's.
        assignments: texts such as `dataset.root=FOLDER`, as for `posenas compose`.
    """
    found = _run("environment", _environment())
    sound = all(finding.status != "mend" for finding in found)
    found += _run("machine", _machine(folder))
    found += _run("devices", {"looking for devices": check_devices})
    found += _run("plugins", {"listing plugins": check_listed})
    if sound:
        found += _run("plugins", {"loading plugins": check_loading})
    else:
        found.append(Finding("plugins", "warn", "not loaded, since the environment comes first"))
    data = partial(check_data, recipe=recipe, dataset=dataset, assignments=assignments)
    return found + _run("data", {"reading the data": data})


def _run(area: str, checks: dict[str, Check]) -> list[Finding]:
    return [finding for what, check in checks.items() for finding in isolated(area, what, check)]


def _environment() -> dict[str, Check]:
    checks: dict[str, Check] = {
        "checking python": check_python,
        "checking the required packages": check_requirements,
        "looking for OpenCV": check_opencv,
    }
    return checks | {f"importing {module}": partial(importing, module) for module in HEAVY}


def _machine(folder: Path) -> dict[str, Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "counting cores": lambda: check_threads(os.environ, cores=cores, quota=cpu_quota()),
        "choosing the precision": check_precision,
        "measuring memory": lambda: check_memory(available_memory()),
        "measuring the disk": lambda: check_disk(folder),
        "measuring shared memory": lambda: check_shared_memory(Path("/dev/shm")),
        "writing to the runs folder": lambda: check_runs_folder(folder / "runs"),
    }
