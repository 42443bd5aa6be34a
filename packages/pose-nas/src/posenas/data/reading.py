"""Crops that worker processes read: decoded and warped, no more; the rest is done in batch on the device."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from posenas.contract.errors import PosenasError
from posenas.contract.samples import UnreadableImageError
from posenas.data.affine import FARTHEST, crop_matrix, transform, warp
from posenas.data.augment import CropChange
from posenas.data.image_cache import Made
from posenas.data.images.file_image import FileImage
from posenas.data.images.source import read_source
from posenas.data.regions import POINTS, regions_in_view
from posenas.data.remarks import Remark, depth_remark, size_remarks
from posenas.runs.stopping import leave_stopping_to_parent

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from posenas.contract.batches import View
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import ImageSource, Sample
    from posenas.data.augment import Augmentation
    from posenas.data.caches import DecodedCache
    from posenas.data.image_cache import ImageCache
    from posenas.data.person_crop import PersonCrop

_PR_SET_PDEATHSIG = 1
"""Linux's prctl: the signal that a process gets when its parent ends."""

Read = TypeVar("Read")
Changes = TypeVar("Changes")
"""The type of an augmentation."""


class BatchKey(NamedTuple, Generic[Changes]):
    """What a worker must know of a batch. All that differs between trainings is here, so workers serve many.

    Attributes:
        positions: of its views among all.
        epoch: the number of its epoch.
        seed: decides the augmentation, together with the epoch's number and a view's position.
        augmentation: the random changes; None leaves the views as they are.
    """

    positions: list[int]
    epoch: int = 0
    seed: int = 0
    augmentation: Changes | None = None


class ReadCrops(NamedTuple):
    """The crops that a worker sends for one batch; n of them could be read.

    Attributes:
        images: (n, H, W, 3) uint8; a tensor, which comes through shared memory, the rest through a pipe.
        poses: (n, K, 3) float32 pixels of the view, and 1 where labelled and inside it, else 0.
        regions: (n, R, 5, 3) float32, the points of `regions_in_view`.
        matrices: (n, 2, 3) float64 from the image to the view.
        colours: (n, 3) float32 factors of brightness, contrast and saturation.
        positions: (n,) int64 among all crops.
        unreadable: the messages for images that could not be read, by the position of their sample.
        remarks: what is odd about images that were read for this batch.
    """

    images: Tensor
    poses: NDArray[np.float32]
    regions: NDArray[np.float32]
    matrices: NDArray[np.float64]
    colours: NDArray[np.float32]
    positions: NDArray[np.int64]
    unreadable: dict[int, str]
    remarks: tuple[Remark, ...]


class DecodedImages:
    """The images of samples by position, with a memory of the first ones read.

    Decoded images are kept in a file where there is one. Without it they are kept in memory until
    `cache_bytes` are full. What is odd about an image is noted when it is read.

    Attributes:
        remarks: what was noted since `take_remarks` was last called.
    """

    def __init__(
        self, samples: Sequence[Sample], cache_bytes: int, *, cache: DecodedCache | None = None
    ) -> None:
        self.remarks: list[Remark] = []
        self._samples, self._file = samples, cache
        self._cache: dict[int, Made] = {}
        self._cache_left = 0 if cache else cache_bytes
        self._last: tuple[int, Made] | None = None

    def __getitem__(self, sample: int) -> NDArray[np.uint8]:
        """Return an image as (H, W, 3) RGB.

        Raises:
            UnreadableImageError: if it cannot be read.
        """
        return self.made(sample).pixels

    def made(self, sample: int) -> Made:
        """Return an image with what is known of it.

        Raises:
            UnreadableImageError: if it cannot be read.
        """
        if sample in self._cache:
            return self._cache[sample]
        if self._last is not None and self._last[0] == sample:
            return self._last[1]  # neighbouring crops are often of one image
        image = self._kept(self._samples[sample])
        self.remarks += remarks_of(self._samples[sample], image)
        if image.pixels.nbytes <= self._cache_left:
            self._cache[sample] = image
            self._cache_left -= image.pixels.nbytes
        self._last = sample, image
        return image

    def take_remarks(self) -> tuple[Remark, ...]:
        """Return the remarks noted so far, and forget them."""
        kept = self._file.file.take_remarks() if self._file else ()
        taken, self.remarks = (*self.remarks, *kept), []
        return taken

    def _kept(self, sample: Sample) -> Made:
        source = sample.source
        if self._file and isinstance(source, FileImage) and source.path in self._file.entries:
            entry = self._file.entries[source.path]
            return self._file.file.get(entry, source.path, lambda: _decoded(source))
        return _decoded(source)


def _decoded(source: ImageSource) -> Made:
    pixels, stretched = source.decode() if isinstance(source, FileImage) else (read_source(source), None)
    return Made(pixels, pixels.shape[0], pixels.shape[1], stretched)


def remarks_of(sample: Sample, made: Made) -> list[Remark]:
    """Return what is odd about a sample's image, for pixels that were made from it."""
    deep = [] if made.stretched is None else [depth_remark(sample.source, made.stretched)]
    return deep + size_remarks(sample, made.height, made.width)


class CropReader(Dataset[ReadCrops]):
    """A dataset of batches for the workers: decodes and warps their crops, augmented only in training."""

    def __init__(
        self,
        crops: Sequence[PersonCrop],
        samples: Sequence[Sample],
        view: View,
        keypoints: KeypointSet,
        *,
        cache_bytes: int = 0,
        cache: DecodedCache | None = None,
        crop_cache: ImageCache | None = None,
        frames: int = 1,
    ) -> None:
        """Prepare the reader; nothing is read yet.

        Args:
            crops: at least one.
            samples: the images that the crops point into.
            view: the size and the rule of the crops.
            keypoints: the keypoint set of the samples.
            cache_bytes: bytes of decoded images that each process keeps: the first ones read, until it is
                full.
            cache: a file of decoded images, which takes the place of that memory.
            crop_cache: a file with an entry for each crop; all sources are files then, and nothing is
                augmented.
            frames: the crops of a clip, which lie side by side, are asked for together and change alike.
        """
        self._crops, self._view, self._frames = crops, view, frames
        self._samples, self._crop_cache = samples, crop_cache
        self._images = DecodedImages(samples, cache_bytes, cache=cache)
        self._keypoints = keypoints
        self._mirrored = list(keypoints.mirrored)

    def __getitem__(self, key: BatchKey[Augmentation]) -> ReadCrops:
        count, keypoints = len(key.positions), len(self._crops[0].keypoints)
        images = np.empty((count, self._view.height, self._view.width, 3), np.uint8)
        poses = np.empty((count, keypoints, 3), np.float32)
        regions = np.empty((count, len(self._keypoints.regions), POINTS, 3), np.float32)
        matrices = np.empty((count, 2, 3))
        colours = np.empty((count, 3), np.float32)
        positions = np.empty(count, np.int64)
        unreadable: dict[int, str] = {}
        done = 0
        for start in range(0, count, self._frames):
            begun = done
            for position in key.positions[start : start + self._frames]:
                crop, change = self._crops[position], self._change(position, key)
                matrices[done], poses[done] = self._place(crop, change)
                try:
                    images[done] = self._pixels(position, matrices[done], unreadable)
                except UnreadableImageError as error:
                    unreadable[crop.sample] = self._told(error)
                    done = begun  # a clip with one of them is left out
                    break
                regions[done] = self._regions(crop, matrices[done], change)
                colours[done] = change.colour
                positions[done] = position
                done += 1
        return ReadCrops(
            torch.from_numpy(images[:done]),
            poses[:done],
            regions[:done],
            matrices[:done],
            colours[:done],
            positions[:done],
            unreadable,
            self._images.take_remarks(),
        )

    def _told(self, error: UnreadableImageError) -> str:
        if self._frames == 1:
            return str(error)
        return f"{error}; so each clip with it is left out, {self._frames} frames long"

    def _pixels(
        self, position: int, matrix: NDArray[np.float64], unreadable: Mapping[int, str]
    ) -> NDArray[np.uint8]:
        """Return a crop's pixels.

        Args:
            position: among the crops.
            matrix: from the image to the view.
            unreadable: the messages for images that are known to be so, by the position of their sample.

        Raises:
            UnreadableImageError: if its image cannot be read.
        """
        number = self._crops[position].sample
        if number in unreadable:
            raise UnreadableImageError(unreadable[number])
        sample = self._samples[number]
        if self._crop_cache is None or not isinstance(sample.source, FileImage):
            return self._warped(position, matrix).pixels
        made = self._crop_cache.get(position, sample.source.path, lambda: self._warped(position, matrix))
        self._images.remarks += (*remarks_of(sample, made), *self._crop_cache.take_remarks())
        return made.pixels

    def _warped(self, position: int, matrix: NDArray[np.float64]) -> Made:
        image = self._images.made(self._crops[position].sample)
        return image._replace(pixels=warp(image.pixels, matrix, self._view))

    def _place(self, crop: PersonCrop, change: CropChange) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the crop's (2, 3) matrix and its (K, 3) keypoints.

        The keypoints are in pixels of the view, with 1 where labelled and inside it, else 0.
        """
        matrix = crop_matrix(
            change.box,
            self._view,
            scale=change.scale,
            rotation=change.rotation,
            shift=change.shift,
            flip=change.flip,
        )
        keypoints = crop.keypoints[self._mirrored] if change.flip else crop.keypoints
        points = transform(matrix, keypoints[:, :2].clip(-FARTHEST, FARTHEST))
        inside = ((points >= 0) & (points <= (self._view.width - 1, self._view.height - 1))).all(axis=1)
        return matrix, np.column_stack([points, (keypoints[:, 2] > 0) & inside])

    def _regions(
        self, crop: PersonCrop, matrix: NDArray[np.float64], change: CropChange
    ) -> NDArray[np.float64]:
        size = self._view.height, self._view.width
        points = regions_in_view([crop], matrix, keypoints=self._keypoints, size=size, flip=change.flip)
        return points.squeeze(0)

    def _change(self, position: int, key: BatchKey[Augmentation]) -> CropChange:
        position -= position % self._frames
        box, keypoints = self._crops[position].box, self._crops[position].keypoints
        if key.augmentation is None:
            return CropChange(box)
        rng = np.random.default_rng([key.seed, key.epoch, position + 1])
        return key.augmentation.draw(rng, box=box, keypoints=keypoints, keypoint_set=self._keypoints)


class UnreadableImages:
    """The unreadable images so far: each is reported once, and too many are an error."""

    def __init__(self, images: int, *, limit: float, report: Callable[[str], None]) -> None:
        """Begin without an unreadable image.

        Args:
            images: how many there are in all.
            limit: the largest share of them that may be unreadable.
            report: told the message of each.
        """
        self._images, self._limit, self._report = images, limit, report
        self._messages: dict[int, str] = {}

    @property
    def count(self) -> int:
        """The number of unreadable images so far."""
        return len(self._messages)

    def note(self, unreadable: dict[int, str]) -> None:
        """Report the images that are new among these messages by the position of their sample.

        Raises:
            PosenasError: if more images than the limit allows cannot be read.
        """
        for sample, message in unreadable.items():
            if sample not in self._messages:
                self._messages[sample] = message
                self._report(message)
        if self.count > self._limit * self._images:
            first = "; ".join([*list(self._messages.values())[:3], *(["..."] if self.count > 3 else [])])
            raise PosenasError(
                f"{self.count} of {self._images} images cannot be read, more than max_unreadable = "
                f"{self._limit:g} allows: {first}; restore the files or raise the limit"
            )


def worker_loader(
    reader: Dataset[Read],
    keys: Iterable[BatchKey[Any]],
    *,
    workers: int,
    device: torch.device,
) -> DataLoader[Read]:
    """Return a loader whose worker processes read one batch for each key.

    Args:
        reader: gives what was read for a key.
        keys: the batches, in their order.
        workers: processes that read; with 0 this one does.
        device: where the batches will go; memory is pinned for a GPU.
    """
    return DataLoader(
        reader,
        batch_size=None,
        sampler=keys,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=device.type == "cuda",
        worker_init_fn=partial(_prepare_worker, parent=os.getpid()),
        persistent_workers=workers > 0,
        # Without a generator of its own the loader would draw from torch's global one in every epoch.
        generator=torch.Generator(),
    )


def _unchanged(warped: object) -> Any:
    return warped


def _prepare_worker(worker: int, *, parent: int) -> None:  # noqa: ARG001
    """Give the worker one thread, and let the main process end it."""
    leave_stopping_to_parent()
    sys.excepthook = _report_uncaught
    cv2.setNumThreads(0)
    end_with(parent)


def end_with(parent: int) -> None:
    """End this process, from now on, when its parent ends, whatever ends that."""
    # Torch's own watch over the parent begins only later, and misses one that was killed before.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _report_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    # The thread that hands images over finds its connection broken when the main process is interrupted.
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, traceback)
