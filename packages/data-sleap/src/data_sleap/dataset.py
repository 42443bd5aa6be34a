"""The dataset `sleap`: people or animals in label files of SLEAP and DeepLabCut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from posenas import PosenasError
from posenas.annotations import (
    MOST_PIXELS,
    SPLITS,
    AnnotatedSplit,
    BoxMarginOption,
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
    reads_once,
)

from data_sleap.keypoints import keypoint_set
from data_sleap.labels import Labels, joined
from data_sleap.places import label_files, pictures_of
from data_sleap.reading import read_labels
from data_sleap.split import read_split

if TYPE_CHECKING:
    from posenas import Finding, KeypointSet, Sample


@dataclass(frozen=True)
class SleapDataset:
    """People or animals in SLEAP's `.slp` and `.pkg.slp`, and in DeepLabCut's `CollectedData_NAME.csv`.

    Keypoints, limbs and flip pairs are those of the file. A keypoint with a place counts as visible, since
    the files tell no more. Boxes are drawn around the labelled keypoints, and a person's area is the box's.
    What SLEAP predicted is left out. Frames of videos are read from the videos.
    """

    root: Annotated[str, "label file, or folder with label files and pictures"] = ""
    train: Annotated[str, "label file below root; empty looks for one"] = ""
    val: Annotated[str, "label file below root; empty looks for one with val in its name"] = ""
    train_images: ImagesOption = ""
    val_images: ImagesOption = ""
    val_share: ValShareOption = 0.0
    val_together: ValTogetherOption = "image"
    val_seed: ValSeedOption = 0
    box_margin: BoxMarginOption = 0.0
    sigmas: Annotated[tuple[float, ...], "OKS constants, one a keypoint; empty chooses by name"] = ()
    pairs: Annotated[
        tuple[str, ...],
        "left and right keypoints, LEFT:RIGHT,LEFT:RIGHT; none says there are none; empty goes by the file",
    ] = ()
    max_pixels: MaxPixelsOption = MOST_PIXELS
    follow_links: FollowLinksOption = False

    def keypoints(self) -> KeypointSet:
        return self._annotated("val").keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the labelled pictures and frames of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: if a file is missing or malformed, holds nobody, or the splits' keypoints differ.
        """
        found = self._annotated(name)
        if found.keypoints.names != self.keypoints().names:
            train, val = (self._annotated(each).keypoints.names for each in SPLITS)
            raise PosenasError(
                f"train and val name different keypoints: {', '.join(train):.100} and {', '.join(val):.100}; "
                "give both the same, in the same order"
            )
        return found.samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on predictions, frames without labels, and pictures that cannot be read."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return (
            "dataset.root is a label file of SLEAP (.slp, .pkg.slp) or DeepLabCut (CollectedData_NAME.csv), "
            "or a folder with train.slp and val.slp, or with DeepLabCut's labeled-data. Other names: "
            "dataset.train, .val; pictures and videos elsewhere: dataset.train_images, .val_images. One "
            "file without splits: dataset.val_share=0.2."
        )

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        return reads_once(self, self._read, dataset="sleap")

    def _read(self, split: str) -> AnnotatedSplit:
        files = label_files(self, split, instructions=self.instructions())
        labels: Labels = joined([read_labels(file) for file in files])
        keypoints, doubts = keypoint_set(labels, sigmas=self.sigmas, pairs=self.pairs)
        found = read_split(
            labels,
            keypoints,
            pictures_of(self, split, instructions=self.instructions()),
            max_pixels=self.max_pixels,
            box_margin=self.box_margin,
        )
        return found._replace(findings=(*doubts, *found.findings))
