"""Datasets in COCO's keypoint format. The file's category names its keypoints, so nothing is assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from posenas.contract.errors import PosenasError
from posenas.data.coco.annotations import PeopleEntries, PeopleRule, ReadPeople
from posenas.data.coco.categories import people_keypoints
from posenas.data.coco.files import SPLITS, AnnotationFiles, annotation_files
from posenas.data.coco.people import TURNED, has_negative_box, read_person, read_pose, with_margin
from posenas.data.coco.split import AnnotatedSplit, Reading, image_size, read_split, reads_once
from posenas.data.file_options import (
    AnnotationsOption,
    BoxMarginOption,
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    RootOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
)
from posenas.data.images.file_image import MOST_PIXELS

if TYPE_CHECKING:
    from posenas.contract.finding import Finding
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample


@dataclass(frozen=True)
class CocoDataset:
    """People in files of COCO's keypoint format.

    A person without a `bbox`, or with one of no size, has the box around the labelled keypoints; one without
    `area` has the box's. Images without people and crowds are kept: evaluation needs them. Two fields that
    COCO's own files lack are read for the evaluators: an annotation's `bbox_head` (x, y, width, height, as in
    PoseTrack18) and an image's `crowdIndex` (as in CrowdPose).

    Ids are numbers of any size or text, and results are written with them as they are. Several categories
    with the same keypoints are one set of people; annotations of other categories are left out, and noticed.
    """

    root: RootOption = ""
    train: AnnotationsOption = ""
    val: AnnotationsOption = ""
    train_images: ImagesOption = ""
    val_images: ImagesOption = ""
    val_share: ValShareOption = 0.0
    val_together: ValTogetherOption = "image"
    val_seed: ValSeedOption = 0
    category: Annotated[str, "name of the people's category; empty takes all that list keypoints"] = ""
    keypoint_names: Annotated[
        tuple[str, ...],
        "names of the keypoints, or a known set such as coco-17, if the file names none or wrong ones",
    ] = ()
    box_margin: BoxMarginOption = 0.0
    sigmas: Annotated[tuple[float, ...], "OKS constants, one a keypoint; empty chooses by name"] = ()
    pairs: Annotated[
        tuple[str, ...],
        "left and right keypoints, LEFT:RIGHT,LEFT:RIGHT; none says there are none; empty goes by the names",
    ] = ()
    max_pixels: MaxPixelsOption = MOST_PIXELS
    follow_links: FollowLinksOption = False

    def keypoints(self) -> KeypointSet:
        return self._annotated("val").keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the images of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: if a file is missing or malformed, holds nobody, or the splits' keypoints differ.
        """
        found = self._annotated(name)
        if found.keypoints.names != self.keypoints().names:
            train, val = found.keypoints.names, self.keypoints().names
            raise PosenasError(
                f"{self._files('train').annotation_file()} and {self._files('val').annotation_file()} "
                f"name different keypoints: {', '.join(train):.100} and {', '.join(val):.100}; give both the "
                "same, in the same order"
            )
        return found.samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on annotations left out by category, turned boxes and an undrawn skeleton."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return (
            "dataset.root is a folder with annotations in COCO's keypoint format and the images, as COCO's "
            "from https://cocodataset.org/#download: annotations/person_keypoints_train2017.json, "
            "images/train2017, and the same for val2017. Other names: dataset.train, .val, .train_images, "
            ".val_images, below root. One file without splits: dataset.val_share=0.2."
        )

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        return reads_once(self, self._read, dataset="coco")

    def _read(self, split: str) -> AnnotatedSplit:
        files = self._files(split)

        def understand(chosen: PeopleEntries) -> Reading:
            keypoints, findings = people_keypoints(
                chosen.categories,
                given=self.keypoint_names,
                sigmas=self.sigmas,
                pairs=self.pairs,
                name=files.annotation_file().stem,
                split=split,
            )

            def read(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> ReadPeople:
                pose = read_pose(annotation.get("keypoints"), len(keypoints))
                person = read_person(annotation, pose)
                if self.box_margin:
                    person = with_margin(person, self.box_margin, size=image_size(image))
                return ReadPeople((person,), (TURNED,) if has_negative_box(annotation) else ())

            return Reading(keypoints, read, findings)

        rule = PeopleRule(self.category, bool(self.keypoint_names))
        return read_split(files, understand, rule=rule, shrink=_without_segment)

    def _files(self, split: str) -> AnnotationFiles:
        usual = {each: _usual_annotations(each) for each in SPLITS}
        return annotation_files(self, split, dataset="coco", usual=usual, instructions=self.instructions())


def _usual_annotations(split: str) -> tuple[str, ...]:
    return (
        f"annotations/person_keypoints_{split}2017.json",
        f"annotations/person_keypoints_{split}.json",
        f"annotations/{split}.json",
        f"{split}.json",
    )


def _without_segment(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an object of the file without its outline, which nothing reads and which is most of it."""
    entry.pop("segmentation", None)
    return entry
