"""Keypoint objects without an anchor slot of their own, against a loop, and on real images."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from head_kapao.anchors import ANCHORS, REFERENCE_SIZE
from head_kapao.head import KapaoHead
from head_kapao.slots import count_shared
from posenas import COCO_17, Foreseeing, Person, Sample, View
from posenas.data.coco.dataset import CocoDataset
from posenas.standard.synthetic.dataset import SyntheticDataset


class NoPicture:
    def read(self) -> np.ndarray:
        raise AssertionError("no picture is read to count slots")


def sample(*poses: list[tuple[float, float]], side: int) -> Sample:
    """People in a square image who have as many keypoints as they have points."""
    people = []
    for points in poses:
        keypoints = np.zeros((17, 3))
        keypoints[: len(points), :2], keypoints[: len(points), 2] = points, 2
        people.append(Person(box=(0.0, 0.0, side, side), keypoints=keypoints, area=1.0))
    return Sample(1, NoPicture(), side, side, tuple(people))


def view(side: int) -> View:
    return KapaoHead(input_size=(side, side)).view()


def literal(points: list[tuple[float, float]], box: float, side: int, keypoint_size: float) -> int:
    """How many points have no slot that is theirs alone; cells by a loop over neighbours."""
    taken = defaultdict(set)
    objects = [(x, y, keypoint_size * side) for x, y in points]
    for number, (x, y, size) in enumerate([(box / 2 - 0.5, box / 2 - 0.5, box), *objects]):
        for stride, anchors in ANCHORS.items():
            for anchor, sides in enumerate(anchors):
                scaled = [each * side / REFERENCE_SIZE for each in sides]
                if max(max(size / each, each / size) for each in scaled) >= 4:
                    continue
                cells, (column, row) = side // stride, (x / stride, y / stride)
                places = {(int(column), int(row))}
                for axis, value in enumerate((column, row)):
                    step = (
                        -1
                        if value % 1 < 0.5 and value > 1
                        else 1
                        if value % 1 > 0.5 and value < cells - 1
                        else 0
                    )
                    places.add((int(column) + step * (axis == 0), int(row) + step * (axis == 1)))
                for place in places:
                    taken[stride, anchor, place].add(number)
    own = {next(iter(takers)) for takers in taken.values() if len(takers) == 1}
    return sum(number not in own for number in range(1, len(objects) + 1))


@pytest.mark.parametrize("side", [192, 320, 640])
@pytest.mark.parametrize("keypoint_size", [0.01, 0.05, 0.2])
def test_counts_are_those_of_a_loop(side: int, keypoint_size: float) -> None:
    rng = np.random.default_rng(side)
    for spread in (0.03, 0.1, 0.5):
        middle = side / 2 - 0.5
        points = [
            (middle + x, middle + y) for x, y in rng.uniform(-spread * side, spread * side, (17, 2)) / 2
        ]
        found, shared = count_shared(
            [sample(points, side=side)], 17, view=view(side), keypoint_size=keypoint_size
        )
        assert found.tolist() == [1] * 17
        assert shared.sum() == literal(points, side, side, keypoint_size)


def test_who_is_alone_has_slots_and_who_lies_together_has_none() -> None:
    apart, together = [(60.0, 60.0), (250.0, 250.0)], [(60.0, 60.0), (60.0, 60.0)]
    for points, expected in ((apart, [0, 0]), (together, [1, 1])):
        _, shared = count_shared([sample(points, side=320)], 17, view=view(320), keypoint_size=0.05)
        assert shared[:2].tolist() == expected


def test_a_square_that_fits_no_anchor_has_no_slot() -> None:
    _, shared = count_shared([sample([(60.0, 60.0)], side=320)], 17, view=view(320), keypoint_size=0.001)
    assert shared[0] == 1


def test_the_head_tells_the_share_and_what_a_larger_input_makes_of_it() -> None:
    head = KapaoHead()
    assert isinstance(head, Foreseeing)
    samples = SyntheticDataset(train_images=24, val_images=2, max_people=6).split("train")
    (line,) = head.foresee(samples, COCO_17)
    assert line.startswith(("1", "2"))
    assert "of 24 training images" in line
    assert "head.input_size=320,320" in line
    assert "with 640,640 it would be" in line
    assert "eye" in line
    assert len(line) < 400
    assert KapaoHead(input_size=(1280, 1280)).foresee(samples, COCO_17) == []
    assert head.foresee([], COCO_17) == []


DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "coco-mini"


@pytest.mark.skipif(not DATA.is_dir(), reason="no photographs: POSENAS_TEST_DATA is not set")
@pytest.mark.parametrize(
    ("side", "share", "nose"), [(320, 0.205, 0.49), (640, 0.038, 0.15), (1280, 0.004, 0.1)]
)
def test_shares_on_real_images(side: int, share: float, nose: float) -> None:
    samples = CocoDataset(root=str(DATA)).split("val")
    found, shared = count_shared(samples, 17, view=view(side), keypoint_size=0.05)
    assert shared.sum() / found.sum() == pytest.approx(share, abs=0.005)
    assert shared[0] / found[0] <= nose + 0.01
