"""Pre-labels: predicted poses in one of the forms that labelling tools load, to be corrected there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from posenas.contract.errors import PosenasError
from posenas.prediction.image_files import ImageFiles
from posenas.prediction.pre_labels import PreLabels
from posenas.prediction.yolo_labels import YoloLabels, label_name

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Predictions
    from posenas.prediction.frames import Frame, Source

LabelForm: TypeAlias = Literal["coco", "yolo"]


class Labels(Protocol):
    """A place that images and their poses are collected in, and written to at the end."""

    @property
    def path(self) -> Path:
        """The file, or the folder."""
        ...

    def add(self, frame: Frame, predictions: Predictions) -> None:
        """Add an image and its poses."""
        ...

    def told(self) -> Sequence[str]:
        """Return lines for the user: what was left out, and what to do now."""
        ...

    def close(self) -> None:
        """Write what was added."""
        ...


def check_new(path: Path, form: LabelForm) -> None:
    """Check that nothing would be overwritten.

    Raises:
        PosenasError: if something lies at the path; of the form `yolo` an empty folder may lie there.
    """
    if path.exists() and not (form == "yolo" and path.is_dir() and not any(path.iterdir())):
        what = "exists and is not an empty folder" if form == "yolo" else "exists"
        raise PosenasError(f"{path}: {what}; choose another --annotations")


def check_source(source: Source, place: Path, form: LabelForm) -> None:
    """Check that frames can be labelled.

    Args:
        source: the frames.
        place: where they come from, for the message.
        form: of the labels; `yolo` has one label file for all images that differ in the ending alone.

    Raises:
        PosenasError: if they are a video's, or images would have the same label file.
    """
    if not isinstance(source, ImageFiles):
        raise PosenasError(f"{place}: --annotations is for images, and this is a video; leave it out")
    count = Counter(label_name(file.name) for file in source.files)
    again = [file.name for file in source.files if count[label_name(file.name)] > 1]
    if form == "yolo" and again:
        raise PosenasError(
            f"{place}: {len(again)} images differ from another one in the ending alone, such as {again[0]} "
            f"and {again[1]}, and would have one label file; rename them, or use --format coco"
        )


def make_labels(
    path: Path,
    form: LabelForm,
    *,
    keypoints: KeypointSet,
    threshold: float,
    category: Mapping[str, Any] | None = None,
) -> Labels:
    """Return labels without an image.

    Args:
        path: the file, or the folder of the form `yolo`.
        form: `coco` or `yolo`.
        keypoints: the keypoint set of the poses.
        threshold: poses of a lower score are left out.
        category: the entry of the people's category in the file that the images are annotated in; None for
            one called `person`.
    """
    if form == "yolo":
        name = str((category or {}).get("name", "person"))
        return YoloLabels(path, keypoints, threshold=threshold, category=name)
    return PreLabels(path, keypoints, threshold=threshold, category=category)
