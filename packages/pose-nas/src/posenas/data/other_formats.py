"""Files of known formats where another one is needed: what each is by its content, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from posenas.contract.errors import PosenasError
from posenas.runs.files import is_file
from posenas.runs.strict_json import parse_json, read_json

_LOOKED_AT = 2**14
_LARGEST_JSON = 2**22
_SEARCHED = frozenset(
    (".csv", ".h5", ".hdf5", ".json", ".parquet", ".slp", ".txt", ".xml", ".yaml", ".yml", ".zip")
)
_SLEAP = "dataset sleap reads it (pip install pose-nas[sleap])"
_YOLO = "dataset yolo reads its folder"
_EXPORT = "export COCO keypoints from the tool that wrote it"
_UNPACK = "unpack it and give the folder"


class _Format(NamedTuple):
    """A known format.

    Attributes:
        what: its name for messages.
        is_that: tells it by the first bytes, by the first text, or by the value of a JSON file.
        remedy: what to do with such a file.
        dataset: the dataset that reads it; empty if none does.
    """

    what: str
    is_that: Callable[[Any], object]
    remedy: str
    dataset: str = ""


def _begins(pattern: str | bytes) -> Callable[[Any], object]:
    return re.compile(pattern, re.DOTALL if isinstance(pattern, bytes) else 0).match


def _has(*keys: str) -> Callable[[Any], object]:
    return lambda content: isinstance(content, dict) and content.keys() >= {*keys}


def _lists(*keys: str) -> Callable[[Any], object]:
    return lambda content: isinstance(content, list) and content and _has(*keys)(content[0])


_BINARY = (
    _Format("SLEAP's labels", _begins(rb"\x89HDF\r\n\x1a\n.*videos_json"), _SLEAP, "sleap"),
    _Format(
        "HDF5, as DeepLabCut writes it beside its CSV",
        _begins(rb"\x89HDF\r\n\x1a\n"),
        "dataset sleap reads the CSV (pip install pose-nas[sleap])",
    ),
    _Format("a Parquet table", _begins(rb"PAR1"), _EXPORT),
    _Format("a zip archive", _begins(rb"PK\x03\x04"), _UNPACK),
    _Format("a gzip archive", _begins(rb"\x1f\x8b"), _UNPACK),
)
_XML = r"(<\?xml[^>]*>\s*)?"
_TEXT = (
    _Format(
        "CVAT's XML", _begins(_XML + r"<annotations>\s*<version>"), "export 'COCO Keypoints 1.0' instead"
    ),
    _Format("Pascal VOC's XML, which has boxes and no keypoints", _begins(_XML + r"<annotation\b"), _EXPORT),
    _Format("XML", _begins(r"<(\?xml|[A-Za-z]+>)"), _EXPORT),
    _Format("DeepLabCut's CSV", _begins(r"scorer[,;]"), _SLEAP, "sleap"),
    _Format(
        "a text file of ultralytics' labels",
        _begins(r"[\d.]+([ \t]+[-+.\deE]+){4,}[ \t\r]*(\n|$)"),
        _YOLO,
        "yolo",
    ),
    _Format("ultralytics' data.yaml", _begins(r"(.*\n)*?(kpt_shape|names)[ \t]*:"), _YOLO, "yolo"),
    _Format("a CSV table", _begins(r"([^\n,;\t{}\[\]]*[,;\t]){2}[^\n{}\[\]]*(\n|$)"), _EXPORT),
)
_JSON = (
    _Format("COCO's JSON", _has("images", "annotations"), "dataset coco reads its folder", "coco"),
    _Format(
        "labelme's JSON",
        _has("shapes", "imagePath"),
        "docs/your-data.md has a script that makes COCO keypoints of it",
    ),
    _Format("Label Studio's own JSON", _lists("data", "annotations"), "export 'COCO' instead"),
    _Format("Label Studio's own JSON", _lists("annotation_id", "annotator"), "export 'COCO' instead"),
    _Format("Datumaro's own JSON", _has("items", "categories"), "export 'COCO Keypoints' instead"),
    _Format("FiftyOne's own JSON", _has("samples"), "export COCODetectionDataset instead"),
)


def read_coco_json(path: Path, *, shrink: Callable[[dict[str, Any]], object] | None = None) -> Any:
    """Return the content of a JSON file of annotations or results, in which numbers need not be finite.

    Args:
        path: the file.
        shrink: makes an object of the file smaller as soon as it is read, and returns what stands for it.

    Raises:
        PosenasError: if the file cannot be read, or is of a known other format, which is named.
    """
    check_format(path, dataset="coco")
    content = read_json(path, finite=False, shrink=shrink)
    check_content(content, path, dataset="coco")
    return content


def check_format(path: Path, *, dataset: str) -> None:
    """Check that a file does not begin as one of a known format that the dataset does not read.

    Raises:
        PosenasError: if it does; the message names the format and tells what to do.
    """
    other = _by_beginning(path, dataset)
    if other:
        raise PosenasError(f"{path}: this is {other}")


def check_content(content: object, path: Path, *, dataset: str) -> None:
    """Check that the content of a JSON file is not of a known format that the dataset does not read.

    Args:
        content: the value of the file.
        path: names the file in the message.
        dataset: the name of the dataset.

    Raises:
        PosenasError: if it is; the message names the format and tells what to do.
    """
    other = _among(_JSON, content, dataset)
    if other:
        raise PosenasError(f"{path}: this is {other}")


def may_be_coco(path: Path) -> bool:
    """Return whether a JSON file holds COCO's annotations, as far as a file that is soon read tells."""
    content = _content_of(path)
    return content is None or bool(_has("images", "annotations")(content))


def other_format(path: Path, *, dataset: str) -> str | None:
    """Return what a file of a known format is and what to do with it.

    Args:
        path: the file; a missing one gives None.
        dataset: the name of a dataset; a file that it reads gives None.
    """
    if not is_file(path):
        return None
    return _by_beginning(path, dataset) or _among(_JSON, _content_of(path), dataset)


def first_other_format(root: Path, names: Iterable[str], *, dataset: str) -> str | None:
    """Return the name of the first file of a known format, with what it is and what to do.

    Args:
        root: a folder.
        names: paths of files below it; those that are called pictures and the like are passed over.
        dataset: the name of a dataset; files that it reads are passed over.
    """
    searched = (name for name in names if Path(name).suffix.lower() in _SEARCHED)
    found = ((name, other_format(root / name, dataset=dataset)) for name in searched)
    return next((f"{name} is {other}" for name, other in found if other), None)


def no_folder(path: Path, *, dataset: str) -> str:
    """Return what stands where a folder of data should be, in words for a message.

    Args:
        path: what is no folder.
        dataset: the name of the dataset that wants the folder.
    """
    other = other_format(path, dataset=dataset)
    if other:
        return f"no folder, but {other}"
    return "no folder, but a file; give the folder that it lies in" if is_file(path) else "no folder"


def _content_of(path: Path) -> Any:
    """Return the value of a JSON file; None for a large one, and for what is none."""
    try:
        if path.suffix.lower() != ".json" or path.stat().st_size > _LARGEST_JSON:
            return None
        return parse_json(path.read_bytes(), finite=False)
    except (OSError, ValueError):
        return None


def _by_beginning(path: Path, dataset: str) -> str | None:
    """Return what a file is by its first bytes, and what to do; None for JSON and what is unknown."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_LOOKED_AT)
    except (OSError, ValueError):
        return None
    text = beginning.decode("utf-8-sig", errors="replace").lstrip()
    is_json = text[:1] in ("{", "[")
    return _among(_BINARY, beginning, dataset) or (None if is_json else _among(_TEXT, text, dataset))


def _among(formats: Iterable[_Format], content: object, dataset: str) -> str | None:
    """Return the first format that the content is of, with what to do; None if the dataset reads it."""
    found = next((each for each in formats if each.is_that(content)), None)
    return f"{found.what}; {found.remedy}" if found and found.dataset != dataset else None
