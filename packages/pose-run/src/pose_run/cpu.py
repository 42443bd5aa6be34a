"""What the CPU of this machine has for numbers of 8 bits."""

from __future__ import annotations

import re
from pathlib import Path

_TOLD = Path("/proc/cpuinfo")
_FAST = re.compile(r"\b(avx_vnni|avx512_vnni|amx_int8|asimddp)\b")
"""Instructions that multiply and add 8-bit numbers into 32 bits, by Linux's names, of x86 and of ARM."""


def lacks_fast_int8(told: Path = _TOLD) -> bool:
    """Return whether the CPU is known to lack instructions for 8-bit numbers.

    Without them onnxruntime on x86 adds pairs of products in 16 bits, which may overflow.

    Args:
        told: the file in which Linux lists what the CPU has; where it is missing, nothing is known.
    """
    try:
        return not _FAST.search(told.read_text())
    except OSError:
        return False
