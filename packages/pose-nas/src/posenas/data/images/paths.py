"""Image files by the `file_name`s of an annotation file. None may lead elsewhere in silence.

A data set comes from anybody. A name that climbs out of its folder, a link out of it, a device or a pipe is
refused before anything is opened. An absolute name of an existing file is taken: converters write such names.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from posenas.contract.errors import PosenasError
from posenas.runs.files import is_file

_TRIED = 20
"""The images that are looked for before a folder counts as the wrong one; a few may be missing."""
_Look: TypeAlias = Callable[[Path, bool], Mapping[str, str]]
_LINK = "is a link out of the data set's folder (dataset.follow_links=true follows it)"


@dataclass(frozen=True)
class ImageFolder:
    """The place of the images of one annotation file.

    Attributes:
        root: the data set's folder; names may not leave it.
        folder: names are relative to it. It may itself be a link to elsewhere, which the user has put there.
        follow_links: whether links out of both are followed.
    """

    root: Path
    folder: Path
    follow_links: bool = False

    def paths(self, names: Iterable[str], annotations: Path) -> Mapping[str, Path]:
        """Return the file of each name; it may be missing.

        Args:
            names: each a `file_name`.
            annotations: the annotation file, for the message.

        Raises:
            PosenasError: if names lead elsewhere; it tells their number and the first of them.
        """
        paths = {name: self._path(name) for name in names}
        look = functools.cache(self._refused_entries)
        reasons = {name: self._refusal(name, path, look) for name, path in paths.items()}
        refused = [(name, reason) for name, reason in reasons.items() if reason]
        if refused:
            name, reason = refused[0]
            raise PosenasError(
                f"{annotations}: {len(refused)} of its {len(paths)} images are no files that may be read: "
                f"file_name {name!r} {reason}; mend or remove such names"
            )
        return paths

    def _path(self, name: str) -> Path:
        """Return the path that a name means.

        Windows writes a backslash for a slash. A name with one is taken for the file that it means, if any.
        """
        path = self.folder / name
        meant = self.folder / name.replace("\\", "/")
        return meant if "\\" in name and not is_file(path) and is_file(meant) else path

    def _refusal(self, name: str, path: Path, look: _Look) -> str:
        """Return why a name is refused; empty if it is not."""
        is_absolute = Path(name).is_absolute()
        if not is_absolute and ".." in path.parts:
            root = os.path.realpath(self.root)
            if not _lies_in(os.path.normpath(Path(root) / os.path.relpath(path, self.root)), [root]):
                return f"leaves the data set's folder {self.root}"
        return look(path.parent, is_absolute or self.follow_links).get(path.name, "")

    def _refused_entries(self, folder: Path, follows: bool) -> Mapping[str, str]:
        """Return what may not be read in a folder, by its name, and why.

        One look at the folder tells it for each of a hundred thousand files.
        """
        inside = [os.path.realpath(each) for each in (self.root, self.folder)]
        refused = {}
        try:
            leaves = not follows and not _lies_in(os.path.realpath(folder), inside)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if leaves:
                        refused[entry.name] = _LINK
                    elif not entry.is_file(follow_symlinks=False):
                        refused[entry.name] = _refusal_of(entry.path, () if follows else inside)
        except (OSError, ValueError):  # a folder that is missing, or cannot be, has missing images
            return {}
        return refused


def find_folder(root: Path, candidates: Sequence[str], names: Sequence[str]) -> Path | None:
    """Return the first candidate below the root that holds one of the first images; None if none does.

    An absolute name says nothing about the folder, so it counts only if all names are absolute.

    Args:
        root: the data set's folder.
        candidates: folders relative to it.
        names: the images' `file_name`s.
    """
    relative = [name for name in names if not Path(name).is_absolute()]
    tried = [
        spelling for name in (relative or names)[:_TRIED] for spelling in (name, name.replace("\\", "/"))
    ]
    for folder in candidates:
        if any(is_file(root / folder / name) for name in tried):
            return root / folder
    return None


def _refusal_of(path: str, inside: Sequence[str]) -> str:
    """Return why something that is no plain file is refused; empty for a link to a file that may be read."""
    if inside and not _lies_in(os.path.realpath(path), inside):
        return _LINK
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:  # a link to nothing is a missing image
        return ""
    if stat.S_ISDIR(mode):
        return "is a folder"
    return "" if stat.S_ISREG(mode) else "is a device or a pipe"


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
