"""Datasets in COCO's keypoint format. The file's category names its keypoints, so nothing is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from posenas.contract.errors import PosenasError
from posenas.data.coco.annotations import PeopleEntries, ReadPeople
from posenas.data.coco.categories import people_keypoints
from posenas.data.coco.files import SPLITS, AnnotationFiles, check_split
from posenas.data.coco.people import TURNED, has_negative_box, read_person, read_pose
from posenas.data.coco.split import AnnotatedSplit, Reading, read_split
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

    root: Annotated[str, "folder with the annotations and the images"] = ""
    train: Annotated[str, "annotation file below root; empty looks for the usual names"] = ""
    val: Annotated[str, "annotation file below root; empty looks for the usual names"] = ""
    train_images: Annotated[str, "image folder below root; empty looks for the usual ones"] = ""
    val_images: Annotated[str, "image folder below root; empty looks for the usual ones"] = ""
    sigmas: Annotated[tuple[float, ...], "OKS constants, one a keypoint; empty chooses by name"] = ()
    pairs: Annotated[
        tuple[str, ...],
        "left and right keypoints, LEFT:RIGHT,LEFT:RIGHT; none says there are none; empty goes by the names",
    ] = ()
    max_pixels: Annotated[int, "images with more are refused before they are decoded", Ge(1)] = MOST_PIXELS
    follow_links: Annotated[bool, "whether images may be links to files outside root"] = False

    def keypoints(self) -> KeypointSet:
        return self._val.keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the images of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: if a file is missing or malformed, holds nobody, or the splits' keypoints differ.
        """
        check_split(name, dataset="coco")
        if name == "val":
            return self._val.samples
        if self._train.keypoints.names != self.keypoints().names:
            train, val = self._train.keypoints.names, self.keypoints().names
            raise PosenasError(
                f"{self._files('train').annotation_file()} and {self._files('val').annotation_file()} "
                f"name different keypoints: {', '.join(train):.100} and {', '.join(val):.100}; give both the "
                "same, in the same order"
            )
        return self._train.samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on annotations left out by category, turned boxes and an undrawn skeleton."""
        return (self._val if split == "val" else self._train).findings

    def instructions(self) -> str:
        return (
            "dataset.root is a folder with annotations in COCO's keypoint format and the images, as COCO's "
            "from https://cocodataset.org/#download: annotations/person_keypoints_train2017.json, "
            "images/train2017, and the same for val2017. Other names: dataset.train, .val, .train_images, "
            ".val_images, below root."
        )

    # Both are kept, since they are asked for often and COCO's training file takes seconds to read.
    @cached_property
    def _train(self) -> AnnotatedSplit:
        return self._read("train")

    @cached_property
    def _val(self) -> AnnotatedSplit:
        return self._read("val")

    def _read(self, split: str) -> AnnotatedSplit:
        files = self._files(split)

        def understand(chosen: PeopleEntries) -> Reading:
            keypoints, findings = people_keypoints(
                chosen.categories,
                sigmas=self.sigmas,
                pairs=self.pairs,
                name=files.annotation_file().stem,
                split=split,
            )

            def read(annotation: Mapping[str, Any], _image: Mapping[str, Any]) -> ReadPeople:
                pose = read_pose(annotation.get("keypoints"), len(keypoints))
                person = read_person(annotation, pose)
                return ReadPeople((person,), (TURNED,) if has_negative_box(annotation) else ())

            return Reading(keypoints, read, findings)

        return read_split(files, understand)

    def _files(self, split: str) -> AnnotationFiles:
        return AnnotationFiles(
            dataset="coco",
            split=split,
            root=self.root,
            annotations={"train": self.train, "val": self.val}[split],
            usual_annotations=_usual_annotations(split),
            images={"train": self.train_images, "val": self.val_images}[split],
            instructions=self.instructions(),
            max_pixels=self.max_pixels,
            follow_links=self.follow_links,
        )


def _usual_annotations(split: str) -> tuple[str, ...]:
    return (
        f"annotations/person_keypoints_{split}2017.json",
        f"annotations/person_keypoints_{split}.json",
        f"annotations/{split}.json",
        f"{split}.json",
    )
