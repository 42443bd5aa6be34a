"""What a label file holds, in one form for SLEAP's files and DeepLabCut's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from posenas import PosenasError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pairs = tuple[tuple[int, int], ...]


class Frame(NamedTuple):
    """A labelled picture, or a labelled frame of a video.

    Attributes:
        origin: the picture or the video, as a user knows it, with `/` between folders.
        number: of the frame in the video, from 0; None for a picture.
        file: that holds the pixels, as the label file calls it: the picture, the video or a package.
        position: of the frame in that file; None for a picture.
        stored: the data set in a package or another HDF5 file; empty for other files.
        people: (K, 2) places of each person's keypoints in pixels; NaN where a keypoint is absent.
    """

    origin: str
    number: int | None
    file: str
    position: int | None = None
    stored: str = ""
    people: tuple[NDArray[np.float64], ...] = ()

    @property
    def name(self) -> str:
        """The picture's name, or the video's with the frame's number: `video.mp4/12`."""
        return self.origin if self.number is None else f"{self.origin}/{self.number}"


class Labels(NamedTuple):
    """What label files hold.

    Attributes:
        files: all of them, in order.
        names: of the K keypoints.
        limbs: pairs of indices that the skeleton connects.
        pairs: of left and right keypoints as indices; None if the files tell none.
        frames: every labelled frame.
        remarks: what is odd or left out, and where.
    """

    files: Sequence[Path]
    names: tuple[str, ...]
    limbs: Pairs
    pairs: Pairs | None
    frames: tuple[Frame, ...]
    remarks: Mapping[str, Sequence[str]]


NOBODY = "frames hold no labels, and nothing says that nobody is there: they are left out"
"""The remark on frames that are listed, but not labelled."""
EMPTY = "people have no labelled keypoint and are left out"
"""The remark on people without a place."""


def joined(parts: Sequence[Labels]) -> Labels:
    """Return what several label files hold together.

    Args:
        parts: of at least one file. Limbs and flip pairs are those of the first.

    Raises:
        PosenasError: if files name different keypoints.
    """
    first = parts[0]
    other = next((each for each in parts if each.names != first.names), None)
    if other:
        raise PosenasError(
            f"{first.files[0]} and {other.files[0]} name different keypoints: "
            f"{', '.join(first.names):.80} and {', '.join(other.names):.80}; give both the same, in the same "
            "order"
        )
    remarks: dict[str, list[str]] = {}
    for each in parts:
        for what, cases in each.remarks.items():
            remarks.setdefault(what, []).extend(cases)
    return first._replace(
        files=tuple(file for each in parts for file in each.files),
        frames=tuple(frame for each in parts for frame in each.frames),
        remarks=remarks,
    )
