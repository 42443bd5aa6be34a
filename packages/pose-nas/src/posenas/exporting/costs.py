"""What a network's exported file costs: its time and its size, the same in int8, and its memory.

Every command reads these declarations, so what exports and measures is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from posenas.contract.costs import CostFigure, Networks

if TYPE_CHECKING:
    from posenas.exporting.file_meter import FileMeter

_CAVEAT = "by onnxruntime on this machine's CPU, in files of fresh weights"


@dataclass(frozen=True)
class Onnx:
    """The time that an exported file takes for one view, and the file's size."""

    threads: Annotated[int, "CPU threads that onnxruntime takes", Ge(1)] = 1

    @property
    def dear(self) -> bool:
        """Dear: a network is exported, and its file is run for about a second."""
        return True

    def figures(self) -> Sequence[CostFigure]:
        """Return the figures to name: limits on the time are compared with its third quartile."""
        return (
            CostFigure(
                "onnx_latency_ms",
                "milliseconds of the file",
                "of one view, from bytes to poses, by onnxruntime",
                limited="onnx_latency_upper_ms",
            ),
            CostFigure("onnx_file_mb", "MB of the file", "10^6 bytes of the exported file"),
        )

    def bind(self, networks: Networks) -> FileMeter:
        """Return what exports these networks and times their files.

        Raises:
            PosenasError: if the packages that write and run files are not installed.
        """
        from posenas.exporting.file_meter import bound
        from posenas.exporting.measured_files import time_and_size

        return bound(networks, self.threads, time_and_size)

    def caveat(self) -> str:
        """Return a sentence on where the milliseconds are from."""
        return f"Milliseconds of the exported file were measured {_CAVEAT}; another CPU takes another time."


@dataclass(frozen=True)
class OnnxInt8:
    """The time that an exported file in int8 takes for one view, and the file's size."""

    threads: Annotated[int, "CPU threads that onnxruntime takes", Ge(1)] = 1

    @property
    def dear(self) -> bool:
        """Dear: a network is exported and quantised, and its file is run for about a second."""
        return True

    def figures(self) -> Sequence[CostFigure]:
        """Return the figures to name: limits on the time are compared with its third quartile."""
        return (
            CostFigure(
                "onnx_int8_latency_ms",
                "milliseconds of the file in int8",
                "of one view, from bytes to poses, by onnxruntime",
                limited="onnx_int8_latency_upper_ms",
            ),
            CostFigure("onnx_int8_file_mb", "MB of the file in int8", "10^6 bytes of the exported file"),
        )

    def bind(self, networks: Networks) -> FileMeter:
        """Return what exports these networks, quantises them and times their files.

        Raises:
            PosenasError: if the packages that write and run files are not installed.
        """
        from posenas.exporting.file_meter import bound
        from posenas.exporting.measured_files import time_and_size_of_int8

        return bound(networks, self.threads, time_and_size_of_int8)

    def caveat(self) -> str:
        """Return a sentence on where the milliseconds are from."""
        return (
            f"Milliseconds of the file in int8 were measured {_CAVEAT}; CPUs without instructions for bytes "
            "may take longer than in float32."
        )


@dataclass(frozen=True)
class OnnxMemory:
    """The memory that a process needs to open an exported file and run it."""

    threads: Annotated[int, "CPU threads that onnxruntime takes", Ge(1)] = 1

    @property
    def dear(self) -> bool:
        """Dear: a network is exported, and its file is run in a process of its own."""
        return True

    def figures(self) -> Sequence[CostFigure]:
        """Return the one figure to name."""
        meaning = "10^6 bytes that a process grows by, at its peak, to open the file and run one view"
        return (CostFigure("onnx_memory_mb", "MB of memory of the file", meaning),)

    def bind(self, networks: Networks) -> FileMeter:
        """Return what exports these networks and watches the memory of a process that runs their files.

        Raises:
            PosenasError: if the packages that write and run files are not installed, or if the system does
                not tell the memory of processes.
        """
        from posenas.exporting.file_meter import bound
        from posenas.exporting.measured_files import check_memory_is_told, memory

        check_memory_is_told()
        return bound(networks, self.threads, memory)

    def caveat(self) -> str:
        """Return a sentence on what the memory is that of."""
        return "Memory is what opening and running the file adds to a process that has loaded onnxruntime."
