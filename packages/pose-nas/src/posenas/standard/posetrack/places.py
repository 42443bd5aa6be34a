"""The annotation files of a split of PoseTrack 2018: a folder with a file for each video, or one file."""

from __future__ import annotations

from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.data.other_formats import no_folder
from posenas.runs.files import is_file

_USUAL = ("annotations/{}", "annotations/posetrack18_{}.json", "{}")


def root_folder(root: str, *, instructions: str) -> Path:
    """Return the data set's folder.

    Args:
        root: the option.
        instructions: how to get the files, for the message.

    Raises:
        PosenasError: if it is not set, or no folder.
    """
    if not root:
        raise PosenasError(f"dataset posetrack18: dataset.root is not set. {instructions}")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise PosenasError(
            f"dataset posetrack18: dataset.root = {folder.absolute()} is "
            f"{no_folder(folder, dataset='coco')}. {instructions}"
        )
    return folder


def annotation_files(root: Path, split: str, *, given: str) -> list[Path]:
    """Return the annotation files of a split, in the order of their names.

    Args:
        root: the data set's folder.
        split: `train` or `val`.
        given: a folder of files, or a file, below root; empty looks for the usual ones.

    Raises:
        PosenasError: if there is none.
    """
    names = (given,) if given else tuple(name.format(split) for name in _USUAL)
    for name in names:
        found = [root / name] if is_file(root / name) else _files_in(root / name)
        if found:
            return found
    held = "; or dataset.val_share=0.2 holds out a part of train" if split == "val" else ""
    raise PosenasError(
        f"{root}: no annotations for {split}: no JSON file is, or lies in, {', '.join(names)}; set "
        f"dataset.{split} to the folder with a file for each video{held}"
    )


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.json") if is_file(file) and not file.name.startswith("."))
