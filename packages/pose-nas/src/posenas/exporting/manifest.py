"""The manifest: what a program must know to use an exported file, as one JSON file beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posenas import __version__
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import genotype_id
from posenas.contract.keypoints import KeypointSet
from posenas.data.affine import PADDING
from posenas.data.kinds_of_view import views_of
from posenas.data.letterbox import GREY
from posenas.data.normalising import normalisation_of
from posenas.runs.files import write_atomically
from posenas.runs.strict_json import parse_json

SCHEMA = 1
"""The version of the manifest's form; it grows where a reader of the form before would go wrong."""


def manifest_path(file: Path) -> Path:
    """Return the manifest's path: `NAME.json` beside `NAME.onnx`."""
    return file.with_suffix(".json")


def view_table(view: View) -> dict[str, Any]:
    """Return how an image becomes the view, as `docs/export.md` explains it."""
    table: dict[str, Any] = {"kind": view.kind, "height": view.height, "width": view.width}
    if not views_of(view).finds_people:
        return {**table, "crop": view.crop, "padding": PADDING, "border": 0}
    return {**table, "stride": view.stride, "border": GREY}


def normalisation_table(view: View) -> dict[str, Any]:
    """Return the rule of normalisation that the file applies to the bytes."""
    rule = normalisation_of(view)
    numbers = {"mean": list(rule.mean), "deviation": list(rule.deviation)}
    return {"where": "inside", "order": rule.order, "scale": rule.scale, **numbers}


def keypoints_table(keypoints: KeypointSet) -> dict[str, Any]:
    """Return the keypoint set with all that drawing, scoring and results files read."""
    return {
        "set": keypoints.name,
        "names": list(keypoints.names),
        "limbs": [list(limb) for limb in keypoints.limbs],
        "flip_pairs": [list(pair) for pair in keypoints.flip_pairs],
        "sigmas": list(keypoints.sigmas),
        "parts": {name: list(indices) for name, indices in keypoints.parts.items()},
        "regions": {name: list(indices) for name, indices in keypoints.regions.items()},
        "categories": list(keypoints.categories),
    }


def network_table(
    *,
    space: str,
    genotype: Mapping[str, Any],
    head: str,
    options: Mapping[str, Any],
    costs: Mapping[str, float],
) -> dict[str, Any]:
    """Return which network it is, with the head's options and what it costs.

    Args:
        space: name of the space.
        genotype: of the space.
        head: name of the head.
        options: of the head, all of them.
        costs: counted, by name.
    """
    return {
        "space": space,
        "genotype_id": genotype_id(genotype),
        "genotype": dict(genotype),
        "head": {"name": head, "options": dict(options)},
        "costs": dict(costs),
    }


def file_table(file: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of a file."""
    content = file.read_bytes()
    return {"name": file.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_manifest(file: Path, tables: Mapping[str, Any]) -> Path:
    """Write the manifest of a file, and return its path.

    Args:
        file: the ONNX file, which is there.
        tables: everything but the schema, posenas's version and the file's own table.
    """
    content = {"schema": SCHEMA, "posenas": __version__, "file": file_table(file), **tables}
    path = manifest_path(file)
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")
    return path


def read_manifest(file: Path) -> dict[str, Any]:
    """Return the manifest of an exported file, which it fits.

    Raises:
        PosenasError: if one of the two is missing or damaged, the manifest has another form, or the file is
            not the one that it was written for.
    """
    path = manifest_path(file)
    for each in (file, path):
        if not each.is_file():
            raise PosenasError(
                f"{each}: no such file; `posenas export` writes both {file.name} and {path.name}"
            )
    manifest = _parsed(path)
    found, told = file_table(file), manifest["file"]
    if found["sha256"] != told.get("sha256"):
        raise PosenasError(
            f"{path}: does not fit {file.name}: it was written for a file of {told.get('bytes')} bytes with "
            f"SHA-256 {told.get('sha256')!s:.12}..., and this one has {found['bytes']} bytes and "
            f"{found['sha256']:.12}...; export again, or restore the file"
        )
    return manifest


def _parsed(path: Path) -> dict[str, Any]:
    try:
        manifest = parse_json(path.read_bytes())
        if not isinstance(manifest, dict) or not isinstance(manifest.get("file"), dict):
            raise ValueError("no object with the table `file`")
    except ValueError as error:
        raise PosenasError(f"{path}: no manifest of an export ({error!s:.100}); export again") from None
    if manifest.get("schema") != SCHEMA:
        raise PosenasError(
            f"{path}: a manifest of schema {manifest.get('schema')!r:.20}; this posenas reads {SCHEMA}; "
            "export again, or install the posenas that wrote it"
        )
    return manifest
