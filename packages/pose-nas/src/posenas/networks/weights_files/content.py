"""The tensors of a file of weights, whichever program wrote it."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from posenas.contract.errors import PosenasError
from posenas.networks.weights_files.hdf5 import SIGNATURE, read_hdf5
from posenas.networks.weights_files.inert_pickle import PickleError
from posenas.networks.weights_files.state_dicts import find_state_dict, without_prefixes
from posenas.networks.weights_files.torch_file import read_torch_file


def read_tensors(content: bytes) -> tuple[dict[str, Tensor], str]:
    """Return a file's tensors by name without wrappers' prefixes, and the key that they lay under.

    The key is empty where they lay under none. Nothing in the file is run.

    Args:
        content: of a safetensors file, a torch file of either form, or an HDF5 file of Keras.

    Raises:
        PosenasError: where it is no whole one; the words follow the file's name.
    """
    if content.startswith(SIGNATURE):
        return _hdf5(content), ""
    try:
        return without_prefixes(load(content)), ""
    except SafetensorError:
        tensors, key = _torch(content)
        return without_prefixes(tensors), key


def _torch(content: bytes) -> tuple[dict[str, Tensor], str]:
    try:
        return find_state_dict(read_torch_file(content))
    except PickleError as error:
        raise PosenasError(
            f"is neither a whole safetensors file nor a whole torch file of tensors: it {error}"
        ) from error


def _hdf5(content: bytes) -> dict[str, Tensor]:
    try:
        return read_hdf5(content)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PosenasError(f"is no whole HDF5 file of weights: {error}") from error
