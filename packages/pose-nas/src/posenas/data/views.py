"""What networks are shown of a split: views of one kind, for a training and for an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    import torch

    from posenas.contract.batches import Batch, Poses
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample
    from posenas.contract.scores import Predictions
    from posenas.data.loader import ViewLoader


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


@dataclass(frozen=True)
class Reading:
    """How views are read for an evaluation.

    Attributes:
        keypoints: the keypoint set of the samples.
        workers: processes that read at most; with 0 this one does.
        warn: told of each image that cannot be read, and of what is odd about the others.
        max_unreadable: the largest share of the images that may be unreadable.
        progress: called with the views done and all views, after each batch that was read.
        folder: where a file of crops may lie; None makes none.
        rectangular: whether whole images come in batches of one shape, with little grey around them.
    """

    keypoints: KeypointSet
    workers: int
    warn: Callable[[str], None]
    max_unreadable: float = 0.05
    progress: Callable[[int, int], None] | None = None
    folder: Path | None = None
    rectangular: bool = False


class Views(Protocol):
    """One kind of view: what of the samples it shows, and how that is read.

    `posenas.data.kinds_of_view.views_of` chooses the kind.
    """

    @property
    def unit(self) -> str:
        """What is counted, such as `people`."""
        ...

    @property
    def finds_people(self) -> bool:
        """Whether the head finds people by itself, so that boxes are of no use to it."""
        ...

    def count(self, samples: Sequence[Sample]) -> int:
        """Return how many views there are of the samples."""
        ...

    def loader(self, samples: Sequence[Sample], settings: Mapping[str, Any]) -> ViewLoader[Any]:
        """Return a loader of training batches.

        Args:
            samples: the images of a split.
            settings: the arguments that `crop_loader` and `image_loader` both have, but the view.

        Raises:
            PosenasError: if nothing can be trained on.
        """
        ...

    def evaluated(self, samples: Sequence[Sample], reading: Reading) -> EvaluatedViews:
        """Return the views of the samples, unchanged by augmentation.

        Args:
            samples: the images of a split.
            reading: how they are read.

        Raises:
            PosenasError: if there is no view, or too large a share of the images cannot be read.
        """
        ...

    def drawn(
        self, samples: Sequence[Sample], reading: Reading, *, number: int, rng: Random
    ) -> EvaluatedViews:
        """Return some of the views of the samples, in their order.

        Args:
            samples: the images of a split.
            reading: how they are read.
            number: how many views; all where there are fewer.
            rng: draws them.

        Raises:
            PosenasError: as `evaluated` does.
        """
        ...

    def batch_of(self, number: int) -> int:
        """Return the size of a batch that holds this number of views, as `EvaluatedViews.batches` counts."""
        ...
