"""SLEAP's label files `.slp` and `.pkg.slp`, read by sleap-io."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from posenas import PosenasError

from data_sleap.labels import EMPTY, NOBODY, Frame, Labels, Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAMAGED = (AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What sleap-io and h5py raise where a file is damaged or no label file."""

_PREDICTED = "predicted instances are left out: only what a user labelled is truth"
_ALONE = "frames hold predictions alone and are left out: correct and accept them in SLEAP to label them"


def read_slp(file: Path) -> Labels:
    """Return what a user labelled in a `.slp` or `.pkg.slp`. Predictions are left out.

    Args:
        file: the label file.

    Raises:
        PosenasError: if it cannot be read, or its people have different skeletons.
    """
    content = _load(file)
    frames: list[Frame] = []
    remarks: dict[str, list[str]] = {}
    skeletons: list[Any] = []
    for labelled in content.labeled_frames:
        frame = _place(labelled, file)
        users = labelled.user_instances
        skeletons += [each.skeleton for each in users]
        people = tuple(_pose(each) for each in users)
        seen = tuple(pose for pose in people if np.isfinite(pose).any())
        predicted = len(labelled.predicted_instances)
        alone = not seen and not labelled.is_negative
        told = {
            _PREDICTED: predicted,
            EMPTY: len(people) - len(seen),
            _ALONE: alone and predicted > 0,
            NOBODY: alone and not predicted,
        }
        for what, count in told.items():
            remarks.setdefault(what, []).extend([frame.name] * count)
        if not alone:
            frames.append(frame._replace(people=seen))
    names, limbs, pairs = _skeleton(skeletons or content.skeletons, file)
    return Labels((file,), names, limbs, pairs, tuple(frames), remarks)


def _load(file: Path) -> Any:
    """Return the file's content, as sleap-io's `Labels`."""
    from sleap_io import load_slp  # type: ignore[import-untyped]  # heavy: loaded where a file is opened

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on fields that are not read here
            return load_slp(str(file.absolute()), open_videos=False)
    except DAMAGED as error:
        raise PosenasError(f"{file}: no label file of SLEAP, or damaged ({in_words(error)})") from None


def in_words(error: Exception) -> str:
    """Return the kind and the text of an error of sleap-io, in one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.120}"


def _place(labelled: Any, file: Path) -> Frame:
    """Return where a frame's pixels are, with nobody in it yet.

    Frames in a package have the names of the pictures or videos that they were taken from.
    """
    video, index = labelled.video, labelled.frame_idx
    origin, number = _part(video.source_video or video, index, file)
    if video.crop_rect is not None:
        raise PosenasError(
            f"{file}: it has labels on a cropped view of {origin}, which is not read; save the labels with "
            "their pictures, as .pkg.slp"
        )
    if not isinstance(video.filename, str):
        return Frame(origin, number, _part(video, index, file)[0])
    description = video.backend_metadata
    stored = str(description.get("dataset") or "") if description.get("type") == "HDF5Video" else ""
    return Frame(origin, number, video.filename, index, stored)


def _part(video: Any, index: int, file: Path) -> tuple[str, int | None]:
    """Return the picture of a list of pictures and None, or a video and the number of the frame."""
    if isinstance(video.filename, str):
        return _posix(video.filename), index
    if not 0 <= index < len(video.filename):
        raise PosenasError(f"{file}: it has labels for picture {index}, but lists {len(video.filename)}")
    return _posix(video.filename[index]), None


def _posix(name: str) -> str:
    return name.replace("\\", "/")


def _pose(instance: Any) -> NDArray[np.float64]:
    """Return the (K, 2) places of a person; NaN where a keypoint is absent or not visible."""
    pose = np.array(instance.numpy(invisible_as_nan=True), np.float64)[:, :2]
    pose[~np.isfinite(pose).all(axis=1)] = np.nan
    return pose


def _skeleton(skeletons: Sequence[Any], file: Path) -> tuple[tuple[str, ...], Pairs, Pairs | None]:
    """Return the names, the limbs and the flip pairs of the only skeleton.

    Raises:
        PosenasError: if there is none, or people have different ones.
    """
    by_names = {tuple(map(str, each.node_names)): each for each in skeletons}
    if len(by_names) != 1:
        told = "; ".join(_few(names) for names in list(by_names)[:2])
        raise PosenasError(
            f"{file}: its people have {len(by_names)} skeletons{': ' if told else ''}{told}; save the labels "
            "of one skeleton in a file of its own"
        )
    ((names, skeleton),) = by_names.items()
    pairs = tuple(_distinct(skeleton.symmetry_inds))
    return names, tuple((int(one), int(other)) for one, other in skeleton.edge_inds), pairs or None


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _distinct(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield each pair once: SLEAP's older files list a symmetry in both directions."""
    yield from dict.fromkeys((int(min(pair)), int(max(pair))) for pair in pairs)
