"""Crops of people as batches: read and warped in worker processes, finished in batch on the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import cv2
import numpy as np
import torch
from torch import Tensor

from posenas.contract.batches import Batch, Poses
from posenas.contract.errors import PosenasError
from posenas.contract.normalisation import IMAGENET, Normalisation
from posenas.contract.scores import Predictions
from posenas.data.affine import invert, shown_area, transform
from posenas.data.augment import Augmentation, change_colours
from posenas.data.caches import crop_cache
from posenas.data.channels import to_unit
from posenas.data.detected_poses import DetectionRules, judged
from posenas.data.images.file_image import FileImage
from posenas.data.loader import LoaderSettings, ViewLoader
from posenas.data.normalising import normalisation_of, normalise
from posenas.data.person_crop import PersonCrop
from posenas.data.reading import (
    BatchKey,
    CropReader,
    ReadCrops,
    UnreadableImages,
    worker_loader,
)
from posenas.data.regions import region_fields
from posenas.data.remarks import UNKEPT, RemarkedImages
from posenas.data.stored_crops import MOST_IN_MEMORY, CropsInFile, CropsReadAgain, StoredCrops
from posenas.data.tabled_colours import finished_on_cpu
from posenas.runs.one_copy import in_one_copy
from posenas.runs.stopping import interrupts_deferred

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from posenas.contract.batches import View
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample
    from posenas.data.caches import DecodedCache

_EVALUATION_BATCH = 64


@dataclass(frozen=True)
class EvaluatedCrops:
    """Every crop of a split, to be used again for each candidate of a search.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, or more of which the first N count; or where they are stored.
        inverses: (N, 2, 3) float64 maps from the view's pixels to the image's.
        image_ids: (N,) int64, ids of the samples.
        box_scores: (N,) float64.
        keypoints: (N, K, 2) float32 pixels of the view.
        labelled: (N, K) float32, 1 where labelled and inside the view.
        regions: (N, R, 5, 3) float32, the points of `regions_in_view`.
        scored: (N,) bool, which poses are predictions.
        areas: (N,) float64 square pixels of the image that the padded boxes fill.
        rules: how poses in a detector's boxes are judged; None if the boxes are annotated.
        parts: the indices of the keypoints of each region that is scored, by its name.
        normalisation: how the images become a network's input.
        frames: the crops of a clip, which lie side by side.
    """

    images: Tensor | StoredCrops
    inverses: NDArray[np.float64]
    image_ids: NDArray[np.int64]
    box_scores: NDArray[np.float64]
    keypoints: Tensor
    labelled: Tensor
    regions: Tensor
    areas: NDArray[np.float64]
    scored: NDArray[np.bool_]
    rules: DetectionRules | None = None
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    normalisation: Normalisation = IMAGENET
    frames: int = 1

    @property
    def stride(self) -> int:
        """The number of which a crop's sides are multiples: 1, for crops are never resized."""
        return 1

    def __len__(self) -> int:
        return len(self.image_ids)

    def batches(self, size: int, *, device: torch.device) -> Iterator[Batch]:
        """Yield the crops in their order, `size` clips at a time; the last batch may be smaller."""
        start = 0
        for images in self._parts(size * self.frames):
            part = slice(start, start + len(images))
            start += len(images)
            yield Batch(
                images=_looked_up(images, self.normalisation, device),
                keypoints=self.keypoints[part].to(device, non_blocking=True),
                labelled=self.labelled[part].to(device, non_blocking=True),
                **region_fields(self.regions[part].to(device, non_blocking=True)),
            )

    def _parts(self, size: int) -> Iterable[Tensor]:
        if isinstance(self.images, Tensor):
            return torch.split(self.images[: len(self)], size)
        return self.images.parts(size)

    def locate(self, poses: Sequence[Poses]) -> Predictions:
        """Return the poses of all batches in pixels of their images.

        A pose's score is the mean of its keypoints' times the box's, and so is the score of each part. In a
        detector's boxes only those poses are returned that its rules let stay.
        """
        found = (
            torch.cat([batch.keypoints for batch in poses]),
            torch.cat([each.keypoint_scores for each in poses]),
        )
        in_view, scores = (each.double().numpy() for each in in_one_copy(found, torch.device("cpu")))
        located = Predictions(
            image_ids=self.image_ids,
            keypoints=transform(self.inverses, in_view),
            keypoint_scores=scores,
            scores=scores.mean(axis=1) * self.box_scores,
            part_scores={
                name: scores[:, list(indices)].mean(axis=1) * self.box_scores
                for name, indices in self.parts.items()
            },
        )
        if not self.scored.all():
            located = located.chosen(self.scored)
        return located if self.rules is None else judged(located, self.box_scores, self.areas, self.rules)


def crop_loader(
    crops: Sequence[PersonCrop],
    samples: Sequence[Sample],
    *,
    view: View,
    keypoints: KeypointSet,
    augmentation: Augmentation,
    seed: int,
    cache_bytes: int = 0,
    cache: DecodedCache | None = None,
    frames: int = 1,
    **settings: Unpack[LoaderSettings],
) -> ViewLoader[ReadCrops]:
    """Return a loader of training batches of crops.

    Args:
        crops: at least one.
        samples: the images that the crops point into.
        view: the size and the rule of the crops.
        keypoints: the keypoint set of the samples.
        augmentation: the random changes that each crop goes through.
        seed: decides order and changes, together with the epoch's number.
        cache_bytes: bytes of decoded images that each process keeps for the next epochs.
        cache: a file of decoded images, which takes the place of that memory.
        frames: the crops of a clip, which lie side by side.
        settings: see `LoaderSettings`.

    Raises:
        PosenasError: if there is no crop.
    """
    if not crops:
        raise PosenasError(
            "there is nobody to train on: no person of the training split has a labelled keypoint"
        )
    reader = CropReader(crops, samples, view, keypoints, cache_bytes=cache_bytes, cache=cache, frames=frames)
    finish = partial(_finish, normalisation=normalisation_of(view))
    return ViewLoader(
        reader,
        finish,
        views=len(crops),
        files=_count_images(crops),
        seed=seed,
        augmentation=augmentation,
        frames=frames,
        **settings,
    )


def load_crops(
    crops: Sequence[PersonCrop],
    samples: Sequence[Sample],
    view: View,
    *,
    keypoints: KeypointSet,
    workers: int,
    on_unreadable: Callable[[str], None],
    max_unreadable: float = 0.05,
    rules: DetectionRules | None = None,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
    frames: int = 1,
) -> EvaluatedCrops:
    """Read every crop once, in the order given and without augmentation.

    The N * H * W * 3 bytes of crops stay in memory up to 256 MiB. More of them lie in a file, where a later
    call for the same crops finds them: at 256 x 192 0.9 GB for COCO val2017's 6,352 people, 15.4 GB for the
    usual 104,125 boxes of a detector. Without a file many crops are read again whenever they are shown.

    Args:
        crops: at least one.
        samples: the images that the crops point into.
        view: the size and the rule of the crops.
        keypoints: the keypoint set of the samples.
        workers: processes that read at most; with 0 this one does.
        on_unreadable: told of each image that cannot be read, and at the end once of each kind of remark.
        max_unreadable: the largest share of the images that may be unreadable.
        rules: how poses in a detector's boxes are judged; None if the boxes are annotated.
        progress: called with the crops done and all crops, after each batch.
        folder: where the file may lie; None makes none. Nor is one made for images that are no files.
        frames: the crops of a clip, which lie side by side.

    Raises:
        PosenasError: if there is no crop, too large a share of the images cannot be read, or the folder
            cannot be written.
    """
    if not crops:
        raise PosenasError(
            "there is nobody to evaluate on: the split has no box with a labelled person in it"
        )
    unreadable = UnreadableImages(_count_images(crops), limit=max_unreadable, report=on_unreadable)
    shape = (len(crops), view.height, view.width, 3)
    few = math.prod(shape) <= MOST_IN_MEMORY
    files = all(isinstance(samples[crop.sample].source, FileImage) for crop in crops)
    file = None
    if folder is not None and files and not few:
        file = crop_cache(crops, samples, view, folder, warn=on_unreadable)
    reader = CropReader(crops, samples, view, keypoints, crop_cache=file, frames=frames)
    images = torch.empty(shape, dtype=torch.uint8) if few else None
    keys = _keys(len(crops), frames=frames)
    parts: list[ReadCrops] = []
    filled = 0
    for warped in _read(reader, keys, workers=workers, warn=on_unreadable, progress=progress):
        unreadable.note(warped.unreadable)
        if images is not None:
            images[filled : filled + len(warped.images)] = warped.images
        filled += len(warped.images)
        if any(remark.kind == UNKEPT for remark in warped.remarks):
            file = None
        parts.append(warped._replace(images=torch.empty(0, dtype=torch.uint8)))  # a view would keep them all
    shown = [position for part in parts for position in part.positions.tolist()]
    used = [crops[position] for position in shown]
    poses = torch.from_numpy(np.concatenate([part.poses for part in parts]))
    inverses = invert(np.concatenate([part.matrices for part in parts]))
    stored = CropsInFile(file, shown) if file else CropsReadAgain(reader, shown, workers)
    return EvaluatedCrops(
        images=stored if images is None else images,
        inverses=inverses,
        image_ids=np.array([samples[crop.sample].id for crop in used], np.int64),
        box_scores=np.array([crop.score for crop in used], np.float64),
        keypoints=poses[..., :2].contiguous(),
        labelled=poses[..., 2].contiguous(),
        regions=torch.from_numpy(np.concatenate([part.regions for part in parts])),
        areas=shown_area(inverses, view),
        scored=np.array([crop.scored for crop in used], np.bool_),
        rules=rules,
        parts=keypoints.regions,
        normalisation=normalisation_of(view),
        frames=frames,
    )


def _keys(crops: int, *, frames: int) -> list[BatchKey[Any]]:
    """Return the keys of all crops, in their order, with whole clips in each."""
    at_once = _EVALUATION_BATCH // frames * frames
    positions = list(range(crops))
    return [BatchKey(positions[start : start + at_once]) for start in range(0, crops, at_once)]


def _read(
    reader: CropReader,
    keys: Sequence[BatchKey[Any]],
    *,
    workers: int,
    warn: Callable[[str], None],
    progress: Callable[[int, int], None] | None,
) -> Iterator[ReadCrops]:
    """Yield what is read for each key, and end the workers afterwards.

    Args:
        reader: reads the crops.
        keys: in their order.
        workers: processes that read at most; with 0 this one does.
        warn: told at the end once of each kind of remark.
        progress: called with the crops done and all crops, after each key.
    """
    remarked = RemarkedImages(warn)
    done, crops = 0, sum(len(key.positions) for key in keys)
    loader = worker_loader(reader, keys, workers=min(workers, len(keys)), device=torch.device("cpu"))
    for key, warped in zip(keys, loader, strict=True):
        remarked.note(warped.remarks)
        yield warped
        done += len(key.positions)
        if progress:
            progress(done, crops)
    with interrupts_deferred():
        del loader
    remarked.tell()


def _count_images(crops: Sequence[PersonCrop]) -> int:
    return len({crop.sample for crop in crops})


def _finish(warped: ReadCrops, device: torch.device, *, normalisation: Normalisation) -> Batch:
    sent = [torch.from_numpy(each) for each in (warped.colours, warped.poses, warped.regions)]
    colours, poses, regions = in_one_copy(sent, device)
    if device.type == "cpu":
        finished = finished_on_cpu(warped.images, colours, normalisation)
    else:
        images = warped.images.to(device, non_blocking=True)
        finished = normalise(change_colours(to_unit(images), colours), normalisation)
    return Batch(
        images=finished,
        keypoints=poses[..., :2].contiguous(),
        labelled=poses[..., 2].contiguous(),
        **region_fields(regions),
    )


def _looked_up(images: Tensor, normalisation: Normalisation, device: torch.device) -> Tensor:
    """Convert (N, H, W, 3) uint8 to normalised (N, 3, H, W) float32, channels last in memory.

    A CPU looks each byte up, in a sixth of the time that it takes to compute the same value again.

    Args:
        images: RGB.
        normalisation: how they become a network's input.
        device: where the result lies.
    """
    if device.type != "cpu":
        return normalise(to_unit(images.to(device, non_blocking=True)), normalisation)
    every_byte = torch.arange(256, dtype=torch.uint8).view(1, 1, 256, 1).repeat(1, 1, 1, 3)
    table = normalise(to_unit(every_byte), normalisation).movedim(1, 3)[0].numpy()
    ordered = images.flip(3) if normalisation.order == "bgr" else images
    finished = torch.empty(images.shape)
    for image, target in zip(ordered.numpy(), finished.numpy(), strict=True):
        cv2.LUT(image, table, dst=target)
    return finished.movedim(3, 1)
