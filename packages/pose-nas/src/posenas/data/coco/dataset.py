"""Datasets in COCO's keypoint format. The file's category names its keypoints, so nothing is assumed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from annotated_types import Ge

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.file_ids import IdIndex, file_id, numbered
from posenas.contract.finding import Finding, finding
from posenas.contract.samples import Person, Sample
from posenas.data.coco.annotations import (
    annotation_name,
    choose_people,
    entries,
    people_by_image,
    read_images,
)
from posenas.data.coco.categories import left_out_by_category, people_keypoints
from posenas.data.coco.people import has_negative_box
from posenas.data.coco.values import quoted
from posenas.data.images.file_image import MOST_PIXELS, FileImage
from posenas.data.images.paths import ImageFolder, find_folder
from posenas.runs.files import is_file
from posenas.runs.strict_json import read_json

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet

_LONGEST_SIDE = 2**31 - 1


class _Split(NamedTuple):
    """What was read of a split, and what was left out of it."""

    keypoints: KeypointSet
    samples: tuple[Sample, ...]
    findings: tuple[Finding, ...]


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
        return ("train", "val")

    def split(self, name: str) -> Sequence[Sample]:
        """Return the images of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: if a file is missing or malformed, holds nobody, or the splits' keypoints differ.
        """
        if name not in self.splits():
            raise PosenasError(f"dataset coco: no split {name!r}; {suggestion(name, self.splits())}")
        if name == "val":
            return self._val.samples
        if self._train.keypoints.names != self.keypoints().names:
            train, val = self._train.keypoints.names, self.keypoints().names
            raise PosenasError(
                f"{self._annotations('train')} and {self._annotations('val')} name different keypoints: "
                f"{', '.join(train):.100} and {', '.join(val):.100}; give both the same, in the same order"
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
    def _train(self) -> _Split:
        return self._read("train")

    @cached_property
    def _val(self) -> _Split:
        return self._read("val")

    def _read(self, split: str) -> _Split:
        path = self._annotations(split)
        content = read_json(path, finite=False)
        if not isinstance(content, dict):
            raise PosenasError(
                f"{path}: not COCO annotations: no object with images, annotations, categories"
            )
        try:
            return self._understood(split, content, path)
        except PosenasError as error:
            raise PosenasError(str(error) if str(path) in str(error) else f"{path}: {error}") from None

    def _understood(self, split: str, content: Mapping[str, Any], path: Path) -> _Split:
        categories = entries(content, "categories")
        chosen = choose_people(entries(content, "annotations"), categories)
        keypoints, findings = people_keypoints(
            chosen.categories, sigmas=self.sigmas, pairs=self.pairs, name=path.stem, split=split
        )
        findings += left_out_by_category(chosen.left_out, categories, split=split)
        images = read_images(content)
        ids = [file_id(image["id"]) for image in images]
        people = people_by_image(chosen.annotations, IdIndex(ids), len(keypoints))
        if not people:
            instead = f": {findings[0]}" if findings else ""
            raise PosenasError(f"no person is annotated{instead}; choose another file with dataset.{split}")
        negative = (annotation_name(*each) for each in chosen.annotations if has_negative_box(each[1]))
        findings += finding(
            "people have a box of negative width or height, which is read from its other corner",
            negative,
            split=split,
        )
        names = [str(image["file_name"]) for image in images]
        files = ImageFolder(self._root(), self._images(split, names, path), self.follow_links).paths(
            names, path
        )
        samples = (
            _sample(image, FileImage(files[name], self.max_pixels), people.get(position, ()), number=number)
            for position, (number, image, name) in enumerate(zip(numbered(ids), images, names, strict=True))
        )
        return _Split(keypoints, tuple(samples), tuple(findings))

    def _annotations(self, split: str) -> Path:
        root = self._root()
        named = {"train": self.train, "val": self.val}[split]
        tried = [root / named] if named else [root / usual for usual in _usual_annotations(split)]
        for path in tried:
            if is_file(path):
                return path
        names = named or ", ".join(_usual_annotations(split))
        raise PosenasError(f"{root}: no annotations for {split}: there is no {names}; set dataset.{split}")

    def _images(self, split: str, names: Sequence[str], annotations: Path) -> Path:
        root = self._root()
        named = {"train": self.train_images, "val": self.val_images}[split]
        folders = (named,) if named else _usual_folders(split)
        found = find_folder(root, folders, names)
        if found is not None:
            return found
        raise PosenasError(
            f"{annotations}: none of its first images ({names[0]}, ...) lies in {root}, folder "
            f"{', '.join(folders)}; set dataset.{split}_images"
        )

    def _root(self) -> Path:
        if not self.root:
            raise PosenasError(f"dataset coco: dataset.root is not set. {self.instructions()}")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise PosenasError(
                f"dataset coco: dataset.root = {root.absolute()} is no folder. {self.instructions()}"
            )
        return root


def _usual_annotations(split: str) -> tuple[str, ...]:
    return (
        f"annotations/person_keypoints_{split}2017.json",
        f"annotations/person_keypoints_{split}.json",
        f"annotations/{split}.json",
        f"{split}.json",
    )


def _usual_folders(split: str) -> tuple[str, ...]:
    return (f"images/{split}2017", f"{split}2017", f"images/{split}", split, "images", ".")


def _sample(image: Mapping[str, Any], source: FileImage, people: Sequence[Person], *, number: int) -> Sample:
    identity = file_id(image["id"])
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, OverflowError, TypeError, ValueError):
        raise PosenasError(f"image {quoted(identity)} has no width and height in pixels; add them") from None
    if not 0 < min(width, height) <= max(width, height) <= _LONGEST_SIDE:
        raise PosenasError(
            f"image {quoted(identity)} is {quoted(width)} x {quoted(height)} pixels; "
            "mend its width and height"
        )
    return Sample(
        id=number,
        source=source,
        width=width,
        height=height,
        people=tuple(people),
        crowd_index=_crowd_index(image),
        file_id=None if type(identity) is int and identity == number else identity,
    )


def _crowd_index(image: Mapping[str, Any]) -> float | None:
    value = image.get("crowdIndex")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise PosenasError(
            f"image {quoted(image['id'])}: crowdIndex must be a number from 0, not {quoted(value)}"
        )
    return float(value)
