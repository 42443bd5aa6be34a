"""A part of one split's images held out, for datasets that have no split of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from posenas.contract.errors import PosenasError
from posenas.contract.randomness import derive_seed

if TYPE_CHECKING:
    from posenas.contract.samples import Sample

Together: TypeAlias = Literal["image", "folder", "video"]
"""What is never split: an image, a folder of images, or a video."""

_FRAME = re.compile(r"^(.*?)[0-9]+[^0-9]*$", re.DOTALL)
_ROBOFLOW = re.compile(r"(_(jpe?g|png))?\.rf\.[0-9A-Za-z]{8,}")


class HeldOutOptions(Protocol):
    """The options of a dataset that can hold out a part of `train` as `val`."""

    @property
    def val_share(self) -> float: ...
    @property
    def val_together(self) -> Together: ...
    @property
    def val_seed(self) -> int: ...


def hold_out(
    samples: Sequence[Sample], share: float, *, seed: int, together: Together = "image"
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the samples that stay and those that are held out, each in their order.

    Whole groups are held out until they have the share of the images with people. The order of the groups
    depends on the seed and their names alone, so it is the same wherever the images lie.

    Args:
        samples: of one split.
        share: between 0 and 1, of the images that show somebody.
        seed: chooses the groups.
        together: what a group is. The images of a `video` lie in one folder and have one name, but for the
            last number in it, which counts the frames.

    Raises:
        PosenasError: if people are in fewer than two groups.
    """
    groups = _groups(samples, together)
    shown: dict[str, int] = {}
    for sample, group in zip(samples, groups, strict=True):
        shown[group] = shown.get(group, 0) + bool(sample.people)
    peopled = sum(count > 0 for count in shown.values())
    if peopled < 2:
        raise PosenasError(
            f"val_share holds out whole {together}s, and people are in {peopled} of them; "
            "at least 2 are needed: choose another dataset.val_together, or give dataset.val"
        )
    chosen, people, left = set[str](), 0, peopled
    for group in sorted(shown, key=lambda name: derive_seed(seed, "val", name)):
        left -= shown[group] > 0
        if left == 0 and shown[group]:
            break  # somebody must stay
        chosen.add(group)
        people += shown[group]
        if people >= share * sum(shown.values()):
            break
    pairs = list(zip(samples, groups, strict=True))
    stay = tuple(sample for sample, group in pairs if group not in chosen)
    return stay, tuple(sample for sample, group in pairs if group in chosen)


def _groups(samples: Sequence[Sample], together: Together) -> list[str]:
    """Return the name of each sample's group."""
    if together == "image":
        return [str(sample.written_id) for sample in samples]
    names = [PurePath(str(sample.source)) for sample in samples]
    folders = [name.parent for name in names]
    common = _common(folders)
    below = ["/".join(folder.parts[common:]) for folder in folders]
    if together == "folder":
        return below
    return [f"{folder}/{_video(name.name)}" for folder, name in zip(below, names, strict=True)]


def _common(folders: Sequence[PurePath]) -> int:
    """Return how many parts all folders begin with."""
    columns = zip(*(folder.parts for folder in folders), strict=False)
    different = (index for index, parts in enumerate(columns) if len(set(parts)) > 1)
    return next(different, min((len(folder.parts) for folder in folders), default=0))


def _video(name: str) -> str:
    """Return the name without the number of its frame, and without the hash that Roboflow adds."""
    name = _ROBOFLOW.sub("", name)
    stem = name.rpartition(".")[0] or name
    frame = _FRAME.match(stem)
    return frame[1] if frame else stem
