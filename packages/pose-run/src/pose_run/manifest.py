"""The manifest beside an exported file: how an image becomes its input, and what its poses are of.

`docs/export.md` of posenas describes the form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_run.errors import PoseRunError, quoted

SCHEMA = 1
"""The newest form of manifests that is read."""
_OUTPUTS = {
    "person": ("keypoints", "scores"),
    "image": ("keypoints", "scores", "person_scores", "boxes"),
}


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
    categories: tuple[int | float | str, ...]

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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PoseRunError(f"{path}: no manifest of an export ({error!r:.100}); export again") from None


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
        schema = table["schema"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise PoseRunError(f"{path}: no manifest of an export ({error!r:.100}); export again") from None
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
    view, rules = table["view"], table["detections"]
    kind = view["kind"]
    missing = [name for name in _OUTPUTS[kind] if name not in table["outputs"]]
    if missing:
        raise ValueError(f"no output {missing[0]}")
    return Manifest(
        precision=str(table["precision"]),
        view=View(
            kind,
            int(view["height"]),
            int(view["width"]),
            crop=view.get("crop", ""),
            padding=float(view.get("padding", 1.0)),
            border=int(view["border"]),
        ),
        keypoints=_keypoints(table["keypoints"]),
        rules=None
        if kind == "image"
        else DetectionRules(rules["box_threshold"], rules["keypoint_threshold"], rules["oks_nms"]),
    )


def _keypoints(table: Mapping[str, Any]) -> KeypointSet:
    return KeypointSet(
        names=tuple(table["names"]),
        limbs=_pairs(table["limbs"]),
        flip_pairs=_pairs(table["flip_pairs"]),
        sigmas=tuple(table["sigmas"]),
        parts={name: tuple(indices) for name, indices in table["parts"].items()},
        regions={name: tuple(indices) for name, indices in table["regions"].items()},
        categories=tuple(table["categories"]),
    )


def _pairs(rows: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(first), int(second)) for first, second in rows)
