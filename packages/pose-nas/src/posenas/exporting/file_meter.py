"""A network's file as a cost: exported once for a genotype, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch

from posenas.composing.building import make
from posenas.contract.batches import View
from posenas.contract.costs import Networks
from posenas.contract.genotype import Genotype
from posenas.exporting.conversion import to_onnx
from posenas.exporting.export import examples_for
from posenas.exporting.measured_files import Fed
from posenas.exporting.network import bytes_to_poses
from posenas.exporting.runtime import check_packages, runtime
from posenas.exporting.wishes import OPSET
from posenas.networks.latency.measure import device_name
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import ComponentChoice

if TYPE_CHECKING:
    import onnx

Measure: TypeAlias = Callable[["onnx.ModelProto", Fed, int], Mapping[str, float]]
"""A function of a file, its inputs for one view, and the number of threads, to figures."""


@dataclass(frozen=True)
class FileMeter:
    """The figures of the files of one composition's networks.

    Attributes:
        networks: what is exported, with fresh weights.
        view: what the head looks at.
        head: the head's name, for errors.
        threads: of the CPU.
        measured: gives the figures of a file.
    """

    networks: Networks
    view: View
    head: str
    threads: int
    measured: Measure

    def identity(self) -> dict[str, Any]:
        """Return the CPU, the threads and the versions of torch and onnxruntime."""
        return {
            "device": device_name(torch.device("cpu")),
            "threads": self.threads,
            "onnxruntime": runtime().__version__,
            "torch": torch.__version__,
        }

    def files(self) -> Mapping[str, Path]:
        """Return none: the figures are measured."""
        return {}

    def measure(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the figures of the genotype's file.

        Raises:
            PosenasError: if the network cannot be exported, or onnxruntime cannot run its file.
        """
        with torch.random.fork_rng(devices=[]):  # fresh weights must not change what a run draws next
            network = cast(PoseNetwork, self.networks.build(genotype))
        module = bytes_to_poses(network, self.view, head=self.head)
        examples = examples_for(self.view)
        return self.measured(to_onnx(module, examples, opset=OPSET), Fed.like(examples), self.threads)


def bound(networks: Networks, threads: int, measured: Measure) -> FileMeter:
    """Return what measures the files of networks.

    Args:
        networks: of one composition.
        threads: of the CPU.
        measured: gives the figures of a file.

    Raises:
        PosenasError: if the packages that write and run files are not installed.
    """
    check_packages()
    options = dict(networks.description["head"])
    head = ComponentChoice(options.pop("name"), options)
    return FileMeter(networks, make("head", head).view(), head.name, threads, measured)
