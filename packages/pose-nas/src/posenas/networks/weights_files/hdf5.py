"""HDF5 files of Keras: whole models, and weights alone."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor

from posenas.contract.errors import PosenasError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MODEL = "model_weights/"


def read_hdf5(content: bytes) -> dict[str, Tensor]:
    """Return the tensors of a file of Keras by layer and name, such as `stem_conv/kernel:0`.

    Raises:
        PosenasError: where h5py is not installed.
        OSError: where it is no whole HDF5 file.
        ValueError: where its tensors are larger than the file.
    """
    try:
        import h5py  # type: ignore[import-untyped]  # heavy, and few files need it
    except ImportError as error:
        raise PosenasError(
            "HDF5 files are read with h5py, which is not installed: pip install 'pose-nas[h5]'"
        ) from error
    found: dict[str, Any] = {}
    with h5py.File(io.BytesIO(content), "r") as file:
        weights = file.get(_MODEL, file)

        def take(name: str, entry: Any) -> None:
            if isinstance(entry, h5py.Dataset) and entry.dtype.kind in "fiu":
                found[name] = entry

        weights.visititems(take)
        if sum(entry.nbytes for entry in found.values()) > len(content):
            raise ValueError("its tensors are larger than the file")
        return {_plain(name): torch.from_numpy(entry[()]) for name, entry in found.items()}


def _plain(path: str) -> str:
    """Return the tensor's own name, which Keras puts into a group of its layer's name."""
    layer, _, name = path.partition("/")
    return name if name.startswith(f"{layer}/") else path
