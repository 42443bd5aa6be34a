"""The dataset `wbf`: faces alone, with 68 keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

from data_cocowholebody.datasets.keypoint_sets import FACE_68
from data_cocowholebody.datasets.parts import FACE, part_alone, read_part
from data_cocowholebody.datasets.reading import instructions, read_annotated

if TYPE_CHECKING:
    from posenas import Finding, KeypointSet, Sample
    from posenas.annotations import AnnotatedSplit


@dataclass(frozen=True)
class FacesDataset:
    """Faces in COCO-WholeBody's files (WBF): each is a person of 68 keypoints, whose box is the face's.

    The images are COCO's; the faces are cut out of them as people are. Only valid faces with a box and a
    labelled keypoint count. The area is the box's, clipped to the image. Images without such a face are kept.

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
        """Return the images of `train` or `val` with their faces, in the order of the file.

        Raises:
            PosenasError: if a file is missing, malformed, or not COCO-WholeBody's.
        """
        return self._annotated(name).samples

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return findings on faces whose fields are missing or contradict each other, and on their boxes."""
        return self._annotated(split).findings

    def instructions(self) -> str:
        return instructions()

    @cached_property
    def _annotated(self) -> Callable[[str], AnnotatedSplit]:
        read = partial(read_annotated, self, dataset="wbf", keypoints=FACE_68, read=_faces, who="face")
        return reads_once(self, read, dataset="wbf")


def _faces(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> ReadPeople:
    part = read_part(annotation, FACE, image)
    face = part_alone(annotation, part)
    return ReadPeople((face,) if face else (), part.remarks)
