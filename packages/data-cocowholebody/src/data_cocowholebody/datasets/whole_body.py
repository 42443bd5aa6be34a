"""The dataset `cocowholebody`: people with 133 keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from posenas import COCO_17, COCO_WHOLEBODY_133, Finding
from posenas.annotations import (
    MOST_PIXELS,
    SPLITS,
    TURNED,
    AnnotationsOption,
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    ReadPeople,
    RootOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
    has_negative_box,
    read_person,
    read_pose,
    reads_once,
)

from data_cocowholebody.datasets.parts import PARTS, read_part, unpacked
from data_cocowholebody.datasets.reading import instructions, read_annotated

if TYPE_CHECKING:
    from posenas import KeypointSet, Sample
    from posenas.annotations import AnnotatedSplit


@dataclass(frozen=True)
class WholeBodyDataset:
    """People with 133 keypoints in COCO-WholeBody's files.

    A person has COCO's 17 keypoints, then six of the feet, 68 of the face and 21 of each hand, and the
    regions `face`, `left_hand` and `right_hand`. A part that the file calls not valid has no region;
    its keypoints count as far as they are labelled. Images without people and crowds are kept: evaluation
    needs them. The field `num_keypoints`, which counts the body's alone, is not read.

    Source: "Whole-body human pose estimation in the wild", ECCV 2020.
    """

    root: RootOption = ""
    train: AnnotationsOption = ""
    val: AnnotationsOption = ""
    train_images: ImagesOption = ""
    val_images: ImagesOption = ""
    val_share: ValShareOption = 0.0
    val_together: ValTogetherOption = "image"
    val_seed: ValSeedOption = 0
    max_pixels: MaxPixelsOption = MOST_PIXELS
    follow_links: FollowLinksOption = False

    def keypoints(self) -> KeypointSet:
        return self._annotated("val").keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the images of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: if a file is missing, malformed, or not COCO-WholeBody's.
        """
        return self._annotated(name).samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on fields that are missing or contradict each other, and on boxes."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return instructions()

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        return reads_once(self, self._read, dataset="cocowholebody")

    def _read(self, split: str) -> AnnotatedSplit:
        found = read_annotated(
            self, split, dataset="cocowholebody", keypoints=COCO_WHOLEBODY_133, read=_reader(), who="person"
        )
        return found._replace(findings=(*found.findings, *_placeless(found.samples, split)))


def _reader() -> Callable[[Mapping[str, Any], Mapping[str, Any]], ReadPeople]:
    """Return a function that gives the person of an annotation, from it and the entry of its image.

    COCO-WholeBody lists 262,465 people for training. Many have no keypoints, and they all share one array.
    """
    nothing = np.zeros((len(COCO_WHOLEBODY_133), 3))

    def read(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> ReadPeople:
        body = read_pose(unpacked(annotation.get("keypoints")), len(COCO_17))
        parts = [read_part(annotation, part, image) for part in PARTS]
        pose = np.concatenate([body, *(each.pose for each in parts)])
        person = read_person(annotation, pose if pose.any() else nothing)
        regions = {part.name: each.box for part, each in zip(PARTS, parts, strict=True) if each.box}
        remarks = [TURNED] if has_negative_box(annotation) else []
        remarks += [remark for each in parts for remark in each.remarks]
        return ReadPeople((replace(person, regions={**person.regions, **regions}),), tuple(remarks))

    return read


def _placeless(samples: Sequence[Sample], split: str) -> list[Finding]:
    """Return a finding for each region that nobody has."""
    known = {region for sample in samples for person in sample.people for region in person.regions}
    return [
        Finding(
            f"{part.words} is valid and has a box, so its place and its keypoints cannot be learnt",
            0,
            split=split,
        )
        for part in PARTS
        if part.boxed and part.name not in known
    ]
