"""The poses of a few people that a candidate keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.runs.strict_json import parse_json
from posenas.searching.example_poses import chosen_people, example_poses


class Nothing:
    """A source that nobody reads."""

    def read(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        raise AssertionError


def person(offset: float, *, labelled: int = 17, crowd: bool = False) -> Person:
    keypoints = np.full((17, 3), 2.0)
    keypoints[:, :2] = offset + np.arange(34).reshape(17, 2)
    keypoints[labelled:, 2] = 0
    return Person((offset, offset, 40.0, 40.0), keypoints, area=1600.0, crowd=crowd)


def sample(number: int, *people: Person) -> Sample:
    return Sample(number, Nothing(), 200, 200, people)


def test_well_labelled_people_are_taken_at_even_steps() -> None:
    few, crowd = person(0, labelled=8), person(0, crowd=True)
    samples = [sample(number, few, crowd, person(number), person(50)) for number in range(5)]
    chosen = [(image.id, index) for image, index in chosen_people(samples, 4)]
    assert chosen == [(0, 2), (1, 3), (3, 2), (4, 3)]
    assert len(chosen_people(samples, 100)) == 10
    assert chosen_people([sample(0, crowd), sample(1, person(0, labelled=0))], 4) == []


def test_each_has_the_nearest_pose_of_its_image_in_plain_data() -> None:
    samples = [sample(7, person(0), person(100)), sample(3)]
    truth = GroundTruth(COCO_17, [*samples, sample(9, person(20))])
    poses = np.array([person(offset).keypoints[:, :2] for offset in (101.04, 2.0, 0.0)])
    poses[1, 4] = np.nan
    poses[1, 5] = 1e9
    predictions = Predictions(np.array([7, 7, 3]), poses, np.ones((3, 17)), np.ones(3))
    found = example_poses(predictions, truth, number=3)
    assert [(pose["image"], pose["person"]) for pose in found] == [(7, 0), (7, 1), (9, 0)]
    near, far, nobody = (pose["keypoints"] for pose in found)
    assert near[3:7] == [[8.0, 9.0], None, None, [14.0, 15.0]]
    assert far[0] == [101.0, 102.0]
    assert nobody is None
    assert parse_json(str(found).replace("'", '"').replace("None", "null").encode()) == found
