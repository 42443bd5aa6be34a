"""What is brought to a device beside images."""

from __future__ import annotations

import numpy as np
import torch
from posenas.data.one_copy import brought, together

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    np.empty((0, 4), np.float32),
    np.ones(2, np.float32),
]


def test_a_cpu_copies_nothing() -> None:
    tensors = brought(ARRAYS, torch.device("cpu"))
    assert [tensor.data_ptr() for tensor in tensors][::2] == [array.ctypes.data for array in ARRAYS][::2]


def test_another_device_gets_parts_of_one_tensor() -> None:
    parts = together([torch.from_numpy(array) for array in ARRAYS], torch.device("cpu"))
    for part, array in zip(parts, ARRAYS, strict=True):
        np.testing.assert_array_equal(part.numpy(), array)
    assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
    assert [part.shape for part in brought(ARRAYS, torch.device("meta"))] == [each.shape for each in ARRAYS]
