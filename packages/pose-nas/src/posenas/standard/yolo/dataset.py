"""The dataset `yolo`: people in the text files of ultralytics' pose models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from posenas.contract.errors import PosenasError
from posenas.data.coco.files import SPLITS, check_split
from posenas.data.coco.split import AnnotatedSplit, divide
from posenas.data.file_options import (
    BoxMarginOption,
    FollowLinksOption,
    MaxPixelsOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
)
from posenas.data.images.file_image import MOST_PIXELS
from posenas.data.images.search import files_below
from posenas.data.other_formats import first_other_format, no_folder
from posenas.standard.yolo.description import Description, find_description
from posenas.standard.yolo.keypoints import keypoint_set
from posenas.standard.yolo.places import Places
from posenas.standard.yolo.split import choose_classes, read_split

if TYPE_CHECKING:
    from posenas.contract.finding import Finding
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample

_DEEPEST_LABELS = 3


@dataclass(frozen=True)
class YoloDataset:
    """People in ultralytics' pose files: `data.yaml`, pictures, and a text file of labels for each picture.

    A line of labels is a person: class, box, and K keypoints of x, y or x, y, visibility, in shares of the
    picture. A person's area is the box's. A picture without a label file shows nobody. Results know a picture
    by its file's name, as a number if all names are numbers, and a class by its number plus 1, as
    ultralytics writes both.
    """

    root: Annotated[str, "folder with data.yaml, pictures and labels"] = ""
    description: Annotated[str, "data.yaml below root; empty looks for the usual names"] = ""
    train: Annotated[str, "folder of pictures or labels, or list of pictures; empty goes by data.yaml"] = ""
    val: Annotated[str, "folder of pictures or labels, or list of pictures; empty goes by data.yaml"] = ""
    train_images: Annotated[str, "folder of the pictures, if they lie elsewhere than data.yaml says"] = ""
    val_images: Annotated[str, "folder of the pictures, if they lie elsewhere than data.yaml says"] = ""
    val_share: ValShareOption = 0.0
    val_together: ValTogetherOption = "image"
    val_seed: ValSeedOption = 0
    category: Annotated[str, "name of the people's class; empty takes every class"] = ""
    keypoint_names: Annotated[
        tuple[str, ...],
        "names of the keypoints, or a known set such as coco-17, if data.yaml names none or wrong ones",
    ] = ()
    box_margin: BoxMarginOption = 0.0
    sigmas: Annotated[
        tuple[float, ...], "OKS constants, one a keypoint; empty goes by data.yaml, else by name"
    ] = ()
    pairs: Annotated[
        tuple[str, ...],
        "left and right keypoints, LEFT:RIGHT,LEFT:RIGHT; none says there are none; empty goes by flip_idx",
    ] = ()
    max_pixels: MaxPixelsOption = MOST_PIXELS
    follow_links: FollowLinksOption = False

    def keypoints(self) -> KeypointSet:
        return self._annotated("val").keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the pictures of `train` or `val`, in the order of their names.

        Raises:
            PosenasError: if a file is missing or malformed, or holds nobody.
        """
        check_split(name, dataset="yolo")
        return self._annotated(name).samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on pictures and label files without each other, odd lines and unnamed keypoints."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return (
            "dataset.root is a folder with ultralytics' data.yaml, images/train, labels/train, images/val "
            "and labels/val, as Roboflow, CVAT, Label Studio and ultralytics write it. Other names: "
            "dataset.description, .train, .val, .train_images, .val_images, below root. Data without a val: "
            "dataset.val_share=0.2."
        )

    def _annotated(self, split: str) -> AnnotatedSplit:
        if self.val_share:
            return self._divided[split]
        return self._val if split == "val" else self._train

    @cached_property
    def _divided(self) -> Mapping[str, AnnotatedSplit]:
        if self.val or self.val_images:
            raise PosenasError(
                "dataset.val_share holds a part of train out as val, but dataset.val or dataset.val_images "
                "is given too; leave one of them out"
            )
        return divide(self._train, self.val_share, seed=self.val_seed, together=self.val_together)

    # All are kept, since they are asked for often and a large data set takes seconds to read.
    @cached_property
    def _train(self) -> AnnotatedSplit:
        return self._read("train")

    @cached_property
    def _val(self) -> AnnotatedSplit:
        return self._read("val")

    @cached_property
    def _described(self) -> Description:
        root = self._root()
        described = find_description(root, self.description)
        names = list(files_below(root, deepest=_DEEPEST_LABELS)) if described.file is None else []
        other = first_other_format(root, names, dataset="yolo")
        if other and not any(name.endswith(".txt") for name in names):
            raise PosenasError(f"{root}: no label files: {other}")
        return described

    def _read(self, split: str) -> AnnotatedSplit:
        classes = choose_classes(self._described, self.category)
        keypoints, doubts = keypoint_set(
            self._described,
            classes,
            names=self.keypoint_names,
            sigmas=self.sigmas,
            pairs=self.pairs,
            split=split,
        )
        found = self._places(split).find()
        read = read_split(
            found,
            self._described,
            keypoints,
            classes=classes,
            max_pixels=self.max_pixels,
            box_margin=self.box_margin,
            split=split,
        )
        return read._replace(findings=(*doubts, *read.findings)) if split == "val" or self.val_share else read

    def _places(self, split: str) -> Places:
        given = {"train": self.train, "val": self.val}[split]
        return Places(
            root=self._root(),
            split=split,
            base=self._described.path,
            entries=(given,) if given else self._described.splits.get(split, ()),
            images={"train": self.train_images, "val": self.val_images}[split],
            alone=bool(self.val_share),
            follow_links=self.follow_links,
        )

    def _root(self) -> Path:
        if not self.root:
            raise PosenasError(f"dataset yolo: dataset.root is not set. {self.instructions()}")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise PosenasError(
                f"dataset yolo: dataset.root = {root.absolute()} is {no_folder(root, dataset='yolo')}. "
                f"{self.instructions()}"
            )
        return root
