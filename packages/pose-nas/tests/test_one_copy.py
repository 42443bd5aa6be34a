"""Many tensors in one copy, and constants; the meta device stands for another device."""

from __future__ import annotations

import pytest
import torch
from posenas.networks.constants import constant
from posenas.runs.one_copy import in_one_copy

TENSORS = (
    torch.tensor(True),
    torch.arange(6, dtype=torch.int64).reshape(2, 3).T,
    torch.empty(0, 4),
    torch.arange(3, dtype=torch.uint8),
    torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    torch.tensor([1.5, 2.5], dtype=torch.bfloat16)[1:],
    torch.arange(4, dtype=torch.int64)[::2][:1],
)


def test_tensors_of_all_types_arrive_with_their_shapes_in_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[torch.Tensor] = []
    real = torch.Tensor.to

    def counted(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        copies.append(tensor)
        return real(tensor, *args, **kwargs)  # type: ignore[no-any-return, call-overload]

    monkeypatch.setattr(torch.Tensor, "to", counted)
    found = in_one_copy(TENSORS, torch.device("meta"))
    assert len(copies) == 1
    assert [each.device.type for each in found] == ["meta"] * len(TENSORS)
    assert [(each.dtype, each.shape) for each in found] == [(each.dtype, each.shape) for each in TENSORS]


def test_tensors_that_are_there_are_not_copied() -> None:
    found = in_one_copy(TENSORS, torch.device("cpu"))
    assert all(each is tensor for each, tensor in zip(found, TENSORS, strict=True))
    assert in_one_copy((), torch.device("cpu")) == []


def test_a_constant_has_the_type_and_the_device_of_another_tensor() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    assert torch.equal(constant([1, 2], like), torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert constant([1, 2], like, dtype=torch.int64).dtype == torch.int64
    assert constant(3, like.to("meta")).is_meta
