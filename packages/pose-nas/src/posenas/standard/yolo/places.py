"""The pictures of a split and their label files, in the layouts that ultralytics and other tools write."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from posenas.contract.errors import PosenasError
from posenas.data.images.paths import ImageFolder
from posenas.prediction.image_files import ENDINGS
from posenas.runs.files import is_file

_USUAL = {
    "train": ("images/train", "train/images", "images/train2017", "images/Train", "train"),
    "val": (
        *("images/val", "val/images", "images/valid", "valid/images", "images/val2017"),
        *("images/Validation", "val", "valid"),
    ),
}
"""Where the pictures of a split lie if nobody tells."""
_ONE_SPLIT = ("images", ".")
"""Where pictures lie that are not parted into splits."""
_HOLD_OUT = ", or dataset.val_share=0.2 to hold out a part of train"
_NO_LABELS = re.compile(r"(classes|labels|notes|obj|train|val|valid|test)\.txt|readme.*\.txt", re.IGNORECASE)
_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded picture."""


class Labelled(NamedTuple):
    """A picture and its label file.

    Attributes:
        name: of the picture, without its folder as far as that is the same for all.
        label: None if there is none, so that nobody is in the picture.
    """

    name: str
    image: Path
    label: Path | None


class Found(NamedTuple):
    """The pictures of a split, and what does not fit together.

    Attributes:
        lonely: label files without a picture.
        twice: pictures that are listed more than once; they count once.
    """

    pictures: tuple[Labelled, ...]
    lonely: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where a split's pictures and labels are looked for.

    Attributes:
        root: the data set's folder; names may not leave it.
        split: `train` or `val`.
        base: the folder that `path` of data.yaml names, below root; empty for root.
        entries: folders of pictures or of labels, or lists of pictures; empty looks for the usual ones.
        images: a folder of the pictures, in place of what the entries say.
        alone: whether the data set has no other split.
        follow_links: whether pictures may be links to files outside root.
    """

    root: Path
    split: str
    base: str = ""
    entries: tuple[str, ...] = ()
    images: str = ""
    alone: bool = False
    follow_links: bool = False

    def find(self) -> Found:
        """Return the pictures in the order of their names.

        Raises:
            PosenasError: if a folder or a list is missing, or names lead elsewhere.
        """
        places = self._entries()
        if len(places) == 1:
            return self._part(places[0])
        parts = [self._part(place) for place in places]
        pictures = [each for part in parts for each in part.pictures]
        count = Counter(each.image for each in pictures)
        once = {each.image: each._replace(name=self._below(each.image)) for each in pictures}
        again = [str(image) for image, number in count.items() if number > 1]
        return Found(
            tuple(once.values()),
            tuple(name for part in parts for name in part.lonely),
            (*(name for part in parts for name in part.twice), *again),
        )

    def _below(self, image: Path) -> str:
        """Return the name of a picture below the root."""
        return os.path.relpath(image, self.root).replace(os.sep, "/")

    def _candidates(self) -> tuple[str, ...]:
        return self.entries or (_USUAL[self.split] + (_ONE_SPLIT if self.alone else ()))

    def _entries(self) -> list[Path]:
        resolved = {each: self._resolved(each) for each in self._candidates()}
        if not self.entries:
            found = [path for path in resolved.values() if path][:1]
            if not found:
                raise PosenasError(
                    f"{self.root}: no pictures for {self.split}: there is no {', '.join(resolved)}; "
                    f"set dataset.{self.split}{_HOLD_OUT if self.split == 'val' else ''}"
                )
            return found
        missing = [each for each, path in resolved.items() if not path]
        if missing:
            raise PosenasError(
                f"{self.root}: no pictures for {self.split}: there is no {missing[0]!r} below it; set "
                f"dataset.{self.split} to a folder of pictures or of label files, or to a list of pictures"
            )
        return [path for path in resolved.values() if path]

    def _resolved(self, entry: str) -> Path | None:
        """Return the folder or the list that an entry means; None if there is none.

        Roboflow writes `../train/images` for `train/images`. A folder of pictures may be missing if its
        labels are there, since the pictures may lie elsewhere.
        """
        if "\0" in entry + self.base:
            return None
        inner = PurePath(*(part for part in PurePath(entry.replace("\\", "/")).parts if part != ".."))
        for base in dict.fromkeys((self._base(), self.root)):
            for place in dict.fromkeys((base / entry, base / inner)):
                if not PurePath(entry).is_absolute() and not _lies_in(place, self.root):
                    continue
                if _exists(place) or any(_exists(each) for each in _label_folders(place)):
                    return place
        return None

    def _base(self) -> Path:
        """Return the folder that `path` means, as far as it lies in the root; else the root."""
        base = self.root / self.base
        return base if self.base and _exists(base) and _lies_in(base, self.root) else self.root

    def _part(self, place: Path) -> Found:
        return self._listed(place) if is_file(place) else self._in_folder(place)

    def _in_folder(self, place: Path) -> Found:
        """Return the pictures of a folder."""
        images, labels = self._folders(place)
        names = sorted(_files(images, ENDINGS))
        files = {
            PurePath(name).with_suffix("").as_posix(): labels / name
            for name in sorted(_files(labels, {".txt"}))
            if labels != images or not _NO_LABELS.fullmatch(PurePath(name).name)
        }
        files.pop("classes", None)
        stems = {PurePath(name).with_suffix("").as_posix() for name in names}
        fitting = _fitting(files, stems)
        paths = ImageFolder(self.root, images, self.follow_links).paths(names, place)
        pictures = (
            Labelled(name, paths[name], fitting.get(PurePath(name).with_suffix("").as_posix()))
            for name in names
        )
        used = set(fitting.values())
        return Found(tuple(pictures), tuple(str(each) for each in files.values() if each not in used))

    def _folders(self, place: Path) -> tuple[Path, Path]:
        """Return the folders of the pictures and of the labels."""
        labels = next(
            (each for each in _label_folders(place) if next(_files(each, {".txt"}), None)),
            _label_folders(place)[0],
        )
        below = Path(os.path.relpath(place, self.root))  # root itself may lie in a folder called labels
        images = self.root / (self.images or _exchanged(below, "labels", "images"))
        if not images.is_dir():
            raise PosenasError(
                f"{images}: there is no such folder of pictures; set dataset.{self.split}_images"
            )
        return images, labels

    def _listed(self, file: Path) -> Found:
        """Return the pictures that a list names, one in a line."""
        names = [line.strip() for line in _text(file).splitlines() if line.strip()]
        names = [name.replace("\\", "/") for name in names]
        twice = [name for name, number in Counter(names).items() if number > 1]
        names = list(dict.fromkeys(names))
        base = self._base_of(names, file)
        paths = ImageFolder(self.root, base, self.follow_links).paths(names, file)
        pictures = (
            Labelled(name, self._moved(paths[name]), _first_file(_label_files(paths[name]))) for name in names
        )
        return Found(tuple(pictures), (), tuple(twice))

    def _base_of(self, names: Sequence[str], file: Path) -> Path:
        """Return the folder that the names of a list begin at."""
        bases = (file.parent, self._base(), self.root)
        for base in bases:
            for name in names[:20]:
                if is_file(base / name) or _first_file(_label_files(base / name)):
                    return base
        return bases[0]

    def _moved(self, image: Path) -> Path:
        return self.root / self.images / image.name if self.images else image


def _exists(path: Path) -> bool:
    try:
        return path.is_dir() or path.is_file()
    except (OSError, ValueError):
        return False


def _lies_in(path: Path, root: Path) -> bool:
    return Path(os.path.normpath(path.absolute())).is_relative_to(os.path.normpath(root.absolute()))


def _exchanged(path: Path, old: str, new: str) -> Path:
    """Return the path with the last folder `old` named `new`."""
    parts = list(path.parts)
    if old not in parts:
        return path
    parts[len(parts) - 1 - parts[::-1].index(old)] = new
    return Path(*parts)


def _label_folders(place: Path) -> tuple[Path, ...]:
    """Return where the labels of a folder's pictures may lie: `labels` for `images`, or beside them."""
    return tuple(dict.fromkeys((_exchanged(place, "images", "labels"), place)))


def _label_files(image: Path) -> tuple[Path, ...]:
    folders = _label_folders(image.parent)
    return tuple(folder / f"{image.stem}.txt" for folder in folders)


def _first_file(files: Sequence[Path]) -> Path | None:
    return next((each for each in files if is_file(each)), None)


def _files(folder: Path, endings: frozenset[str] | set[str]) -> Iterator[str]:
    """Yield the names below a folder of the files with these endings, with `/` between folders."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in endings and not name.startswith("."):
                yield path.relative_to(folder).as_posix()


def _fitting(files: Mapping[str, Path], stems: set[str]) -> dict[str, Path]:
    """Return the label file of each picture that has one, by the picture's name without its ending.

    A label file with Label Studio's prefix belongs to the picture without it, if it is the only one.
    """
    fitting = {stem: path for stem, path in files.items() if stem in stems}
    shorter: dict[str, list[Path]] = {}
    for stem, path in files.items():
        place = PurePath(stem)
        short = place.with_name(_PREFIX.sub("", place.name)).as_posix()
        if stem not in stems and short in stems and short not in fitting:
            shorter.setdefault(short, []).append(path)
    return fitting | {stem: paths[0] for stem, paths in shorter.items() if len(paths) == 1}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PosenasError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PosenasError(f"{file}: no list of pictures: not in UTF-8") from None
