"""The manifest beside an exported file: how an image becomes its input, and what its poses are of.

`docs/export.md` of posenas describes the form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_run.errors import PoseRunError, quoted
from pose_run.fields import indices, listed, number, whole, word
from pose_run.ids import checked_id

SCHEMA = 1
"""The newest form of manifests that is read."""
_OUTPUTS = {
    "person": ("keypoints", "scores"),
    "image": ("keypoints", "scores", "person_scores", "boxes"),
}
_CROPS = ("udp", "standard")
_LEAST_SIDE = 2
"""Pixels: a crop of one would have no step to fill."""
_PADDINGS = (0.01, 100.0)
_LEAST_SIGMA = 1e-6
"""OKS divides by the square of it, which must not become 0."""


@dataclass(frozen=True)
class View:
    """The picture that a network looks at.

    Attributes:
        kind: `person` for a crop of one person, `image` for a whole image.
        height: pixels.
        width: pixels.
        crop: `udp` or `standard`, how a padded box fills a crop; empty for whole images.
        padding: how many times as large as a person's box the shown region is.
        border: the grey level, from 0 to 255, of what lies beside the image.
    """

    kind: str
    height: int
    width: int
    crop: str
    padding: float
    border: int


@dataclass(frozen=True)
class KeypointSet:
    """The K keypoints of a pose.

    Attributes:
        names: in the order of the coordinates.
        limbs: pairs of indices to draw a line between.
        flip_pairs: pairs of indices, the person's left first.
        sigmas: K dimensionless constants of OKS.
        parts: named groups of indices.
        regions: indices of the keypoints of faces and hands, by name.
        categories: ids by which detectors know people; results have the first.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    parts: Mapping[str, tuple[int, ...]]
    regions: Mapping[str, tuple[int, ...]]
    categories: tuple[int | str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class DetectionRules:
    """The rules by which poses in a detector's boxes are judged.

    Attributes:
        box_threshold: boxes with a lower score are left out.
        keypoint_threshold: keypoints that score more make up the pose's score.
        oks_nms: OKS above which the worse of two poses is left out.
    """

    box_threshold: float
    keypoint_threshold: float
    oks_nms: float


@dataclass(frozen=True)
class Manifest:
    """What a program must know to use an exported file.

    Attributes:
        precision: of the file, such as `float32` or `int8`.
        view: what the network looks at.
        keypoints: what its poses consist of.
        rules: for people in a detector's boxes; None for networks that look at whole images.
    """

    precision: str
    view: View
    keypoints: KeypointSet
    rules: DetectionRules | None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the file's outputs that poses are made of."""
        return _OUTPUTS[self.view.kind]


def read_manifest(file: Path, content: bytes) -> Manifest:
    """Return the manifest beside an exported file, which it fits.

    Args:
        file: the ONNX file; its manifest has the same name with `.json`.
        content: the ONNX file's bytes.

    Raises:
        PoseRunError: if the manifest is missing or damaged, has another form, or is another file's.
    """
    path = file.with_suffix(".json")
    if not path.is_file():
        raise PoseRunError(
            f"{path}: no such file; `posenas export` writes both {file.name} and {path.name}: copy both"
        )
    table = _table(path)
    try:
        _check_fit(path, file.name, table["file"], content)
        return _manifest(table)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise no_manifest(path, repr(error)) from None


def no_manifest(path: Path, reason: str) -> PoseRunError:
    """Return the error of a manifest that is none of an export."""
    return PoseRunError(f"{path}: no manifest of an export ({reason:.100}); export again")


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
        schema = table["schema"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise no_manifest(path, repr(error)) from None
    if schema != SCHEMA:
        raise PoseRunError(
            f"{path}: a manifest of schema {quoted(schema)}; this pose-run reads {SCHEMA}; "
            "export again, or install another pose-run"
        )
    found: dict[str, Any] = table
    return found


def _check_fit(path: Path, name: str, told: Mapping[str, Any], content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != told["sha256"]:
        raise PoseRunError(
            f"{path}: does not fit {name}: it was written for a file of {quoted(told.get('bytes'))} bytes "
            f"with SHA-256 {told['sha256']!s:.12}..., and this one has {len(content)} and {digest:.12}...; "
            "copy both files again, or export again"
        )


def _manifest(table: Mapping[str, Any]) -> Manifest:
    view = _view(table["view"])
    return Manifest(
        precision=str(table["precision"]),
        view=view,
        keypoints=_keypoints(table["keypoints"]),
        rules=None if view.kind == "image" else _rules(table["detections"]),
    )


def _view(table: Mapping[str, Any]) -> View:
    kind = word(table["kind"], "kind", known=_OUTPUTS)
    height = whole(table["height"], "height", least=_LEAST_SIDE)
    width = whole(table["width"], "width", least=_LEAST_SIDE)
    border = whole(table["border"], "border", least=0, most=255)
    if kind == "image":
        return View(kind, height, width, crop="", padding=1.0, border=border)
    least, most = _PADDINGS
    return View(
        kind,
        height,
        width,
        crop=word(table["crop"], "crop", known=_CROPS),
        padding=number(table["padding"], "padding", least=least, most=most),
        border=border,
    )


def _rules(table: Mapping[str, Any]) -> DetectionRules:
    box, keypoint, oks = (
        number(table[name], name) for name in ("box_threshold", "keypoint_threshold", "oks_nms")
    )
    return DetectionRules(box, keypoint, oks)


def _keypoints(table: Mapping[str, Any]) -> KeypointSet:
    names = tuple(listed(table["names"], "names"))
    sigmas = tuple(number(each, "sigmas", least=_LEAST_SIGMA) for each in listed(table["sigmas"], "sigmas"))
    categories = tuple(checked_id(each) for each in listed(table["categories"], "categories"))
    regions = _groups(table, "regions", count=len(names))
    if len(sigmas) != len(names):
        raise ValueError(f"{len(sigmas)} sigmas of {len(names)} names")
    if not categories or not all(regions.values()):
        raise ValueError("no categories, or a region of no keypoints")
    return KeypointSet(
        names=names,
        limbs=_pairs(table, "limbs", count=len(names)),
        flip_pairs=_pairs(table, "flip_pairs", count=len(names)),
        sigmas=sigmas,
        parts=_groups(table, "parts", count=len(names)),
        regions=regions,
        categories=categories,
    )


def _pairs(table: Mapping[str, Any], name: str, *, count: int) -> tuple[tuple[int, int], ...]:
    pairs = (indices(pair, name, count=count) for pair in listed(table[name], name))
    return tuple((first, second) for first, second in pairs)


def _groups(table: Mapping[str, Any], name: str, *, count: int) -> dict[str, tuple[int, ...]]:
    return {group: indices(each, name, count=count) for group, each in table[name].items()}
