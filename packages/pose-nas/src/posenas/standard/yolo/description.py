"""`data.yaml`, ultralytics' description of a data set: its splits, its classes and their keypoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from posenas.contract.errors import PosenasError
from posenas.data.coco.values import quoted
from posenas.data.other_formats import check_content, check_format
from posenas.runs.files import is_file

_USUAL = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_MOST_BYTES = 2**20
_MOST_KEYPOINTS = 1000
_MOST_CLASSES = 10_000
_NOTHING = ("", "null", "~", "None")
_SPLITS = {"train": ("train",), "val": ("val", "valid", "validation")}
"""The keys that name a split; the first that says something counts."""


@dataclass(frozen=True)
class Description:
    """What `data.yaml` says; without such a file, nothing.

    Attributes:
        file: the file; None if there is none.
        path: where the splits begin.
        splits: by `train` and `val`: folders or lists of images.
        classes: the names of the classes by their numbers.
        keypoints: K; None if it is not told.
        values: numbers of each keypoint: 2 for x, y and 3 for x, y, visibility; None if it is not told.
        mirrored: the index of each keypoint's mirror image; None if it is not told.
        names: the K keypoint names of classes, by the class's number.
        sigmas: K dimensionless OKS constants; empty if they are not told.
    """

    file: Path | None = None
    path: str = ""
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    keypoints: int | None = None
    values: int | None = None
    mirrored: tuple[int, ...] | None = None
    names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    sigmas: tuple[float, ...] = ()


def find_description(root: Path, name: str) -> Description:
    """Return the description of a data set.

    Args:
        root: the data set's folder.
        name: the file below it; empty looks for the usual names, and then for the only YAML file.

    Raises:
        PosenasError: if the file is missing or malformed, or there are several.
    """
    if name:
        if not is_file(root / name):
            raise PosenasError(f"{root / name}: there is no such file; mend dataset.description")
        return read_description(root / name)
    usual = [root / each for each in _USUAL if is_file(root / each)]
    found = usual[:1] or sorted((*root.glob("*.yaml"), *root.glob("*.yml")))
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise PosenasError(f"{root}: {names:.120} may each describe the data; set dataset.description")
    return read_description(found[0]) if found else Description(classes=_listed_classes(root / "classes.txt"))


def read_description(file: Path) -> Description:
    """Return what a `data.yaml` says.

    Raises:
        PosenasError: if it cannot be read, or says something that no data set has.
    """
    check_format(file, dataset="yolo")
    content = _content(file)
    try:
        keypoints, values = _shape(_given(content, "kpt_shape"))
        classes = _classes(_given(content, "names"), _given(content, "nc"))
        return Description(
            file=file,
            path=_text(_given(content, "path") or "", "path"),
            splits={split: _entries(content, split) for split in _SPLITS},
            classes=classes,
            keypoints=keypoints,
            values=values,
            mirrored=_mirrored(_given(content, "flip_idx"), keypoints),
            names=_keypoint_names(_given(content, "kpt_names"), keypoints, classes),
            sigmas=_sigmas(_given(content, "kpt_oks_sigmas"), keypoints),
        )
    except ValueError as error:
        raise PosenasError(f"{file}: {error}") from None


def _listed_classes(file: Path) -> dict[int, str]:
    """Return the classes of Label Studio's `classes.txt`, one a line; none without such a file."""
    if not is_file(file):
        return {}
    names = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return dict(enumerate(name.strip() for name in names if name.strip()))


def _content(file: Path) -> Mapping[str, Any]:
    """Return the file's mapping, in which every value is text, a list or a mapping: nothing is guessed."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise PosenasError(f"{file}: more than a megabyte, so no description of a data set")
        content = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise PosenasError(f"{file}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise PosenasError(f"{file}: no YAML that is read: nested too deeply") from None
    except UnicodeDecodeError:
        raise PosenasError(f"{file}: no YAML: not in UTF-8") from None
    except yaml.YAMLError as error:
        mark, problem = (
            getattr(error, "problem_mark", None),
            getattr(error, "problem", None) or getattr(error, "reason", None),
        )
        line = f" in line {mark.line + 1}" if mark else ""
        raise PosenasError(f"{file}: no YAML{line}: {problem or 'unreadable'}") from None
    if not isinstance(content, dict):
        raise PosenasError(f"{file}: no description of a data set: it has no names and no kpt_shape")
    check_content(content, file, dataset="yolo")
    return content


def _given(content: Mapping[str, Any], key: str) -> Any:
    """Return a value; None if it is missing or empty."""
    value = content.get(key)
    return None if value is None or (isinstance(value, str) and value.strip() in _NOTHING) else value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text, not {quoted(value)}")
    return value


def _whole(value: object, what: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"{what} must be a whole number, not {quoted(value)}") from None


def _entries(content: Mapping[str, Any], split: str) -> tuple[str, ...]:
    """Return the folders and lists of a split."""
    found = [_given(content, key) for key in _SPLITS[split] if _given(content, key) is not None]
    value = found[0] if found else []
    return tuple(_text(each, split) for each in (value if isinstance(value, list) else [value]))


def _shape(value: object) -> tuple[int | None, int | None]:
    if value is None:
        return None, None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"kpt_shape must be [K, 2] or [K, 3], not {quoted(value)}")
    keypoints, values = (_whole(each, "kpt_shape") for each in value)
    if not 1 <= keypoints <= _MOST_KEYPOINTS or values not in (2, 3):
        raise ValueError(
            f"kpt_shape must be [K, 2] or [K, 3] with K in 1..{_MOST_KEYPOINTS}, not {quoted(value)}"
        )
    return keypoints, values


def _by_number(value: object, what: str, read: Callable[[object], Any]) -> dict[int, Any]:
    """Return the values of a list, or of a mapping whose keys are numbers, by their numbers from 0."""
    if isinstance(value, list):
        return {number: read(each) for number, each in enumerate(value)}
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a list, or have a number for each class, not {quoted(value)}")
    return {_whole(number, f"a key of {what}"): read(each) for number, each in value.items()}


def _classes(value: object, count: object) -> dict[int, str]:
    if value is None:
        number = 0 if count is None else _whole(count, "nc")
        if not 0 <= number <= _MOST_CLASSES:
            raise ValueError(f"nc must be in 0..{_MOST_CLASSES}, not {quoted(count)}")
        return {index: f"class_{index}" for index in range(number)}
    classes = _by_number(value, "names", lambda each: _text(each, "a name of a class"))
    if min(classes, default=0) < 0:
        raise ValueError(f"names numbers a class {min(classes)}; classes count from 0")
    return classes


def _mirrored(value: object, keypoints: int | None) -> tuple[int, ...] | None:
    if value is None or value == []:
        return None
    if keypoints is None:
        raise ValueError("flip_idx is there, but no kpt_shape; add it")
    if not isinstance(value, list) or len(value) != keypoints:
        raise ValueError(
            f"flip_idx must be a list of as many numbers as kpt_shape has keypoints ({keypoints})"
        )
    order = tuple(_whole(each, "flip_idx") for each in value)
    for index, image in enumerate(order):
        if not 0 <= image < len(order) or order[image] != index:
            other = f"that of {image} is {order[image]}" if 0 <= image < len(order) else "there is no such"
            raise ValueError(
                f"flip_idx: the mirror image of keypoint {index} is {image}, but {other}; mend it"
            )
    return order


def _keypoint_names(
    value: object, keypoints: int | None, classes: Mapping[int, str]
) -> dict[int, tuple[str, ...]]:
    """Return the names by class; a list of texts is for every class."""
    if value is None:
        return {}
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return dict.fromkeys(classes or (0,), _names(value, keypoints))
    found = _by_number(value, "kpt_names", lambda each: _names(each, keypoints))
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise ValueError(f"kpt_names names keypoints of class {unknown[0]}, but names has no such class")
    return found


def _names(value: object, keypoints: int | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"kpt_names must be lists of names, not {quoted(value)}")
    if len(value) != keypoints:
        raise ValueError(f"kpt_names lists {len(value)} keypoints, but kpt_shape says {keypoints}")
    return tuple(value)


def _sigmas(value: object, keypoints: int | None) -> tuple[float, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != keypoints:
        raise ValueError(f"kpt_oks_sigmas must be a number for each of the {keypoints} keypoints")
    return tuple(_sigma(each) for each in value)


def _sigma(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"kpt_oks_sigmas must be numbers above 0, not {quoted(value)}")
    return number
