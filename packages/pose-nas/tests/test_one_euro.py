"""The One-Euro filter: a literal filter of one number as oracle, and what it promises of people and times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.prediction.one_euro import OneEuroFilter, Smoothed

Frame = tuple[float, Mapping[int, NDArray[np.float64]]]


class Number:
    """The paper's algorithm for one coordinate: a low-pass for the value and one for its derivative."""

    def __init__(self, min_cutoff: float, beta: float, d_cutoff: float) -> None:
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.value: float | None = None
        self.derivative = 0.0
        self.time = 0.0

    def filter(self, value: float, time: float) -> float:
        if self.value is None or math.isnan(value) or math.isnan(self.value):
            self.value, self.derivative = value, 0.0
        else:
            period = time - self.time
            alpha = self.alpha(self.d_cutoff, period)
            change = (value - self.value) / period
            self.derivative = alpha * change + (1 - alpha) * self.derivative
            alpha = self.alpha(self.min_cutoff + self.beta * abs(self.derivative), period)
            self.value = alpha * value + (1 - alpha) * self.value
        self.time = time
        return self.value

    @staticmethod
    def alpha(cutoff: float, period: float) -> float:
        rate = 2 * math.pi * cutoff * period
        return rate / (rate + 1)


def literal(frames: Sequence[Frame], **options: float) -> list[dict[int, list[list[float]]]]:
    """Every coordinate of everybody in a filter of its own, thrown away where the person is missing."""
    numbers: dict[tuple[int, int, int], Number] = {}
    results = []
    for time, poses in frames:
        for key in list(numbers):
            if key[0] not in poses:
                del numbers[key]
        result: dict[int, list[list[float]]] = {}
        for person, pose in poses.items():
            result[person] = [[0.0, 0.0] for _ in pose]
            for k in range(len(pose)):
                for axis in (0, 1):
                    number = numbers.setdefault((person, k, axis), Number(**options))
                    result[person][k][axis] = number.filter(float(pose[k, axis]), time)
        results.append(result)
    return results


def filtered(frames: Sequence[Frame], **options: float) -> list[Smoothed]:
    state, found = Smoothed(), []
    for time, poses in frames:
        state = OneEuroFilter(**options).follow(state, poses, seconds=time)
        found.append(state)
    return found


def walk(rng: np.random.Generator, frames: int) -> list[Frame]:
    """People who come, go and come back, in frames of which some are left out; some keypoints are NaN."""
    places = {person: rng.random((4, 2)) * 100 for person in range(4)}
    found: list[Frame] = []
    for number in range(frames):
        poses = {}
        for person in rng.permutation(4).tolist():
            places[person] = places[person] + rng.normal(0, 3, (4, 2))
            if rng.random() < 0.8:
                poses[person] = places[person].copy()
                poses[person][rng.random(4) < 0.1] = np.nan
        if rng.random() < 0.8:
            found.append((number / 25, poses))
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"min_cutoff": 1.0, "beta": 0.0, "d_cutoff": 1.0},
        {"min_cutoff": 0.3, "beta": 0.05, "d_cutoff": 2.0},
        {"min_cutoff": 5.0, "beta": 1.0, "d_cutoff": 0.1},
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_literal_filter(seed: int, options: dict[str, float]) -> None:
    frames = walk(np.random.default_rng(seed), 60)
    for smoothed, expected in zip(filtered(frames, **options), literal(frames, **options), strict=True):
        assert smoothed.poses.keys() == expected.keys()
        for person, pose in smoothed.poses.items():
            np.testing.assert_allclose(pose, np.array(expected[person]), rtol=0, atol=1e-9)


def one(*values: float, rate: float = 10.0, **options: float) -> list[float]:
    """One coordinate through frames from time 0."""
    frames = [(number / rate, {5: np.array([[value, 0.0]])}) for number, value in enumerate(values)]
    return [float(each.poses[5][0, 0]) for each in filtered(frames, **options)]


def test_a_step_is_followed_exponentially() -> None:
    """With beta 0 the rest of a step shrinks by 1 / (1 + 2 pi cut-off x period) a frame."""
    shrinks = 1 / (1 + 2 * math.pi * 1.5 / 10)
    found = one(0, 100, 100, 100, min_cutoff=1.5)
    assert found == pytest.approx([0, *(100 - 100 * shrinks**n for n in (1, 2, 3))])


def test_the_first_frame_counts_also_at_time_0() -> None:
    assert one(7, 7, 7) == [7, 7, 7]
    assert 7 < one(7, 17)[1] < 17


def test_beta_lessens_the_lag_of_what_is_fast() -> None:
    ramp = [10.0 * n for n in range(30)]
    lags = [ramp[-1] - one(*ramp, beta=beta)[-1] for beta in (0.0, 0.01, 0.1)]
    assert lags[0] > 2 * lags[1] > 4 * lags[2] > 0


def test_a_still_keypoint_jitters_less() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 400).tolist()
    assert np.std(one(*noise, rate=30, min_cutoff=0.5)[50:]) < 0.3 * np.std(noise[50:])


def test_a_gap_counts_by_its_time() -> None:
    """Two frames a second apart are followed as closely as the cut-off allows in a second."""
    pose = {1: np.array([[0.0, 0.0]])}, {1: np.array([[100.0, 0.0]])}
    short, long = (filtered([(0.0, pose[0]), (gap, pose[1])])[1].poses[1][0, 0] for gap in (0.04, 1.0))
    assert short == pytest.approx(100 * 2 * math.pi * 0.04 / (1 + 2 * math.pi * 0.04))
    assert long == pytest.approx(100 * 2 * math.pi / (1 + 2 * math.pi))


def test_who_comes_back_begins_anew() -> None:
    here, there = np.array([[0.0, 0.0]]), np.array([[100.0, 50.0]])
    states = filtered([(0.0, {1: here, 2: here}), (0.1, {2: here}), (0.2, {1: there, 2: there})])
    assert states[1].poses.keys() == {2}
    assert states[2].poses[1].tolist() == there.tolist()
    assert (states[2].poses[2] < there).all()
    assert states[2].speeds[1].tolist() == [[0, 0]]


def test_a_keypoint_that_comes_back_begins_anew() -> None:
    found = one(0, math.nan, 100, 110)
    assert found[0] == 0
    assert math.isnan(found[1])
    assert found[2] == 100
    assert 100 < found[3] < 110


def test_infinite_places_are_like_missing_ones() -> None:
    assert one(0, math.inf, math.inf, 3, 3) == [0, math.inf, math.inf, 3, 3]


def test_poses_stay_as_they_were() -> None:
    first, second = np.zeros((2, 2)), np.ones((2, 2))
    state = OneEuroFilter().follow(Smoothed(), {1: first}, seconds=0)
    state.poses[1][0] = 5
    OneEuroFilter().follow(state, {1: second}, seconds=1)
    assert (first == 0).all()
    assert (second == 1).all()
    assert state.poses[1].tolist() == [[5, 5], [0, 0]]


@pytest.mark.parametrize("seconds", [1.0, 0.5, math.nan])
def test_time_goes_on(seconds: float) -> None:
    state = OneEuroFilter().follow(Smoothed(), {}, seconds=1.0)
    with pytest.raises(ValueError, match=r"cannot follow one at 1\.0 s"):
        OneEuroFilter().follow(state, {}, seconds=seconds)


@pytest.mark.parametrize("options", [{"min_cutoff": 0}, {"beta": -1}, {"d_cutoff": 0}, {"beta": math.nan}])
def test_options_have_ranges(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be above 0, and beta"):
        OneEuroFilter(**options)
