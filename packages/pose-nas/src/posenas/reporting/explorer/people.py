"""The people whose poses are shown of every candidate: one small picture each, and the true pose."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.samples import Sample, UnreadableImageError
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.affine import crop_matrix, transform, warp
from posenas.data.examples import find_examples
from posenas.data.images.source import read_source
from posenas.reporting.explorer.skeletons import Skeleton, skeleton

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.components import Dataset
    from posenas.contract.keypoints import KeypointSet

_CROP = View("person", 256, 192)
_CROP_WITH_REGIONS = View("person", 512, 384)
_QUALITY = 80


@dataclass(frozen=True, order=True)
class PersonName:
    """Where a person is found: the dataset's split, the image's id, and the place among its people."""

    split: str
    image: int
    person: int


@dataclass(frozen=True)
class ShownPerson:
    """A person with a picture.

    Attributes:
        sample: the image, with this person alone.
        matrix: (2, 3) from pixels of the image to pixels of the picture.
        view: the size of the picture.
        picture: a JPEG file.
        truth: the true pose.
    """

    sample: Sample
    matrix: NDArray[np.float64]
    view: View
    picture: bytes
    truth: Skeleton


def read_people(
    dataset: Dataset, names: Collection[PersonName]
) -> tuple[Mapping[PersonName, ShownPerson], Sequence[str]]:
    """Return the people that can be shown, and a line for each that cannot.

    Args:
        dataset: has their splits; those alone are read that a name mentions.
        names: who is asked for.
    """
    people, problems = {}, []
    for split in sorted({name.split for name in names}):
        try:
            samples = {sample.id: sample for sample in dataset.split(split)}
            keypoints = dataset.keypoints()
        except PosenasError as error:
            problems.append(f"The people of {split} cannot be read: {error}")
            continue
        for name in sorted(name for name in names if name.split == split):
            sample = samples.get(name.image)
            if sample is None or not 0 <= name.person < len(sample.people):
                problems.append(f"Image {name.image} of {split} lacks the person whose poses were kept.")
                continue
            try:
                people[name] = _shown(sample, name.person, keypoints)
            except UnreadableImageError as error:
                problems.append(f"Image {sample.written_id} cannot be shown: {error}")
    return people, problems


def _shown(sample: Sample, index: int, keypoints: KeypointSet) -> ShownPerson:
    person = sample.people[index]
    view = _CROP_WITH_REGIONS if keypoints.regions else _CROP
    matrix = crop_matrix(person.box, view)
    crop = cv2.cvtColor(warp(read_source(sample.source), matrix, view), cv2.COLOR_RGB2BGR)
    picture = bytes(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
    truth = skeleton(
        transform(matrix, person.keypoints[:, :2]), person.keypoints[:, 2] > 0, keypoints=keypoints
    )
    return ShownPerson(replace(sample, people=(person,)), matrix, view, picture, truth)


def drawn_pose(
    person: ShownPerson, pose: NDArray[np.float64] | None, *, keypoints: KeypointSet
) -> tuple[float, Skeleton]:
    """Return the OKS of a predicted pose and the true one, and the pose in the person's picture.

    Args:
        person: whose pose it is.
        pose: (K, 2) pixels of the image, not finite where a keypoint has no place; None where nobody was
            predicted.
        keypoints: of both poses.

    Raises:
        PosenasError: where the pose has another number of keypoints.
    """
    if pose is None:
        return 0.0, Skeleton("", "", "")
    predicted = Predictions(
        np.array([person.sample.id]), pose[None], np.ones((1, len(pose))), scores=np.ones(1)
    )
    (example,) = find_examples(predicted, GroundTruth(keypoints, [person.sample]))
    finite = np.asarray(np.isfinite(pose).all(axis=1), np.bool_)
    places = transform(person.matrix, np.where(finite[:, None], pose, 0.0))
    return example.similarity, skeleton(places, finite, keypoints=keypoints)
