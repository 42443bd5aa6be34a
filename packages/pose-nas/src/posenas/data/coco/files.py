"""The files of a dataset in COCO's format: where a split's annotations and images lie."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple, Protocol

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.finding import Finding, finding
from posenas.data.coco.annotations import read_images
from posenas.data.held_out import HeldOutOptions
from posenas.data.images.file_image import MOST_PIXELS
from posenas.data.images.paths import ImageFolder, find_folder
from posenas.data.images.search import Located, files_below, locate, says
from posenas.data.other_formats import first_other_format, may_be_coco, no_folder, read_coco_json
from posenas.runs.files import is_file

SPLITS = ("train", "val")
"""The splits that every dataset has."""
SPLIT_WORDS = MappingProxyType(
    {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
)
"""How tools call a split in the names of files and folders, in lower case."""
_DEEPEST_ANNOTATIONS = 3
_NAMES_SHOWN = 5
_HOLD_OUT = "dataset.val_share=0.2 holds out a part of train"


class FileOptions(HeldOutOptions, Protocol):
    """The options that tell a dataset's files, without their meanings."""

    @property
    def root(self) -> str: ...
    @property
    def train(self) -> str: ...
    @property
    def val(self) -> str: ...
    @property
    def train_images(self) -> str: ...
    @property
    def val_images(self) -> str: ...
    @property
    def max_pixels(self) -> int: ...
    @property
    def follow_links(self) -> bool: ...


class FoundImages(NamedTuple):
    """The files of a split's images.

    Attributes:
        paths: by `file_name`; a file may be missing.
        findings: on images that lie elsewhere than their `file_name`s say.
    """

    paths: Mapping[str, Path]
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class AnnotationFiles:
    """The files of one split, under names that the user gave, under usual ones, or found by their names.

    Images are looked for in the folders that COCO's own images have, `images/train2017` and the like, and
    then in every folder below root.

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
        other: the other split's files; what they lack is told too.
        whole: whether the file is of both splits, so that its name need not tell one.
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
    other: AnnotationFiles | None = None
    whole: bool = False

    def annotation_file(self) -> Path:
        """Return the annotation file.

        Raises:
            PosenasError: if there is none, or several may be meant; it tells what the other split lacks too.
        """
        try:
            return self._annotation_file()
        except _NotFoundError as error:
            raise PosenasError(self._with_remedy(error)) from None

    def exists(self) -> bool:
        """Return whether there is an annotation file."""
        try:
            self._annotation_file()
        except _NotFoundError:
            return False
        return True

    def image_paths(self, names: Sequence[str], annotations: Path) -> FoundImages:
        """Return the files of images.

        Args:
            names: the images' `file_name`s.
            annotations: the annotation file, for the message.

        Raises:
            PosenasError: if none is found, several may be meant, or names lead elsewhere; it tells what the
                other split lacks too.
        """
        try:
            return self._image_paths(names, annotations)
        except _NotFoundError as error:
            raise PosenasError(self._with_remedy(error)) from None

    def _annotation_file(self) -> Path:
        root = self._root()
        names = (self.annotations,) if self.annotations else self.usual_annotations
        for name in names:
            if is_file(root / name):
                return root / name
        option = f"dataset.{self.split}"
        if self.annotations:
            raise _NotFoundError(f"{root}: there is no {self.annotations}", option)
        below = list(files_below(root, deepest=_DEEPEST_ANNOTATIONS))
        files = [name for name in below if name.lower().endswith(".json")]
        found = _of_split(files, self.split, whole=self.whole)
        if len(found) == 1:
            return root / found[0]
        other = first_other_format(root, found or below, dataset="coco")
        if other and not any(may_be_coco(root / name) for name in (found or files)[:_NAMES_SHOWN]):
            raise _NotFoundError(f"{root}: no annotations for {self.split}: {other}", "")
        shown = ", ".join([*(found or files)[:_NAMES_SHOWN], *(["..."] if len(files) > _NAMES_SHOWN else [])])
        if found:
            raise _NotFoundError(f"{root}: {len(found)} files may hold {self.split}: {shown}", option)
        there = f", but {shown}" if shown else ""
        words = f"{root}: no annotations for {self.split}: there is no {', '.join(names)}{there}"
        raise _NotFoundError(words, option)

    def _image_paths(self, names: Sequence[str], annotations: Path) -> FoundImages:
        root = self._root()
        folders = (self.images,) if self.images else _usual_folders(self.split)
        folder = find_folder(root, folders, names)
        if not names:
            return FoundImages({})
        if folder is not None:
            return FoundImages(self._folder(root, folder).paths(names, annotations))
        folder = root / self.images
        located = locate(folder, names, words=SPLIT_WORDS[self.split])
        option = f"dataset.{self.split}_images"
        if located.doubtful:
            raise _NotFoundError(f"{annotations}: {_in_words(located)}", option)
        if not located.places:
            raise _NotFoundError(
                f"{annotations}: none of its images ({names[0]}, ...) lies in {root}, folder "
                f"{', '.join(folders)}{'' if self.images else ', or below'}",
                option,
            )
        meant = [located.places.get(name) or _in_folder(name) for name in names]
        paths = self._folder(root, folder).paths(meant, annotations)
        return FoundImages(
            {name: paths[each] for name, each in zip(names, meant, strict=True)},
            _elsewhere(located, split=self.split),
        )

    def _folder(self, root: Path, folder: Path) -> ImageFolder:
        # The user may name a folder beside root; only the names of images may not climb.
        plain = Path(os.path.normpath(folder)) if ".." in Path(self.images).parts else folder
        return ImageFolder(root, plain, self.follow_links)

    def _root(self) -> Path:
        if not self.root:
            raise PosenasError(f"dataset {self.dataset}: dataset.root is not set. {self.instructions}")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise PosenasError(
                f"dataset {self.dataset}: dataset.root = {root.absolute()} is "
                f"{no_folder(root, dataset='coco')}. {self.instructions}"
            )
        return root

    def _with_remedy(self, error: _NotFoundError) -> str:
        """Return the message, and behind it every option that this split and the other one need."""
        if not error.option:
            return str(error)
        options = sorted([error.option, *(self.other._needed() if self.other else [])])
        held = f"; or {_HOLD_OUT}" if "dataset.val" in options and not self.whole else ""
        return f"{error}; set {' and '.join(options)}{held}"

    def _needed(self) -> list[str]:
        """Return the option that the split needs, if its files are not found."""
        try:
            path = self._annotation_file()
            content = read_coco_json(path)
            images = read_images(content if isinstance(content, dict) else {})
            self._image_paths([str(image["file_name"]) for image in images], path)
        except _NotFoundError as error:
            return [error.option]
        except PosenasError:  # it is told when the split is read
            return []
        return []


class _NotFoundError(PosenasError):
    """An error for files that are not found, with the option that names them; empty if the words say all."""

    def __init__(self, words: str, option: str) -> None:
        super().__init__(words)
        self.option = option


def annotation_files(
    options: FileOptions, split: str, *, dataset: str, usual: Mapping[str, tuple[str, ...]], instructions: str
) -> AnnotationFiles:
    """Return the files of a split, as a dataset's options tell them.

    If a share of `train` is held out as `val`, both are in the files of `train`.

    Args:
        options: the dataset's.
        split: `train` or `val`.
        dataset: its name, for messages.
        usual: the usual annotation files below root, by split.
        instructions: how to get the files, for messages.

    Raises:
        PosenasError: if a share is to be held out, and a file of `val` is named or there.
    """

    def files(name: str, *, other: AnnotationFiles | None = None, whole: bool = False) -> AnnotationFiles:
        return AnnotationFiles(
            dataset=dataset,
            split=name,
            root=options.root,
            annotations={"train": options.train, "val": options.val}[name],
            usual_annotations=usual[name],
            images={"train": options.train_images, "val": options.val_images}[name],
            instructions=instructions,
            max_pixels=options.max_pixels,
            follow_links=options.follow_links,
            other=other,
            whole=whole,
        )

    if not options.val_share:
        (other,) = (each for each in SPLITS if each != split)
        return files(split, other=files(other))
    if options.val or options.val_images or (not options.train and files("val").exists()):
        named = options.val or options.val_images or files("val").annotation_file()
        raise PosenasError(
            f"dataset.val_share holds a part of dataset.train out as val, but there is {named} too; give "
            "dataset.train, or leave dataset.val_share out"
        )
    return files("train", whole=True)


def check_split(name: str, *, dataset: str) -> None:
    """Check that a split is `train` or `val`.

    Raises:
        PosenasError: if it is not; the message names the dataset.
    """
    if name not in SPLITS:
        raise PosenasError(f"dataset {dataset}: no split {name!r}; {suggestion(name, SPLITS)}")


def _of_split(files: Sequence[str], split: str, *, whole: bool) -> list[str]:
    """Return the files whose path tells that they are of the split.

    Of several the only one with keypoints in its name is taken.

    Args:
        files: paths below root.
        split: `train` or `val`.
        whole: whether a file that tells no split will do too.
    """
    found = [name for name in files if says(name, SPLIT_WORDS[split])]
    if not found and whole:
        found = [name for name in files if not any(says(name, words) for words in SPLIT_WORDS.values())]
    named = [name for name in found if "keypoints" in name.rpartition("/")[2].lower()]
    return named if len(named) == 1 else found


def _in_words(located: Located) -> str:
    name, places = next(iter(located.doubtful.items()))
    count = len(located.doubtful)
    return f"{count} of its images may each be several files, such as {name}: {' or '.join(places[:2])}"


def _in_folder(name: str) -> str:
    """Return the name of a missing image; only the last part of one that climbs out of its folder."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return parts[-1] if ".." in parts else name


def _elsewhere(located: Located, *, split: str) -> list[Finding]:
    """Return the finding on images that are found by the last part of their name alone."""
    cases = (
        f"{name} is {place}"
        for name, place in located.places.items()
        if not f"/{place}".endswith(f"/{name}".replace("\\", "/"))
    )
    return finding(
        "images do not lie where their file_name says and are found by its last part", cases, split=split
    )


def _usual_folders(split: str) -> tuple[str, ...]:
    return (f"images/{split}2017", f"{split}2017", f"images/{split}", split, "images", ".")
