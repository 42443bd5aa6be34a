"""The label files of a split: named by the user, or found below the data set's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from posenas import PosenasError
from posenas.annotations import (
    SPLIT_WORDS,
    AnnotationFiles,
    files_below,
    first_other_format,
    other_format,
    says,
)

if TYPE_CHECKING:
    from posenas.annotations import FileOptions

_ENDINGS = (".slp", ".csv")
_DEEPEST = 3
_SHOWN = 5
_LABELLED = "CollectedData"
"""How DeepLabCut begins the names of its label files: one for each folder of pictures."""
_HOLD_OUT = "dataset.val_share=0.2 to hold out a part of train"


def label_files(options: FileOptions, split: str, *, instructions: str) -> tuple[Path, ...]:
    """Return the label files of a split: one of SLEAP's, or one or more of DeepLabCut's.

    Args:
        options: the dataset's. `root` is the only label file, or a folder.
        split: `train` or `val`.
        instructions: which files there must be, for messages.

    Raises:
        PosenasError: if there is none, or several may be meant.
    """
    folder = data_folder(options, instructions=instructions)
    given = {"train": options.train, "val": options.val}
    if options.val_share and (options.val or options.val_images):
        raise PosenasError(
            "dataset.val_share holds a part of train out as val, but dataset.val or dataset.val_images is "
            "given too; leave one of them out"
        )
    if given[split]:
        return (_existing(folder, given[split], option=f"dataset.{split}"),)
    root = Path(options.root).expanduser()
    if root.is_file():
        check_ending(root)
        if split == "train":
            return (root,)
        raise PosenasError(f"{root}: one label file and no val; set dataset.val, or {_HOLD_OUT}")
    below = list(files_below(folder, deepest=_DEEPEST))
    names = [name for name in below if _is_label_file(name)]
    other = None if names else first_other_format(folder, below, dataset="sleap")
    if other:
        raise PosenasError(f"{folder}: no label file for {split}: {other}")
    return tuple(folder / name for name in _chosen(names, options, split, folder=folder))


def check_ending(file: Path) -> None:
    """Check that a file is called as label files are.

    Raises:
        PosenasError: if not; a file of a known other format is named.
    """
    if file.suffix.lower() not in _ENDINGS:
        other = other_format(file, dataset="sleap")
        known = "no label file of SLEAP (.slp, .pkg.slp) or DeepLabCut (.csv); choose another file"
        raise PosenasError(f"{file}: {f'this is {other}' if other else known}")


def data_folder(options: FileOptions, *, instructions: str) -> Path:
    """Return the folder of the data: the root, or the folder of the file that the root is.

    Raises:
        PosenasError: if there is none.
    """
    if not options.root:
        raise PosenasError(f"dataset sleap: dataset.root is not set. {instructions}")
    root = Path(options.root).expanduser()
    if root.is_file():
        return root.parent
    if not root.is_dir():
        raise PosenasError(
            f"dataset sleap: dataset.root = {root.absolute()} is neither a file nor a folder. {instructions}"
        )
    return root


def pictures_of(options: FileOptions, split: str, *, instructions: str) -> AnnotationFiles:
    """Return where the pictures and videos of a split are looked for."""
    return AnnotationFiles(
        dataset="sleap",
        split=split,
        root=str(_project(data_folder(options, instructions=instructions).absolute())),
        annotations="",
        usual_annotations=(),
        images={"train": options.train_images, "val": options.val_images}[split],
        instructions=instructions,
        follow_links=options.follow_links,
    )


def _project(folder: Path) -> Path:
    """Return DeepLabCut's project for the folder labeled-data in it and for those in there, else the folder.

    The names of its pictures begin with `labeled-data/`.
    """
    found = (each.parent for each in (folder, folder.parent) if each.name == "labeled-data")
    return next(found, folder)


def _existing(folder: Path, name: str, *, option: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise PosenasError(f"{path}: there is no such label file; mend {option}")
    return path


def _is_label_file(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _ENDINGS and (path.suffix.lower() != ".csv" or _is_collected(name))


def _is_collected(name: str) -> bool:
    return name.lower().endswith(".csv") and PurePosixPath(name).name.startswith(_LABELLED)


def _splits(name: str) -> list[str]:
    """Return the splits that a name tells; DeepLabCut's files tell none."""
    if _is_collected(name):
        return []
    return [split for split, words in SPLIT_WORDS.items() if says(name, words)]


def _chosen(names: Sequence[str], options: FileOptions, split: str, *, folder: Path) -> list[str]:
    """Return the files of a split: those that tell it; for `train` else those that tell none.

    Args:
        names: the label files below the folder.
        options: the dataset's.
        split: `train` or `val`.
        folder: the data set's, for messages.

    Raises:
        PosenasError: if there is none, or several of SLEAP's.
    """
    telling = {each: [name for name in names if each in _splits(name)] for each in SPLIT_WORDS}
    if options.val_share and telling["val"]:
        raise PosenasError(
            f"dataset.val_share holds a part of train out as val, but there is {folder / telling['val'][0]} "
            "too; give dataset.train, or leave dataset.val_share out"
        )
    found = telling[split]
    if not found and split == "train":
        found = [name for name in names if not _splits(name) and folder / name != folder / options.val]
    if len(found) == 1 or (found and all(map(_is_collected, found))):
        return found
    shown = ", ".join([*(found or names)[:_SHOWN], *(["..."] if len(found or names) > _SHOWN else [])])
    what = f"{len(found)} label files may hold {split}" if found else f"no label file for {split}"
    hint = f", or {_HOLD_OUT}" if split == "val" else ""
    there = f": {shown}" if found else f": there is {shown or 'no .slp and no CollectedData_NAME.csv'}"
    raise PosenasError(f"{folder}: {what}{there}; set dataset.{split}{hint}")
