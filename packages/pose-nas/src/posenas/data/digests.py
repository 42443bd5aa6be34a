"""Digests of what a dataset gives, taken through its contract alone, so that they serve every dataset."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from posenas.runs.files import content_name

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person, Sample

Moved: TypeAlias = Sequence[tuple[str, str]]
"""Folders that lie elsewhere than before, each with where it lies now and where it lay."""
_DIGITS = 16


def keypoints_digest(keypoints: KeypointSet) -> str:
    """Return how many keypoints a set has, and a digest of all that it says about them."""
    words = repr(keypoints)
    if not keypoints.regions:
        words = words.replace(", regions={}", "")  # runs from before there were regions can be resumed
    return f"{len(keypoints)} keypoints, {content_name(words.encode())}"


def annotations_digest(samples: Sequence[Sample]) -> str:
    """Return how many people are annotated, and a digest of them and of the images' ids and sizes."""
    digest = hashlib.sha256()
    people = 0
    for sample in samples:
        fields = (sample.written_id, sample.width, sample.height, sample.crowd_index, len(sample.people))
        digest.update(repr(fields).encode())
        digest.update(_of_video(sample))
        for person in sample.people:
            digest.update(_person(person))
        people += len(sample.people)
    return f"{people} people, {digest.hexdigest()[:_DIGITS]}"


def _of_video(sample: Sample) -> bytes:
    """Return what only frames of videos have; nothing of others, whose digests stay those of older runs."""
    if sample.video is None and sample.frame is None and not sample.ignored:
        return b""
    corners = b"".join(np.ascontiguousarray(each, dtype=np.float64).tobytes() for each in sample.ignored)
    sizes = tuple(len(each) for each in sample.ignored)
    return repr((sample.video, sample.frame, sizes)).encode() + corners


def _person(person: Person) -> bytes:
    numbers = array("d", (*person.box, person.area, *chain(*person.regions.values())))
    keypoints = np.ascontiguousarray(person.keypoints, dtype=np.float64)
    tracks = () if person.track is None else (f"track {person.track}",)
    words = " ".join((repr(person.id), repr(person.crowd), *person.regions, *tracks))
    return words.encode() + numbers.tobytes() + keypoints.tobytes()


def images_digest(samples: Sequence[Sample], *, moved: Moved = ()) -> str:
    """Return how many images there are, and a digest of their names and, of files, sizes in bytes.

    Args:
        samples: with the images.
        moved: folders that lie elsewhere than before: images keep the names that they had there.
    """
    digest = hashlib.sha256()
    for sample in samples:
        name = str(sample.source)
        digest.update(f"{_name_before(name, moved)}\0{_size(name)}\n".encode("utf-8", "surrogatepass"))
    return f"{len(samples)} images, {digest.hexdigest()[:_DIGITS]}"


def _name_before(name: str, moved: Moved) -> str:
    """Return the name that an image had where its folder lay before."""
    for now, before in moved:
        if name.startswith(f"{now}/"):
            return before + name.removeprefix(now)
    return name


def _size(name: str) -> int | None:
    """Return a file's size in bytes; None if there is no such file."""
    try:
        return Path(name).stat().st_size
    except (OSError, ValueError):
        return None
