"""Files in int8: the backbone's values as bytes, by figures that training people gave."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posenas.contract.errors import PosenasError
from posenas.contract.messages import message
from posenas.exporting.runtime import feeds

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

_SCOPES = "pkg.torch.onnx.name_scopes"
_OPERATORS = ("Conv", "ConvTranspose", "Relu", "Add", "Mul", "MaxPool", "AveragePool")
_FAST = frozenset(("avx512_vnni", "avx_vnni", "asimddp"))
"""The words in /proc/cpuinfo for instructions that multiply bytes, of x86 and of ARM."""


class _Reader:
    """The batches that calibration asks for one after the other, as onnxruntime wants them."""

    def __init__(self, batches: Iterable[tuple[NDArray[Any], ...]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next batch by the names of the inputs; None after the last one."""
        batch = next(self._batches, None)
        return None if batch is None else feeds(batch)


def quantised(model: onnx.ModelProto, batches: Iterable[tuple[NDArray[Any], ...]]) -> bytes:
    """Return the model with its backbone in int8; normalisation, head and decoding stay in float32.

    Weights are quantised by channel, in 7 of 8 bits: older CPUs would otherwise overflow where they add up.

    Args:
        model: as `to_onnx` gives it.
        batches: the inputs of training people, from which the range of each value is taken.

    Raises:
        PosenasError: if there is nothing to quantise, or onnxruntime cannot do it.
    """
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantFormat,
        QuantType,
        quantize_static,
    )

    nodes = [node.name for node in model.graph.node if node.op_type in _OPERATORS and _is_of_backbone(node)]
    if not nodes:
        raise PosenasError("--int8: the backbone has no convolution that could be quantised; leave it out")
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        given = type(model).FromString(model.SerializeToString())  # it is moved to another file meanwhile
        try:
            quantize_static(
                given,
                target,
                _Reader(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_OPERATORS),
                nodes_to_quantize=nodes,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # its errors share no other type
            raise PosenasError(
                f"--int8: onnxruntime cannot quantise this network ({message(str(error)):.200}); leave it out"
            ) from error
        return target.read_bytes()


def multiplies_bytes(processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU has instructions that multiply bytes; True where the system does not tell.

    Args:
        processor: the kernel's description of the CPU.
    """
    return not processor.is_file() or not _FAST.isdisjoint(processor.read_text().split())


def _is_of_backbone(node: onnx.NodeProto) -> bool:
    return any(each.key == _SCOPES and "'backbone'" in each.value for each in node.metadata_props)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime's advice on preprocessing from the user: batch norms are folded already."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
