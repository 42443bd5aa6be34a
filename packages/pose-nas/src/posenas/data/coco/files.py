"""The files of a dataset in COCO's format: where a split's annotations and images lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posenas.contract.errors import PosenasError, suggestion
from posenas.data.images.file_image import MOST_PIXELS
from posenas.data.images.paths import ImageFolder, find_folder
from posenas.runs.files import is_file

SPLITS = ("train", "val")


@dataclass(frozen=True)
class AnnotationFiles:
    """The files of one split, under names that the user gave or under usual ones.

    Images are looked for in the folders that COCO's own images have: `images/train2017` and the like.

    Attributes:
        dataset: the dataset's name, for messages.
        split: `train` or `val`, as messages and the usual names have it.
        root: the dataset's folder; empty if the user gave none, which is refused.
        annotations: the annotation file below root; empty tries the usual ones.
        usual_annotations: annotation files below root, the first that exists counts.
        images: the image folder below root; empty looks for the usual ones.
        instructions: how to get the files, for messages.
        max_pixels: images with more pixels are refused before they are decoded.
        follow_links: whether images may be links to files outside root.
    """

    dataset: str
    split: str
    root: str
    annotations: str
    usual_annotations: tuple[str, ...]
    images: str
    instructions: str
    max_pixels: int = MOST_PIXELS
    follow_links: bool = False

    def annotation_file(self) -> Path:
        """Return the annotation file.

        Raises:
            PosenasError: if there is none.
        """
        root = self._root()
        names = (self.annotations,) if self.annotations else self.usual_annotations
        for name in names:
            if is_file(root / name):
                return root / name
        raise PosenasError(
            f"{root}: no annotations for {self.split}: there is no {', '.join(names)}; "
            f"set dataset.{self.split}"
        )

    def image_folder(self, names: Sequence[str], annotations: Path) -> ImageFolder:
        """Return the folder that holds one of the first images.

        Args:
            names: the images' `file_name`s.
            annotations: the annotation file, for the message.

        Raises:
            PosenasError: if no folder does.
        """
        root = self._root()
        folders = (self.images,) if self.images else _usual_folders(self.split)
        found = find_folder(root, folders, names)
        if found is None:
            raise PosenasError(
                f"{annotations}: none of its first images ({names[0]}, ...) lies in {root}, folder "
                f"{', '.join(folders)}; set dataset.{self.split}_images"
            )
        return ImageFolder(root, found, self.follow_links)

    def _root(self) -> Path:
        if not self.root:
            raise PosenasError(f"dataset {self.dataset}: dataset.root is not set. {self.instructions}")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise PosenasError(
                f"dataset {self.dataset}: dataset.root = {root.absolute()} is no folder. {self.instructions}"
            )
        return root


def check_split(name: str, *, dataset: str) -> None:
    """Check that a split is `train` or `val`.

    Raises:
        PosenasError: if it is not; the message names the dataset.
    """
    if name not in SPLITS:
        raise PosenasError(f"dataset {dataset}: no split {name!r}; {suggestion(name, SPLITS)}")


def _usual_folders(split: str) -> tuple[str, ...]:
    return (f"images/{split}2017", f"{split}2017", f"images/{split}", split, "images", ".")
