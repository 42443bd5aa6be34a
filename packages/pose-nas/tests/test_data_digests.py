"""Digests of a dataset: what they cover, and that those of older runs still hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.samples import Person, Sample
from posenas.data.digests import annotations_digest, keypoints_digest
from posenas.data.images.file_image import FileImage

POSE = np.arange(51.0).reshape(17, 3)
SOMEONE = Person((1.0, 2.0, 3.0, 4.0), POSE, 12.0, id=7)
CROWD = Person((0.0, 0.0, 1.0, 1.0), POSE, 1.0, crowd=True)


def digest(*people: Person) -> str:
    return annotations_digest([Sample(3, FileImage(Path("a.jpg")), 40, 30, people)])


def test_data_without_regions_keep_the_digests_from_before_there_were_regions() -> None:
    assert keypoints_digest(COCO_17) == "17 keypoints, a04e392e62f2b006"
    assert digest(SOMEONE, CROWD) == "2 people, c88173d3c0b5e54e"


def test_digests_cover_the_boxes_and_the_names_of_regions() -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    boxes = ({}, {"head": box}, {"face": box}, {"face": (1.0, 2.0, 3.0, 5.0)}, {"face": box, "head": box})
    assert len({digest(replace(SOMEONE, regions=regions)) for regions in boxes}) == len(boxes)
    assert keypoints_digest(replace(COCO_WHOLEBODY_133, regions={})) != keypoints_digest(COCO_WHOLEBODY_133)


def test_digests_cover_videos_and_tracks() -> None:
    sample = Sample(3, FileImage(Path("a.jpg")), 40, 30, (SOMEONE,))
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    others = [
        sample,
        replace(sample, video="a"),
        replace(sample, video="b"),
        replace(sample, video="a", frame=1),
        replace(sample, ignored=(square,)),
        replace(sample, ignored=(square + 1,)),
        replace(sample, people=(replace(SOMEONE, track=0),)),
        replace(sample, people=(replace(SOMEONE, track=1),)),
    ]
    assert len({annotations_digest([each]) for each in others}) == len(others)
