"""CPU seconds until `posenas --help` is printed, and what of them is Python's own start.

    OMP_NUM_THREADS=1 python benchmarks/startup.py [--json FILE] [--pairs N]

Each run is a fresh process; user and system time count. The ratio is to `python -c pass`; the null ratio is
that against itself.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys

import figures


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    options = figures.arguments("startup", __doc__.splitlines()[0], pairs=15)
    posenas = shutil.which("posenas", path=sys.exec_prefix + "/bin") or sys.exit(
        "startup: posenas is not installed"
    )
    ours, python = [posenas, "--help"], [sys.executable, "-c", "pass"]
    cpu_seconds(ours)
    runs = [(cpu_seconds(ours), cpu_seconds(python), cpu_seconds(python)) for _ in range(options.pairs)]
    found = figures.Figures("startup", {"pairs": options.pairs})
    found.add("seconds", statistics.median(run[0] for run in runs))
    found.add("python alone, seconds", statistics.median(run[1] for run in runs))
    found.add("ratio", statistics.median(run[0] / run[1] for run in runs))
    found.add("null", statistics.median(run[1] / run[2] for run in runs))
    found.write(options.json)


if __name__ == "__main__":
    main()
