"""Scores by the distance from the key frame: each frame's poses against the people looked at there."""

from __future__ import annotations

import numpy as np
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.searching.frame_scores import scores_by_frame

FRAMES = 3


class NoPixels:
    """A picture that nobody reads."""

    def read(self) -> np.ndarray:
        raise AssertionError


def truth() -> GroundTruth:
    """Return a video of two clips, the second one of two frames, of somebody who moves a pixel a frame."""
    samples = []
    for frame in range(5):
        keypoints = np.column_stack([np.full(17, float(frame)), np.zeros(17), np.full(17, 2.0)])
        person = Person((0.0, 0.0, 10.0, 10.0), keypoints, 80.0, track=1)
        samples.append(Sample(10 + frame, NoPixels(), 20, 20, (person,), video="a", frame=frame))
    return GroundTruth(COCO_17, samples)


SCORED = np.array([True, True, True, True, True, False])


def predictions() -> Predictions:
    """Return poses that are further from the truth with each frame after the key frame."""
    places = np.zeros((5, 17, 2))
    places[:, :, 0] = (np.arange(5) + np.array([0, 1, 2, 0, 1]))[:, None]
    return Predictions(np.arange(10, 15), places, np.ones((5, 17)), np.ones(5))


def mean_distance(found: Predictions, of_frame: GroundTruth) -> float:
    true = {sample.id: sample.people[0].keypoints[0, 0] for sample in of_frame.samples}
    assert [*true] == found.image_ids.tolist()
    return float(
        np.mean([abs(x - true[image]) for image, x in zip(true, found.keypoints[:, 0, 0], strict=True)])
    )


def test_each_frame_is_measured_over_its_own_poses_and_people() -> None:
    found = scores_by_frame(mean_distance, predictions(), truth(), scored=SCORED, frames=FRAMES)
    assert found == [
        {"people": 2, "score": 0.0},
        {"people": 2, "score": 1.0},
        {"people": 1, "score": 2.0},
    ]


def test_a_frame_that_nobody_is_looked_at_in_has_no_score() -> None:
    lone = GroundTruth(COCO_17, truth().samples[:1])
    scored = np.array([True, False, False])
    found = scores_by_frame(
        mean_distance, predictions().chosen(np.array([0])), lone, scored=scored, frames=FRAMES
    )
    assert found == [{"people": 1, "score": 0.0}, {"people": 0, "score": None}, {"people": 0, "score": None}]


def test_an_evaluator_that_refuses_so_few_people_is_quoted() -> None:
    def demanding(found: Predictions, of_frame: GroundTruth) -> float:
        if len(of_frame.samples) < 2:
            raise PosenasError("nobody has a head box")
        return mean_distance(found, of_frame)

    found = scores_by_frame(demanding, predictions(), truth(), scored=SCORED, frames=FRAMES)
    assert [each["score"] for each in found] == [0.0, 1.0, None]
    assert found[2]["reason"] == "nobody has a head box"
