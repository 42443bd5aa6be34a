"""Checks that a dataset keeps the contract's word: its splits, and a look into each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np

from posenas.composing.checks.conformity import blamed, refuse
from posenas.composing.plugins import Owner
from posenas.contract.components import Dataset
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.images.file_image import FileImage

_SPLITS = ("train", "val")
_PEOPLE = 100
"""The people of a split that are looked at; `posenas check` looks at everybody."""


def check_splits(dataset: Dataset, *, owner: Owner) -> KeypointSet:
    """Return the dataset's keypoints, and check that there are the splits `train` and `val`.

    Raises:
        PosenasError: if there are no keypoints, or a split is missing.
    """
    with blamed(owner, "keypoints"):
        keypoints = dataset.keypoints()
    if not isinstance(keypoints, KeypointSet):
        refuse(owner, f"keypoints gives {type(keypoints).__name__}, expected KeypointSet")
    with blamed(owner, "splits"):
        splits = tuple(dataset.splits())
    missing = [split for split in _SPLITS if split not in splits]
    if missing:
        refuse(
            owner, f"splits gives {', '.join(map(repr, splits)) or 'none'} and lacks {' and '.join(missing)}"
        )
    return keypoints


def check_samples(dataset: Dataset, split: str, keypoints: KeypointSet, *, owner: Owner) -> Sequence[Sample]:
    """Return the samples of a split, after a look at its ids, its first people and one picture.

    Args:
        dataset: the one that has the split.
        split: its name.
        keypoints: the set.
        owner: the dataset's plugin.

    Raises:
        PosenasError: if two samples have one id, one of the first hundred people lacks a keypoint or its
            place, or the first picture is no RGB picture of the size that it is said to have.
    """
    samples = read_split(dataset, split, owner=owner)
    people = ((sample, person) for sample in samples for person in sample.people)
    for sample, person in islice(people, _PEOPLE):
        problem = keypoints_problem(person, len(keypoints))
        refuse(owner, problem and f"split({split!r}), {sample.source}: {problem}")
    refuse(owner, ids_problem(samples, split))
    first = next((each for each in samples if each.people), None)
    if first is not None:
        with blamed(owner, f"the source of {first.source}"):
            refuse(owner, _picture_problem(first))
    return samples


def read_split(dataset: Dataset, split: str, *, owner: Owner) -> Sequence[Sample]:
    """Return the samples of a split.

    Args:
        dataset: the one that has the split.
        split: its name.
        owner: the dataset's plugin.

    Raises:
        PosenasError: if it gives no sequence, or no samples.
    """
    with blamed(owner, f"split({split!r})"):
        samples = dataset.split(split)
    if not hasattr(samples, "__len__"):
        refuse(owner, f"split({split!r}) gives {type(samples).__name__}, expected a sequence of Sample")
    with blamed(owner, f"split({split!r})"):
        first = next((each for each in samples if not isinstance(each, Sample) or each.people), None)
    if first is not None and not isinstance(first, Sample):
        refuse(owner, f"split({split!r}) holds {type(first).__name__}, expected Sample")
    return samples


def ids_problem(samples: Sequence[Sample], split: str) -> str:
    """Say why a split's ids are not 64-bit numbers, each of its own; "" if they are."""
    ids = [sample.id for sample in samples]
    wrong = next((each for each in ids if not isinstance(each, int) or not -(2**63) <= each < 2**63), None)
    if wrong is not None:
        return f"split({split!r}) has the id {wrong!r:.40}, which is no 64-bit number"
    if len(set(ids)) == len(ids):
        return ""
    twice = next(each for each, count in Counter(ids).items() if count > 1)
    return f"split({split!r}) has {len(ids)} samples and {len(set(ids))} ids, such as {twice} more than once"


def _picture_problem(sample: Sample) -> str:
    """Say why a sample's source gives no RGB picture of its size; "" if it does, or cannot be read.

    A picture that cannot be read is left out and told in training.
    """
    if isinstance(sample.source, FileImage):
        return ""  # the core's own, whose sizes are told as those of all images are
    try:
        image = sample.source.read()
    except UnreadableImageError:
        return ""
    found = f"{getattr(image, 'dtype', type(image).__name__)} {np.shape(image)}"
    expected = f"uint8 {(sample.height, sample.width, 3)}"
    return "" if found == expected else f"{sample.source} reads as {found}, and its sample says {expected}"


def keypoints_problem(person: Person, count: int) -> str:
    """Say what is wrong with a person's keypoints; "" where nothing is.

    Args:
        person: the one whose keypoints are looked at.
        count: the number of keypoints of the set.
    """
    if np.shape(person.keypoints) != (count, 3):
        return f"keypoints have shape {np.shape(person.keypoints)}, expected {(count, 3)}"
    if not np.isfinite(person.keypoints[person.keypoints[:, 2] > 0]).all():
        return "a labelled keypoint is not finite"
    return ""
