"""A split: labels joined with the pictures and frames that they are on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from posenas import PosenasError, Sample
from posenas.annotations import AnnotatedSplit, finding, read_person, with_margin

from data_sleap.pictures import Picture, check_files, find_pictures, short_names

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import KeypointSet, Person
    from posenas.annotations import AnnotationFiles

    from data_sleap.labels import Frame, Labels

_FARTHEST = 1e6
"""A place that is a million pixels away is in no picture."""
_UNREADABLE = "pictures or frames are missing or cannot be read and are left out"


def read_split(
    labels: Labels, keypoints: KeypointSet, places: AnnotationFiles, *, max_pixels: int, box_margin: float
) -> AnnotatedSplit:
    """Return the labelled pictures and frames that can be read. What is left out is told.

    Args:
        labels: what the label files hold.
        keypoints: what everybody has.
        places: where pictures and videos are looked for.
        max_pixels: pictures with more are refused before they are decoded.
        box_margin: by which share of its size a box grows on each side.

    Raises:
        PosenasError: if nobody is labelled, a video is missing, or no picture can be read.
    """
    _check_labels(labels)
    file = labels.files[0]
    found = places.image_paths(list(dict.fromkeys(frame.file for frame in labels.frames)), file)
    check_files(found.paths, labels, option=f"dataset.{places.split}_images")
    names = short_names(labels.frames)
    pictures, unreadable = find_pictures(labels.frames, names, found.paths, max_pixels=max_pixels)
    if not any(frame.people and position in pictures for position, frame in enumerate(labels.frames)):
        raise PosenasError(
            f"{file}: none of its labelled pictures can be read: {'; '.join(unreadable[:2]):.300}; set "
            f"dataset.{places.split}_images"
        )
    told = {**labels.remarks, _UNREADABLE: unreadable}
    findings = [each for what, cases in told.items() for each in finding(what, cases, split=places.split)]
    samples = _samples(labels.frames, names, pictures, box_margin=box_margin)
    return AnnotatedSplit(keypoints, tuple(samples), (*findings, *found.findings))


def _check_labels(labels: Labels) -> None:
    """Check that somebody is labelled, each frame once, and in places that pictures have.

    Raises:
        PosenasError: if not.
    """
    file = labels.files[0]
    if not any(frame.people for frame in labels.frames):
        told = "".join(f"; {len(cases)} {what}" for what, cases in labels.remarks.items() if cases)
        raise PosenasError(f"{file}: nobody is labelled{told}; choose another file")
    twice = [name for name, number in Counter(frame.name for frame in labels.frames).items() if number > 1]
    if twice:
        raise PosenasError(
            f"{file}: {len(twice)} frames are labelled more than once, such as {twice[0]}; merge their labels"
        )
    far = [frame.name for frame in labels.frames if any(_is_far(pose) for pose in frame.people)]
    if far:
        raise PosenasError(
            f"{file}: {len(far)} frames have keypoints more than {_FARTHEST:,.0f} pixels away, such as "
            f"{far[0]}; mend them"
        )


def _is_far(pose: NDArray[np.float64]) -> bool:
    return bool(np.nanmax(np.abs(pose)) > _FARTHEST)


def _samples(
    frames: Sequence[Frame], names: Sequence[str], pictures: Mapping[int, Picture], *, box_margin: float
) -> list[Sample]:
    """Return the frames whose pictures can be read; people are numbered from 1.

    Args:
        frames: every labelled frame.
        names: by which a user knows them.
        pictures: by the position of their frame.
        box_margin: by which share of its size a box grows on each side.
    """
    numbers = count(1)
    return [
        Sample(
            id=position,
            source=picture.source,
            width=picture.size[0],
            height=picture.size[1],
            people=tuple(
                with_margin(_person(pose, next(numbers)), box_margin, size=picture.size)
                for pose in frames[position].people
            ),
            file_id=names[position],
        )
        for position, picture in pictures.items()
    ]


def _person(pose: NDArray[np.float64], number: int) -> Person:
    """Return a person whose box is drawn around the labelled keypoints, which all count as visible.

    Args:
        pose: (K, 2) places in pixels; both NaN where a keypoint is absent.
        number: the person's id.
    """
    labelled = ~np.isnan(pose[:, 0])
    places = np.where(labelled[:, None], pose, 0.0)
    return read_person({"id": number}, np.column_stack([places, 2.0 * labelled]))
