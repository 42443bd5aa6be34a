"""A split of PoseTrack 2018: the frames of its videos in their order, and what is odd about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, numbered
from posenas.contract.finding import finding
from posenas.contract.keypoint_sets import POSETRACK_15
from posenas.contract.samples import Sample, UnreadableImageError
from posenas.data.coco.split import AnnotatedSplit
from posenas.data.coco.values import quoted
from posenas.data.images.file_image import FileImage
from posenas.data.images.upright import upright_size
from posenas.runs.files import is_file
from posenas.standard.posetrack.frames import TWICE, Frame, Remarks, read_frames

if TYPE_CHECKING:
    from posenas.data.coco.files import AnnotationFiles

Size = tuple[int, int]

UNLABELLED = "frames are not labelled: they are neither trained on nor scored"
UNLABELLED_MISSING = "frames that are not labelled are missing on disk"
OUT_OF_ORDER = "frames do not stand in the order of their numbers in the file, and are put in order"
LENGTH = "videos list another number of frames than their `nframes`"
SAME_TRACK = "frames have two people with one track_id"
NO_SIZE = "frames have no width and height, no picture of their video tells them, and they are left out"


class Videos(NamedTuple):
    """A split, and every frame of its videos.

    Attributes:
        labelled: the labelled frames alone, and what is odd.
        frames: by video, in the order of their numbers; nobody is in those that are not labelled.
    """

    labelled: AnnotatedSplit
    frames: Mapping[str, tuple[Sample, ...]]


def read_videos(files: Sequence[Path], pictures: AnnotationFiles) -> Videos:
    """Return the frames and the people of a split.

    Args:
        files: its annotation files.
        pictures: finds the images, and knows the split's name.

    Raises:
        PosenasError: if a file cannot be read, an image's id is used twice, or nobody is annotated.
    """
    remarks: Remarks = {}
    listed = [frame for file in files for frame in read_frames(file, remarks)]
    frames = _in_order(_once(listed, remarks), remarks)
    labelled = [frame for frame in frames if frame.labelled]
    if not any(frame.people for frame in labelled):
        raise PosenasError(
            f"{files[0].parent}: nobody is annotated in {pictures.split}: {len(files)} annotation files, "
            f"{len(frames)} frames, {len(labelled)} of them labelled; set dataset.{pictures.split}"
        )
    unlabelled = [frame for frame in frames if not frame.labelled]
    # The labelled ones first: the first names tell the folder, and others need not be on the disk.
    names = [frame.name for frame in (*labelled, *unlabelled)]
    paths, moved = pictures.image_paths(names, files[0] if len(files) == 1 else files[0].parent)
    remarks[UNLABELLED] = [frame.name for frame in unlabelled]
    remarks[UNLABELLED_MISSING] = [frame.name for frame in unlabelled if not is_file(paths[frame.name])]
    samples = _samples(frames, paths, max_pixels=pictures.max_pixels, remarks=remarks)
    found = [each for what, cases in remarks.items() for each in finding(what, cases, split=pictures.split)]
    chosen = tuple(sample for frame, sample in samples if frame.labelled)
    return Videos(AnnotatedSplit(POSETRACK_15, chosen, (*found, *moved)), _by_video(samples))


def _once(frames: Sequence[Frame], remarks: Remarks) -> list[Frame]:
    """Return the first frame of each number in each video."""
    first: dict[tuple[str, int], Frame] = {}
    ids: dict[FileId, Frame] = {}
    repeated = []
    for frame in frames:
        if first.setdefault((frame.video, frame.number), frame) is not frame:
            repeated.append(f"{frame.name}, id {quoted(frame.id)}")
        elif ids.setdefault(frame.id, frame) is not frame:
            raise PosenasError(
                f"{frame.file}: image {quoted(frame.id)} is {frame.name:.80}, and in {ids[frame.id].file} "
                f"{ids[frame.id].name:.80}; make ids unique"
            )
    if repeated:
        remarks.setdefault(TWICE, []).extend(repeated)
    return list(first.values())


def _in_order(frames: Sequence[Frame], remarks: Remarks) -> list[Frame]:
    """Return the frames by video, and by number in each; what is odd in a video is added to the remarks."""
    videos: dict[str, list[Frame]] = {}
    for frame in frames:
        videos.setdefault(frame.video, []).append(frame)
    told: Remarks = {OUT_OF_ORDER: [], LENGTH: [], SAME_TRACK: []}
    for name, video in videos.items():
        told[OUT_OF_ORDER] += [b.name for a, b in pairwise(video) if b.number < a.number]
        told[SAME_TRACK] += [frame.name for frame in video if _shares_a_track(frame)]
        lengths = {frame.of_frames for frame in video if frame.of_frames}
        told[LENGTH] += [
            f"{name}: {len(video)} of {each}" for each in sorted(lengths - {str(len(video))})[:1]
        ]
        video.sort(key=lambda frame: frame.number)
    remarks.update(told)
    return [frame for video in videos.values() for frame in video]


def _shares_a_track(frame: Frame) -> bool:
    tracks = Counter(person.track for person in frame.people if person.track is not None)
    return max(tracks.values(), default=0) > 1


def _samples(
    frames: Sequence[Frame], paths: Mapping[str, Path], *, max_pixels: int, remarks: Remarks
) -> list[tuple[Frame, Sample]]:
    """Return the frames whose size is known, each with its sample.

    Args:
        frames: by video and number.
        paths: the pictures by the frames' names; they may be missing.
        max_pixels: images with more are refused before they are decoded.
        remarks: the frames without a size are added.
    """
    samples = []
    sources = [FileImage(paths[frame.name], max_pixels) for frame in frames]
    sizes = _sizes(frames, sources)
    numbers = numbered([frame.id for frame in frames])
    for frame, source, size, number in zip(frames, sources, sizes, numbers, strict=True):
        if size is None:
            remarks.setdefault(NO_SIZE, []).append(frame.name)
            continue
        sample = Sample(
            id=number,
            source=source,
            width=size[0],
            height=size[1],
            people=frame.people,
            file_id=None if type(frame.id) is int and frame.id == number else frame.id,
            video=frame.video,
            frame=frame.number,
            ignored=frame.ignored,
        )
        samples.append((frame, sample))
    return samples


def _sizes(frames: Sequence[Frame], sources: Sequence[FileImage]) -> list[Size | None]:
    """Return each frame's size by its entry, or else that of the first picture of its video that tells it."""
    of_videos: dict[str, Size] = {}
    for frame, source in zip(frames, sources, strict=True):
        if frame.size is None and frame.video not in of_videos:
            try:
                of_videos[frame.video] = upright_size(source.path, source.most_pixels)
            except UnreadableImageError:  # the next picture may tell it
                continue
    return [frame.size or of_videos.get(frame.video) for frame in frames]


def _by_video(samples: Sequence[tuple[Frame, Sample]]) -> dict[str, tuple[Sample, ...]]:
    videos: dict[str, list[Sample]] = {}
    for frame, sample in samples:
        videos.setdefault(frame.video, []).append(sample)
    return {name: tuple(video) for name, video in videos.items()}
