"""Checks of every dataset, on the files that its options name."""

from __future__ import annotations

import pickle

import numpy as np

from posenas.composing.checks.datasets import check_splits, ids_problem, keypoints_problem, read_split
from posenas.composing.plugins import Owner
from posenas.contract.components import Dataset
from posenas.contract.errors import PosenasError
from posenas.contract.samples import Person
from posenas.kit.check import Check, require

_READ = 4
"""The pictures of a split that are read."""


def splits_are_there(dataset: Dataset) -> None:
    """Check that there are the splits train and val, somebody in each, and that another one is refused."""
    owner = Owner("dataset", type(dataset).__name__)
    check_splits(dataset, owner=owner)
    for split in dataset.splits():
        samples = read_split(dataset, split, owner=owner)
        require(any(sample.people for sample in samples), f"split({split!r}) has nobody")
    try:
        dataset.split("no such split")
    except PosenasError:
        return
    raise PosenasError("split gives samples for a split that it does not name")


def ids_are_unique(dataset: Dataset) -> None:
    """Check that every sample of a split has a 64-bit id of its own."""
    for split in dataset.splits():
        problem = ids_problem(dataset.split(split), split)
        require(not problem, problem)


def splits_stay_the_same(dataset: Dataset) -> None:
    """Check that asking for a split again gives the same images in the same order."""
    for split in dataset.splits():
        first, second = ([(each.id, str(each.source)) for each in dataset.split(split)] for _ in range(2))
        require(first == second, f"split({split!r}) gives other images, or another order, the second time")


def sizes_are_true(dataset: Dataset) -> None:
    """Check that pictures are RGB bytes of the size that their sample says, also in another process."""
    for split in dataset.splits():
        for sample in list(dataset.split(split))[:_READ]:
            image = pickle.loads(pickle.dumps(sample.source)).read()
            require(
                image.dtype == np.uint8 and image.shape == (sample.height, sample.width, 3),
                f"{sample.source} reads as {image.dtype} {image.shape}, and its sample says "
                f"{(sample.height, sample.width, 3)}",
            )


def people_are_whole(dataset: Dataset) -> None:
    """Check that everybody has all keypoints, finite where they are labelled, and a box with an area."""
    count = len(dataset.keypoints())
    for split in dataset.splits():
        for sample in dataset.split(split):
            for person in sample.people:
                problem = keypoints_problem(person, count) or _box_problem(person)
                require(not problem, f"split({split!r}), {sample.source}: {problem}")


def _box_problem(person: Person) -> str:
    if not np.isfinite(person.box).all() or min(person.box[2:]) < 0 or not person.area >= 0:
        return f"box {person.box} of area {person.area} is none"
    return ""


def instructions_help(dataset: Dataset) -> None:
    """Check that instructions say in words where the files must lie."""
    text = dataset.instructions()
    require(isinstance(text, str) and bool(text.strip()), f"instructions gives {text!r:.40}")


DATASET_CHECKS = (
    Check(
        splits_are_there, "name train and val in splits(), and raise posenas.PosenasError for any other name"
    ),
    Check(ids_are_unique, "number the images of a split, and keep a file's own id as file_id"),
    Check(splits_stay_the_same, "sort what is listed, and draw from a generator with a fixed seed"),
    Check(sizes_are_true, "take width and height from the picture, and let the source be picklable"),
    Check(people_are_whole, "give an unlabelled keypoint 0, 0, 0, and leave people without a box out"),
    Check(instructions_help, "return a sentence on where the files are from and where they must lie"),
)
