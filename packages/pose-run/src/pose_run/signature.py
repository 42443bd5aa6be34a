"""The inputs and outputs of an exported file, beside those that its manifest makes one expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pose_run.manifest import Manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

Shape = tuple[int | None, ...]
"""The lengths of the axes; None is any length."""


def misfit(session: InferenceSession, manifest: Manifest) -> str:
    """Return in what a file is another one than its manifest tells; empty if in nothing.

    Args:
        session: the file, read by onnxruntime.
        manifest: what lies beside it.
    """
    inputs, outputs = _shapes(session.get_inputs()), _shapes(session.get_outputs())
    expected = _expected_inputs(manifest)
    if inputs.keys() != expected.keys():
        return f"the file's inputs are {', '.join(inputs)}, not {', '.join(expected)}"
    for name, shape in (expected | _expected_outputs(manifest)).items():
        found = (inputs | outputs).get(name)
        if found is None or not _fits(found, shape):
            return f"the file's {name}: {found}, not {list(shape)}"
    return ""


def _shapes(values: Sequence[Any]) -> dict[str, Sequence[int | str | None]]:
    return {value.name: value.shape for value in values}


def _expected_inputs(manifest: Manifest) -> dict[str, Shape]:
    images = None, manifest.view.height, manifest.view.width, 3
    return {"images": images} | ({"pitch": (None,)} if manifest.view.kind == "image" else {})


def _expected_outputs(manifest: Manifest) -> dict[str, Shape]:
    count = len(manifest.keypoints)
    shapes = {"keypoints": (None, count, 2), "scores": (None, count), "boxes": (None, 4)}
    return {name: shapes.get(name, (None,)) for name in manifest.outputs}


def _fits(found: Sequence[int | str | None], expected: Shape) -> bool:
    """Return whether a file's shape has the expected lengths; an axis with a name may have any."""
    return len(found) == len(expected) and all(
        length == wanted or wanted is None or not isinstance(length, int)
        for length, wanted in zip(found, expected, strict=True)
    )
