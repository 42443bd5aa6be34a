"""The dataset `wbh`: hands alone, with 21 keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from posenas.annotations import (
    MOST_PIXELS,
    SPLITS,
    AnnotationsOption,
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    ReadPeople,
    RootOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
    reads_once,
)

from data_cocowholebody.datasets.keypoint_sets import HAND_21
from data_cocowholebody.datasets.parts import LEFT_HAND, RIGHT_HAND, part_alone, read_part
from data_cocowholebody.datasets.reading import instructions, read_annotated

if TYPE_CHECKING:
    from posenas import Finding, KeypointSet, Person, Sample
    from posenas.annotations import AnnotatedSplit


@dataclass(frozen=True)
class HandsDataset:
    """Hands in COCO-WholeBody's files (WBH): each is a person of 21 keypoints, whose box is the hand's.

    The images are COCO's; the hands are cut out of them as people are. Left and right hands are separate and
    have the same keypoints, so a mirrored picture of one is a picture of the other. Only valid hands with a
    box and a labelled keypoint count. The area is the box's. Images without such a hand are kept.

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
        """Return the images of `train` or `val` with their hands, in the order of the file.

        Raises:
            PosenasError: if a file is missing, malformed, or not COCO-WholeBody's.
        """
        return self._annotated(name).samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on hands whose fields are missing or contradict each other, and on their boxes."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return instructions()

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        read = partial(read_annotated, self, dataset="wbh", keypoints=HAND_21, read=_hands, who="hand")
        return reads_once(self, read, dataset="wbh")


def _hands(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> ReadPeople:
    parts = [(part.words, read_part(annotation, part, image)) for part in (LEFT_HAND, RIGHT_HAND)]
    hands = [_named(part_alone(annotation, part), words) for words, part in parts]
    remarks = tuple(remark for _, part in parts for remark in part.remarks)
    return ReadPeople(tuple(hand for hand in hands if hand), remarks)


def _named(hand: Person | None, words: str) -> Person | None:
    """Return the hand with an id of its own, since its owner's other hand has the same annotation."""
    return replace(hand, id=f"{hand.id} {words}") if hand and hand.id != 0 else hand
