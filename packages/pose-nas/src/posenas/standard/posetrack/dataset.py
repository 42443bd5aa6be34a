"""The dataset `posetrack18`: PoseTrack 2018's videos, of which some frames are labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated

from posenas.contract.errors import PosenasError
from posenas.data.coco.files import SPLITS, AnnotationFiles, check_split
from posenas.data.coco.split import AnnotatedSplit, reads_once
from posenas.data.file_options import (
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    RootOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
)
from posenas.data.images.file_image import MOST_PIXELS
from posenas.standard.posetrack.places import annotation_files, root_folder
from posenas.standard.posetrack.split import Videos, read_videos

if TYPE_CHECKING:
    from posenas.contract.finding import Finding
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample

_Files = Annotated[
    str, "folder with an annotation file for each video, or one file, below root; empty looks for usual names"
]


@dataclass(frozen=True)
class PoseTrack18Dataset:
    """People followed through videos, in PoseTrack 2018's files, with the 15 keypoints that count.

    A split has the labelled frames alone; `videos` has the others too, in order. A frame belongs to the video
    that the folder of its `file_name` names, and its number there is the last one of the name. People have
    their `track_id` as track and `bbox_head` as the region `head`; a frame has its ignore regions.

    A keypoint with visibility 1 in the file is visible (2), one with a place and visibility 0 is labelled but
    hidden (1), and one at (0, 0) with visibility 0 is not labelled. A person's area is the box's.

    Source: Andriluka et al., "PoseTrack: a benchmark for human pose estimation and tracking", CVPR 2018.
    """

    root: RootOption = ""
    train: _Files = ""
    val: _Files = ""
    train_images: ImagesOption = ""
    val_images: ImagesOption = ""
    val_share: ValShareOption = 0.0
    val_together: ValTogetherOption = "video"
    val_seed: ValSeedOption = 0
    max_pixels: MaxPixelsOption = MOST_PIXELS
    follow_links: FollowLinksOption = False

    def keypoints(self) -> KeypointSet:
        return self._annotated("val").keypoints

    def splits(self) -> Sequence[str]:
        return SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the labelled frames of `train` or `val`, by video and number.

        Raises:
            PosenasError: if a file is missing or malformed, or holds nobody.
        """
        return self._annotated(name).samples

    def videos(self, name: str) -> Mapping[str, Sequence[Sample]]:
        """Return every frame of the videos that `train` or `val` has labelled frames of, in order.

        Nobody is in the frames that are not labelled. Only a part of a video's labelled frames may be in the
        split, if `val_together` is not `video`.

        Raises:
            PosenasError: if a file is missing or malformed, or holds nobody.
        """
        shown = {sample.video for sample in self.split(name)}
        frames = self._everything("train" if self.val_share else name).frames
        return {video: frames[video] for video in frames if video in shown}

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on frames that are unlabelled, missing or out of order, and on odd people."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return (
            "dataset.root is a folder with PoseTrack 2018's annotations/train and annotations/val, each with "
            "a JSON file for each video, and the images that these name, as from https://posetrack.net. "
            "Other places: dataset.train, .val, .train_images, .val_images, below root. Data without a val: "
            "dataset.val_share=0.2."
        )

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        if self.val_share and (self.val or self.val_images):
            raise PosenasError(
                "dataset.val_share holds a part of train out as val, but dataset.val or dataset.val_images "
                "is given too; leave one of them out"
            )
        return reads_once(self, lambda split: self._everything(split).labelled, dataset="posetrack18")

    @cached_property
    def _everything(self) -> Callable[[str], Videos]:
        return cache(self._read)

    def _read(self, split: str) -> Videos:
        check_split(split, dataset="posetrack18")
        root = root_folder(self.root, instructions=self.instructions())
        given = {"train": self.train, "val": self.val}[split]
        pictures = AnnotationFiles(
            dataset="posetrack18",
            split=split,
            root=self.root,
            annotations="",
            usual_annotations=(),
            images={"train": self.train_images, "val": self.val_images}[split],
            instructions=self.instructions(),
            max_pixels=self.max_pixels,
            follow_links=self.follow_links,
        )
        return read_videos(annotation_files(root, split, given=given), pictures)
