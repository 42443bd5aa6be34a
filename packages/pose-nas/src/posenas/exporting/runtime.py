"""Exported files, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from posenas.contract.batches import Batch, Poses
from posenas.contract.errors import PosenasError
from posenas.contract.messages import message
from posenas.exporting.manifest import read_manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

INSTALL = "pip install 'pose-nas[export]'"

_TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int64)": "int64"}

POSES = ("keypoints", "scores", "person_scores", "boxes", "views")
"""The outputs that make up poses; any other one is the head's own."""

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ExportedNetwork:
    """An exported file that onnxruntime has read, on the CPU."""

    session: InferenceSession

    @property
    def outputs(self) -> list[str]:
        """The names of all outputs."""
        return [output.name for output in self.session.get_outputs()]

    def signature(self) -> dict[str, Any]:
        """Return type and shape of each input and output, by name; a word in a shape is any length."""
        sides = {"inputs": self.session.get_inputs(), "outputs": self.session.get_outputs()}
        return {
            side: {each.name: {"type": _TYPES[each.type], "shape": list(each.shape)} for each in values}
            for side, values in sides.items()
        }

    def __call__(
        self, images: NDArray[np.uint8], *pitch: NDArray[np.float32], only: Sequence[str] = ()
    ) -> Arrays:
        """Return outputs by their names.

        Args:
            images: (N, H, W, 3) RGB, of the view's size.
            pitch: of whole images, (N,): pixels of the image for one pixel of the view.
            only: names of the wanted outputs; all of them where empty.
        """
        names = list(only) or self.outputs
        return dict(zip(names, self.session.run(names, feeds((images, *pitch))), strict=True))


def runtime() -> ModuleType:
    """Return the module `onnxruntime`.

    Raises:
        PosenasError: if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise PosenasError(
            f"exported files are run by onnxruntime, which is not installed: {INSTALL}"
        ) from error
    found: ModuleType = onnxruntime
    return found


def check_packages() -> None:
    """Check that the packages which write and run files are installed.

    Raises:
        PosenasError: if one is not; it says how to install it.
    """
    runtime()
    try:
        import onnxscript  # noqa: F401  # torch imports it late, and fails with many lines
    except ImportError as error:
        raise PosenasError(f"files are written by onnxscript, which is not installed: {INSTALL}") from error


def open_exported(file: Path, *, threads: int = 1) -> ExportedNetwork:
    """Return an exported file for use, after its manifest was compared with it.

    Args:
        file: the ONNX file, with its manifest beside it.
        threads: of the CPU.

    Raises:
        PosenasError: if the manifest does not fit, or onnxruntime cannot run the file.
    """
    read_manifest(file)
    return open_model(file.read_bytes(), name=str(file), threads=threads)


def open_model(content: bytes, *, name: str, threads: int = 1) -> ExportedNetwork:
    """Return an ONNX model for use on the CPU.

    Args:
        content: the model.
        name: of its file, for the error.
        threads: of the CPU.

    Raises:
        PosenasError: if onnxruntime cannot run it.
    """
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no type but this one
        raise PosenasError(
            f"{name}: onnxruntime {ort.__version__} cannot run it on this CPU ({message(str(error)):.200}); "
            "another --opset or a newer onnxruntime may do"
        ) from error
    return ExportedNetwork(session)


def poses_of(outputs: Arrays) -> Poses:
    """Return the poses in a file's outputs, as a head decodes them."""
    keypoints, scores = (torch.from_numpy(outputs[name]) for name in ("keypoints", "scores"))
    if "person_scores" not in outputs:
        return Poses(keypoints, scores)
    views, whole = (torch.from_numpy(outputs[name]) for name in ("views", "person_scores"))
    return Poses(keypoints, scores, views, whole)


def feeds(inputs: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return a file's inputs by their names: `images`, and of whole images `pitch`."""
    return dict(zip(("images", "pitch"), inputs, strict=False))


def fed_by(batch: Batch) -> tuple[NDArray[Any], ...]:
    """Return the file's inputs for a batch of views that was read without normalisation, from 0 to 1."""
    images = (batch.images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return (images,) if batch.pitch is None else (images, batch.pitch.numpy())
