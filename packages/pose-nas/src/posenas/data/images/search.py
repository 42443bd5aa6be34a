"""Images that do not lie where their `file_name`s say: they are looked for below a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)")
"""A name that Label Studio gave to an uploaded file: eight digits before the file's own name."""


class Located(NamedTuple):
    """The places of images below a folder.

    Attributes:
        places: the path below the folder, by the name that was looked for.
        doubtful: paths that fit a name equally well, by the name.
    """

    places: Mapping[str, str]
    doubtful: Mapping[str, Sequence[str]]


def locate(folder: Path, names: Iterable[str], *, words: Iterable[str] = ()) -> Located:
    """Return where images lie below a folder, whatever folders their names tell.

    A file fits if its last part is the name's. Of several files the one that has the most folders in common
    with the name counts, from the end; then the one that lies in a folder with one of the words. A name that
    Label Studio made, `1a2b3c4d-cat.jpg`, also means `cat.jpg`.

    Args:
        folder: what is searched, with the folders in it. Hidden folders, and links to folders, are passed
            over.
        names: `file_name`s of an annotation file; with folders, absolute or with backslashes.
        words: such as the name of the split.
    """
    files = _by_last_part(files_below(folder))
    places: dict[str, str] = {}
    doubtful: dict[str, Sequence[str]] = {}
    for name in names:
        fitting = _fitting(name, files, words)
        if len(fitting) == 1:
            places[name] = fitting[0]
        elif fitting:
            doubtful[name] = fitting
    return Located(places, doubtful)


def files_below(folder: Path, *, deepest: int = 6) -> Iterator[str]:
    """Yield the paths of the files below a folder, relative to it, in the order of their names.

    Args:
        folder: what is searched. Hidden files and folders, and links to folders, are passed over.
        deepest: how many folders within each other are opened.
    """
    for place, folders, names in os.walk(folder):
        below = Path(place).relative_to(folder)
        shown = [name for name in folders if not name.startswith(".")]
        folders[:] = sorted(shown) if len(below.parts) < deepest else []
        for name in sorted(names):
            if not name.startswith("."):
                yield (below / name).as_posix()


def says(path: str, words: Iterable[str]) -> bool:
    """Return whether a path has one of the words, such as `train` in `annotations/people_Train2017.json`."""
    return not {word.lower() for word in re.findall("[A-Za-z]+", path)}.isdisjoint(words)


def _by_last_part(files: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(file.rpartition("/")[2], []).append(file)
    return found


def last_parts(name: str) -> list[str]:
    """Return the last part of a name, and after it what it was called before Label Studio renamed it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    last = parts[-1] if parts else ""
    upload = _UPLOAD.fullmatch(last)
    return [last, *([upload[1]] if upload else [])]


def _fitting(name: str, files: Mapping[str, list[str]], words: Iterable[str]) -> list[str]:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    found = next((files[last] for last in last_parts(name) if last in files), [])
    if len(found) > 1:
        shared = [_shared(parts[:-1], PurePosixPath(file).parent.parts) for file in found]
        found = [file for file, count in zip(found, shared, strict=True) if count == max(shared)]
    if len(found) > 1:
        found = [file for file in found if says(file.rpartition("/")[0], words)] or found
    return found


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many parts two paths have in common, from the end."""
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count
