"""The memory that a file takes: a program of its own, which runs it without torch.

`python resident.py FILE VIEWS THREADS` prints the bytes that the process grew by, at its peak.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
"""Where Linux tells a process its memory."""


def told(field: str) -> int:
    """Return a figure of this process's memory in bytes: `VmRSS` now, or `VmHWM` at its peak."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def growth(file: str, views: str, threads: int) -> int:
    """Return the bytes that this process grows by to open an ONNX file and run it three times.

    Args:
        file: the ONNX file.
        views: a file of numpy's with the inputs by name.
        threads: of the CPU.
    """
    import numpy as np
    import onnxruntime  # type: ignore[import-untyped]

    fed = dict(np.load(views))
    before = told("VmRSS")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, fed)
    return told("VmHWM") - before


if __name__ == "__main__":
    print(growth(sys.argv[1], sys.argv[2], int(sys.argv[3])))
