"""Whole images with everybody in them: read and drawn in worker processes, evaluated as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from posenas.contract.batches import Batch, Poses, View
from posenas.contract.errors import PosenasError
from posenas.contract.normalisation import Normalisation
from posenas.contract.samples import UnreadableImageError
from posenas.contract.scores import Predictions
from posenas.data.affine import FARTHEST, invert, transform
from posenas.data.channels import to_unit
from posenas.data.letterbox import letterbox, rectangle
from posenas.data.loader import LoaderSettings, ViewLoader
from posenas.data.mosaic import Arrangement, ImageAugmentation, blank, draw_tile, recolour
from posenas.data.normalising import normalisation_of, normalise
from posenas.data.reading import BatchKey, DecodedImages, UnreadableImages, worker_loader
from posenas.data.regions import POINTS, region_fields, regions_in_view
from posenas.data.remarks import Remark, RemarkedImages
from posenas.runs.one_copy import in_one_copy
from posenas.runs.stopping import interrupts_deferred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample
    from posenas.data.caches import DecodedCache

_LEAST_SIDE = 2.0
_LEAST_SHARE = 0.1
_GREATEST_ASPECT = 20.0
_CROP_PIXELS = 256 * 192
_KEPT_BYTES = 2**30


class ShownPeople(NamedTuple):
    """T people of one picture or of several.

    Attributes:
        boxes: (T, 4) x1, y1, x2, y2 in pixels of the picture.
        poses: (T, K, 3) pixels of the picture, and 1 where labelled and inside it, else 0.
        regions: (T, R, 5, 3), the points of `regions_in_view`.
    """

    boxes: NDArray[np.float64]
    poses: NDArray[np.float64]
    regions: NDArray[np.float64]


class ReadImages(NamedTuple):
    """The pictures that a worker sends for one batch; n of them could be read.

    Attributes:
        images: (n, H, W, 3) uint8; a tensor, which comes through shared memory, the rest through a pipe.
        boxes: (T, 4) float32, as those of `ShownPeople`.
        poses: (T, K, 3) float32, as those of `ShownPeople`.
        regions: (T, R, 5, 3) float32, as those of `ShownPeople`.
        views: (T,) int64, in which picture each person is.
        matrices: (n, 2, 3) float64 from the first image of a picture to the picture.
        positions: (n,) int64 among all samples.
        unreadable: the messages for images that could not be read, by the position of their sample.
        remarks: what is odd about images that were read for this batch.
    """

    images: Tensor
    boxes: NDArray[np.float32]
    poses: NDArray[np.float32]
    regions: NDArray[np.float32]
    views: NDArray[np.int64]
    matrices: NDArray[np.float64]
    positions: NDArray[np.int64]
    unreadable: dict[int, str]
    remarks: tuple[Remark, ...]


class ImageReader(Dataset[ReadImages]):
    """A dataset of batches for the workers: draws their pictures, augmented only in training."""

    def __init__(
        self,
        samples: Sequence[Sample],
        view: View,
        keypoints: KeypointSet,
        *,
        rectangular: bool = False,
        cache_bytes: int = 0,
        cache: DecodedCache | None = None,
    ) -> None:
        """Prepare the reader; nothing is read yet.

        Args:
            samples: at least one.
            view: the size of a picture.
            keypoints: the keypoint set of the samples.
            rectangular: whether the pictures of a batch are no larger than its images need; else all are of
                the view's size. Only without augmentation.
            cache_bytes: bytes of decoded images that each process keeps: the first ones read, until it is
                full.
            cache: a file of decoded images, which takes the place of that memory.
        """
        self._samples, self._view = samples, view
        self._images = DecodedImages(samples, cache_bytes, cache=cache)
        self._rectangular = rectangular
        self._mirrored, self._keypoints = list(keypoints.mirrored), keypoints

    def __getitem__(self, key: BatchKey[ImageAugmentation]) -> ReadImages:
        unreadable: dict[int, str] = {}
        size = self._size(key.positions)
        pictures, people, matrices, positions = [], [], [], []
        for position in key.positions:
            drawn = self._picture(position, key, size, unreadable)
            if drawn is not None:
                picture, matrix, shown = drawn
                pictures.append(picture)
                matrices.append(matrix)
                people.append(shown)
                positions.append(position)
        images = np.stack(pictures) if pictures else np.empty((0, *size, 3), np.uint8)
        together = _together(people, self._keypoints)
        return ReadImages(
            torch.from_numpy(images),
            together.boxes.astype(np.float32),
            together.poses.astype(np.float32),
            together.regions.astype(np.float32),
            np.repeat(np.arange(len(people)), [len(each.boxes) for each in people]),
            np.array(matrices).reshape(-1, 2, 3),
            np.array(positions, np.int64),
            unreadable,
            self._images.take_remarks(),
        )

    def _size(self, positions: Sequence[int]) -> tuple[int, int]:
        if not self._rectangular:
            return self._view.height, self._view.width
        return rectangle([_annotated_size(self._samples[each]) for each in positions], self._view)

    def _picture(
        self,
        position: int,
        key: BatchKey[ImageAugmentation],
        size: tuple[int, int],
        unreadable: dict[int, str],
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], ShownPeople] | None:
        """Return a picture, its map and its people; None if its first image cannot be read."""
        image = self._read(position, unreadable)
        if image is None:
            return None
        if key.augmentation is None:
            picture, matrix = letterbox(image, self._view, size)
            return picture, matrix, self._people(position, matrix, size, flip=False)
        rng = np.random.default_rng([key.seed, key.epoch, position + 1])
        arrangement = key.augmentation.draw(rng, images=len(self._samples))
        picture, matrix = blank(self._view), arrangement.matrix(image, 0, self._view)
        draw_tile(picture, image, matrix)
        people = [self._augmented(position, matrix, arrangement)]
        for tile, other in enumerate(arrangement.others, start=1):
            beside = self._read(other, unreadable)
            if beside is not None:
                placed = arrangement.matrix(beside, tile, self._view)
                draw_tile(picture, beside, placed)
                people.append(self._augmented(other, placed, arrangement))
        return recolour(picture, arrangement), matrix, _together(people, self._keypoints)

    def _read(self, position: int, unreadable: dict[int, str]) -> NDArray[np.uint8] | None:
        try:
            return self._images[position]
        except UnreadableImageError as error:
            unreadable[position] = str(error)
            return None

    def _people(
        self, position: int, matrix: NDArray[np.float64], size: tuple[int, int], *, flip: bool
    ) -> ShownPeople:
        """Return everybody annotated in an image but crowds, in pixels of the picture.

        Boxes are not cut at the picture's borders.
        """
        shown = [person for person in self._samples[position].people if not person.crowd]
        if not shown:
            return _together([], self._keypoints)
        corners = np.array([_corners(person.box) for person in shown]).clip(-FARTHEST, FARTHEST)
        boxes = np.sort(transform(matrix, corners), axis=1).reshape(-1, 4)  # a mirrored box is from right
        poses = np.array([person.keypoints for person in shown], np.float64)
        points = transform(matrix, poses[..., :2].clip(-FARTHEST, FARTHEST))
        inside = ((points >= -0.5) & (points <= np.array(size)[::-1] - 0.5)).all(axis=2)
        regions = regions_in_view(shown, matrix, keypoints=self._keypoints, size=size, flip=flip)
        seen = np.dstack([points, (poses[..., 2] > 0) & inside])
        return ShownPeople(boxes, seen[:, self._mirrored] if flip else seen, regions)

    def _augmented(self, position: int, matrix: NDArray[np.float64], arrangement: Arrangement) -> ShownPeople:
        """Return those people of whom enough is left in the picture; their boxes are cut at its borders."""
        size = self._view.height, self._view.width
        boxes, poses, regions = self._people(position, matrix, size, flip=arrangement.flip)
        limits = np.array([size[1], size[0], size[1], size[0]]) - 0.5
        cut = boxes.clip(-0.5, limits)
        before, after = (each[:, 2:] - each[:, :2] for each in (boxes, cut))
        least, greatest = after.min(axis=1), after.max(axis=1)
        kept = (
            (least > _LEAST_SIDE)
            & (after.prod(axis=1) > _LEAST_SHARE * before.prod(axis=1))
            & (greatest < _GREATEST_ASPECT * least)
        )
        return ShownPeople(cut[kept], poses[kept], regions[kept])


def image_loader(
    samples: Sequence[Sample],
    *,
    view: View,
    keypoints: KeypointSet,
    augmentation: ImageAugmentation,
    seed: int,
    cache_bytes: int = 0,
    cache: DecodedCache | None = None,
    **settings: Unpack[LoaderSettings],
) -> ViewLoader[ReadImages]:
    """Return a loader of training batches of whole images; those without people are among them.

    Args:
        samples: at least one.
        view: the size of a picture.
        keypoints: the keypoint set of the samples.
        augmentation: the random changes that each picture goes through.
        seed: decides order and changes, together with the epoch's number.
        cache_bytes: bytes of decoded images that each process keeps for the next epochs.
        cache: a file of decoded images, which takes the place of that memory.
        settings: see `LoaderSettings`.
    """
    reader = ImageReader(samples, view, keypoints, cache_bytes=cache_bytes, cache=cache)
    finish = partial(_finish, normalisation=normalisation_of(view))
    return ViewLoader(
        reader,
        finish,
        views=len(samples),
        files=len(samples),
        seed=seed,
        augmentation=augmentation,
        **settings,
    )


class EvaluatedImages:
    """Every image of a split, to be shown to each candidate of a search.

    The images stay in memory if they take less than a gigabyte there; else they are read again in each pass.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        view: View,
        keypoints: KeypointSet,
        *,
        rectangular: bool,
        workers: int,
        on_unreadable: Callable[[str], None],
        max_unreadable: float = 0.05,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Prepare the images; nothing is read before the first pass.

        Args:
            samples: at least one.
            view: the size of a picture.
            keypoints: the keypoint set of the samples.
            rectangular: whether each batch has images of one shape, with no more grey around them than it
                takes to reach a multiple of the view's stride; else all are of the view's size. What is found
                in an image does not depend on the others of its batch.
            workers: processes that read at most; with 0 this one does.
            on_unreadable: told of each image that cannot be read, and once of each kind of remark on the
                others, such as that they are not of the size that is annotated.
            max_unreadable: the largest share of the images that may be unreadable.
            progress: called with the images read and all images, after each batch of the first pass.

        Raises:
            PosenasError: if there is no image.
        """
        if not samples:
            raise PosenasError("there is no image to evaluate on: the split is empty")
        self._samples, self._view, self._workers = samples, view, workers
        self._keypoints, self._rectangular = keypoints, rectangular
        self._unreadable = UnreadableImages(len(samples), limit=max_unreadable, report=on_unreadable)
        self._remarked = RemarkedImages(on_unreadable)
        self._progress = progress
        self._kept: dict[int, list[ReadImages]] = {}
        self._shown: list[ReadImages] = []

    @property
    def stride(self) -> int:
        """The number of which the sides of an input are multiples."""
        return self._view.stride

    def __len__(self) -> int:
        return len(self._samples) - self._unreadable.count

    def batches(self, size: int, *, device: torch.device) -> Iterator[Batch]:
        """Yield batches of about as many pixels as `size` people's views of 256x192 have."""
        size = max(1, size * _CROP_PIXELS // (self._view.height * self._view.width))
        self._shown = []
        for read in self._kept[size] if size in self._kept else self._read(size):
            if len(read.images):
                self._shown.append(read._replace(images=read.images[:0]))
                yield _finish(read, device, normalisation=normalisation_of(self._view))

    def locate(self, poses: Sequence[Poses]) -> Predictions:
        """Return the poses of the last pass's batches, in their order, in pixels of the images."""
        located = [_located(each, read) for each, read in zip(poses, self._shown, strict=True)]
        positions, keypoints, keypoint_scores, scores = (
            np.concatenate(parts) for parts in zip(*located, strict=True)
        )
        ids = np.array([sample.id for sample in self._samples], np.int64)
        return Predictions(ids[positions], keypoints, keypoint_scores, scores)

    def _read(self, size: int) -> Iterator[ReadImages]:
        keys: list[BatchKey[Any]] = [BatchKey(positions) for positions in self._divided(size)]
        kept: list[ReadImages] = []
        done = taken = 0
        reader = ImageReader(self._samples, self._view, self._keypoints, rectangular=self._rectangular)
        loader: Iterable[ReadImages] = worker_loader(
            reader, keys, workers=min(self._workers, len(keys)), device=torch.device("cpu")
        )
        for key, read in zip(keys, loader, strict=True):
            self._unreadable.note(read.unreadable)
            self._remarked.note(read.remarks)
            taken += read.images.nbytes
            if taken <= _KEPT_BYTES:
                kept.append(read)
            done += len(key.positions)
            if self._progress:
                self._progress(done, len(self._samples))
            yield read
        with interrupts_deferred():
            del loader
        if taken <= _KEPT_BYTES:
            self._kept[size] = kept
        self._progress = None
        self._remarked.tell()

    def _divided(self, size: int) -> list[list[int]]:
        """Return the positions of each batch's images: at most `size`, of one shape if rectangular."""
        shapes = [(self._view.height, self._view.width)] * len(self._samples)
        if self._rectangular:
            shapes = [rectangle([_annotated_size(sample)], self._view) for sample in self._samples]
        order = sorted(range(len(shapes)), key=lambda each: shapes[each])
        groups = [list(group) for _, group in groupby(order, key=lambda each: shapes[each])]
        return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


def size_for(images: int, view: View) -> int:
    """Return the batch size, counted in people, that puts this number of whole images into one batch."""
    return -(-images * view.height * view.width // _CROP_PIXELS)


def _finish(read: ReadImages, device: torch.device, *, normalisation: Normalisation) -> Batch:
    pitch = (1 / np.abs(read.matrices[:, 0, 0])).astype(np.float32)
    views = read.views.astype(np.float32)  # exact: there are far fewer than 2**24
    sent = [torch.from_numpy(each) for each in (read.poses, read.boxes, views, pitch, read.regions)]
    poses, boxes, of_views, pitches, regions = in_one_copy(sent, device)
    return Batch(
        images=normalise(to_unit(read.images.to(device, non_blocking=True)), normalisation),
        keypoints=poses[..., :2].contiguous(),
        labelled=poses[..., 2].contiguous(),
        boxes=boxes,
        views=of_views.long(),
        pitch=pitches,
        **region_fields(regions),
    )


def _located(
    poses: Poses, read: ReadImages
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the poses' samples, keypoints in the images, keypoint scores and own scores."""
    assert poses.views is not None
    assert poses.scores is not None
    found = (poses.views, poses.keypoints, poses.keypoint_scores, poses.scores)
    on_host = in_one_copy(found, torch.device("cpu"))
    views, (in_view, keypoint_scores, scores) = (
        on_host[0].numpy(),
        (each.double().numpy() for each in on_host[1:]),
    )
    return (
        read.positions[views],
        transform(invert(read.matrices)[views], in_view),
        keypoint_scores,
        scores,
    )


def _annotated_size(sample: Sample) -> tuple[int, int]:
    return sample.width, sample.height


def _together(people: Sequence[ShownPeople], keypoints: KeypointSet) -> ShownPeople:
    return ShownPeople(
        np.concatenate([each.boxes for each in people] or [np.empty((0, 4))]),
        np.concatenate([each.poses for each in people] or [np.empty((0, len(keypoints), 3))]),
        np.concatenate(
            [each.regions for each in people] or [np.empty((0, len(keypoints.regions), POINTS, 3))]
        ),
    )


def _corners(box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    x, y, width, height = box
    return [(x, y), (x + width, y + height)]
