"""The views of a split that a network is evaluated on, whether they show people or whole images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from posenas.contract.batches import Batch, Poses
    from posenas.contract.scores import Predictions


class EvaluatedViews(Protocol):
    """The views of a split, to be shown to each candidate of a search."""

    @property
    def stride(self) -> int:
        """The number of which the sides of an input are multiples, at any scale."""
        ...

    def __len__(self) -> int: ...

    def batches(self, size: int, *, device: torch.device) -> Iterator[Batch]:
        """Yield the same batches each time; the last one may be smaller."""
        ...

    def locate(self, poses: Sequence[Poses]) -> Predictions:
        """Return the poses decoded from all batches, in their order, in pixels of the images."""
        ...
