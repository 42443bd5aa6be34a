"""Loaders of training batches, asked for by the number of an epoch, for any kind of view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NotRequired, Protocol, Self, TypedDict, TypeVar, cast

import numpy as np
import torch

from posenas.contract.batches import Batch
from posenas.data.reading import BatchKey, UnreadableImages, worker_loader
from posenas.data.remarks import Remark, RemarkedImages
from posenas.networks.processes import ALONE, Processes
from posenas.runs.stopping import interrupts_deferred

if TYPE_CHECKING:
    from torch.utils.data import Dataset


class ReadViews(Protocol):
    """The views that a worker sends for one batch.

    Attributes:
        unreadable: the messages for images that could not be read, by the position of their sample.
        remarks: what is odd about images that were read for this batch.
    """

    @property
    def unreadable(self) -> dict[int, str]: ...

    @property
    def remarks(self) -> tuple[Remark, ...]: ...

    @property
    def images(self) -> torch.Tensor: ...


Read = TypeVar("Read", bound=ReadViews)


class BatchLoader(Protocol):
    """A loader of training batches, the same ones each time an epoch is asked for."""

    @property
    def steps(self) -> int:
        """The batches of an epoch."""
        ...

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of one epoch, counted from 0."""
        ...


class LoaderSettings(TypedDict):
    """Settings by which views are loaded, whatever they show.

    Attributes:
        batch_size: views in a batch. The rest of an epoch that fills no batch is left out, unless it is the
            only batch.
        workers: processes that read; with 0 this one does.
        device: where the batches are finished.
        on_unreadable: called once for each image file that cannot be read; its views are left out. Also
            called once for each kind of remark on the others, when an epoch has ended.
        max_unreadable: share of the images above which `epoch` raises PosenasError.
        processes: which share each batch; this one gets its part.
    """

    batch_size: int
    workers: int
    device: torch.device
    on_unreadable: Callable[[str], None]
    max_unreadable: NotRequired[float]
    processes: NotRequired[Processes]


class ViewLoader(Generic[Read]):
    """Batches of views, read in worker processes and finished in batch on the device.

    Order, geometry and colours of an epoch derive from the seed, the epoch's number and a view's position
    alone. So asking for an epoch again gives the same bits, whatever the number of workers. The workers live
    until `close`, and read for one training after another: `begin` says for which.
    """

    def __init__(
        self,
        reader: Dataset[Read],
        finish: Callable[[Read, torch.device], Batch],
        *,
        views: int,
        files: int,
        batch_size: int,
        seed: int,
        augmentation: object,
        workers: int,
        device: torch.device,
        on_unreadable: Callable[[str], None],
        max_unreadable: float = 0.05,
        processes: Processes = ALONE,
        frames: int = 1,
    ) -> None:
        """Prepare the loader for a training. Its first epoch starts the workers, and nothing is read before.

        Args:
            reader: reads the views at the positions of a key.
            finish: makes a batch of what was read.
            views: how many views there are, at least one.
            files: how many images the views are of.
            batch_size: views in a batch; see `LoaderSettings`.
            seed: decides the order of each epoch, and the augmentation.
            augmentation: the random changes that each view goes through.
            workers: processes that read.
            device: where the batches are finished.
            on_unreadable: told of images that cannot be read, and of remarks.
            max_unreadable: the largest share of the images that may be unreadable.
            processes: which share each batch.
            frames: views of a clip, which lie side by side; a batch has so many times `batch_size` views.

        Raises:
            PosenasError: if a batch has fewer views than there are processes.
        """
        self._views, self._files, self._frames = views // frames, files, frames
        self._max_unreadable, self._on_unreadable = max_unreadable, on_unreadable
        self.begin(batch_size=batch_size, seed=seed, augmentation=augmentation, processes=processes)
        self._keys = _Keys()
        self._loader: Iterable[Read] | None = worker_loader(
            reader, self._keys, workers=workers, device=device
        )
        self._finish, self._device = finish, device
        self._remarked = RemarkedImages(on_unreadable)

    def begin(
        self, *, batch_size: int, seed: int, augmentation: object, processes: Processes = ALONE
    ) -> None:
        """Turn to another training of the same views, in place of the one before.

        Args:
            batch_size: views in a batch; see `LoaderSettings`.
            seed: decides the order of each epoch, and the augmentation.
            augmentation: the random changes that each view goes through.
            processes: which share each batch.

        Raises:
            PosenasError: if a batch has fewer views than there are processes.
        """
        self._order = _EpochOrder(
            self._views,
            batch_size=batch_size,
            seed=seed,
            augmentation=augmentation,
            processes=processes,
            frames=self._frames,
        )
        self._processes = processes
        self._unreadable = UnreadableImages(
            self._files, limit=self._max_unreadable, report=self._on_unreadable
        )

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return len(self._order)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of one epoch, counted from 0.

        Raises:
            PosenasError: if too large a share of the images cannot be read.
        """
        if self._loader is None:
            raise RuntimeError("this loader is closed")
        self._keys.given = self._order.epoch(number)
        batches = self._read(self._loader)
        if self._processes.alone:
            yield from (batch for batch in batches if batch is not None)
        else:
            yield from _none_missing(batches)
        self._remarked.tell()

    def _read(self, loader: Iterable[Read]) -> Iterator[Batch | None]:
        """Yield each batch; None where none of its images could be read."""
        for read in loader:
            self._unreadable.note(read.unreadable)
            self._remarked.note(read.remarks)
            yield self._finish(read, self._device) if len(read.images) else None

    def tell_remarks(self) -> None:
        """Tell what is odd about images now, for where no epoch is asked for to its end."""
        self._remarked.tell()

    def close(self) -> None:
        """End the workers."""
        self.tell_remarks()
        with interrupts_deferred():
            self._loader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _none_missing(batches: Iterator[Batch | None]) -> Iterator[Batch]:
    """Yield a batch for every share, since all processes must make the same number of steps.

    In place of a share of which nothing could be read stands the one before it, or else the first later one.
    """
    waiting, last = 0, None
    for batch in batches:
        if batch is None and last is None:
            waiting += 1
            continue
        last = last if batch is None else batch
        for _ in range(waiting + 1):
            yield cast(Batch, last)
        waiting = 0


@dataclass
class _Keys:
    """The keys that a loader's workers read by: those given last."""

    given: Iterable[BatchKey[Any]] = ()

    def __iter__(self) -> Iterator[BatchKey[Any]]:
        return iter(self.given)


class _EpochOrder:
    """The keys of the batches of a training's epochs."""

    def __init__(
        self,
        views: int,
        *,
        batch_size: int,
        seed: int,
        augmentation: object,
        processes: Processes,
        frames: int = 1,
    ) -> None:
        processes.check_batch(views, batch_size=batch_size)
        self._processes, self._augmentation = processes, augmentation
        self._views, self._batch_size, self._seed, self._frames = views, batch_size, seed, frames

    def __len__(self) -> int:
        return max(1, self._views // self._batch_size)

    def epoch(self, number: int) -> Iterator[BatchKey[Any]]:
        """Yield the keys of one epoch's batches."""
        order = np.random.default_rng([self._seed, number]).permutation(self._views)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            whole = order[start : start + self._batch_size].tolist()
            mine = _with_frames(self._processes.share(whole), self._frames)
            yield BatchKey(mine, number, seed=self._seed, augmentation=self._augmentation)


def _with_frames(clips: Iterable[int], frames: int) -> list[int]:
    """Return the positions of the views of clips, by the clips' positions."""
    return [frames * clip + frame for clip in clips for frame in range(frames)]
