"""Part groups: which keypoints each of several networks predicts, from what is known of the body.

Source: PoseNFS (Yang et al., 2019/2021), table I, which groups COCO's and MPII's keypoints in 1, 3, 5 or 8
parts. Here every group is a list of kinds of keypoints. That gives the table, and the groups of any other
keypoint set whose parts say what is head, arm and leg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from posenas import KeypointSet, PosenasError, suggestion

_Kind: TypeAlias = Literal["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
"""The kind of a keypoint. What lies beyond an elbow or a knee is of the wrist's or the ankle's kind."""

_Side: TypeAlias = Literal["", "left", "right"]

_Members: TypeAlias = tuple[tuple[_Kind, ...], _Side]
"""The kinds of keypoints in a group, and the side that they are on; "" for both."""

_HEAD_AND_SHOULDERS: _Members = (("head", "shoulder"), "")
_BODY_GROUPS: Mapping[int, Mapping[str, _Members]] = {
    3: {
        "head": (("head",), ""),
        "upper limbs": (("shoulder", "elbow", "wrist"), ""),
        "lower limbs": (("hip", "knee", "ankle"), ""),
    },
    5: {
        "head and shoulders": _HEAD_AND_SHOULDERS,
        "left lower arm": (("elbow", "wrist"), "left"),
        "right lower arm": (("elbow", "wrist"), "right"),
        "thigh": (("hip",), ""),
        "lower limbs": (("knee", "ankle"), ""),
    },
    8: {
        "head and shoulders": _HEAD_AND_SHOULDERS,
        "left upper arm": (("shoulder", "elbow"), "left"),
        "left lower arm": (("elbow", "wrist"), "left"),
        "right upper arm": (("shoulder", "elbow"), "right"),
        "right lower arm": (("elbow", "wrist"), "right"),
        "thigh": (("hip", "knee"), ""),
        "left lower leg": (("knee", "ankle"), "left"),
        "right lower leg": (("knee", "ankle"), "right"),
    },
}

_REMEDY = "give the groups as lists of keypoint names"


@dataclass(frozen=True)
class PartGroup:
    """The keypoints of one part of the body; another part may have some of them too.

    Attributes:
        name: what people read.
        keypoints: indices in the keypoint set, rising.
    """

    name: str
    keypoints: tuple[int, ...]


def body_groups(keypoints: KeypointSet, parts: int) -> tuple[PartGroup, ...]:
    """Return the groups for a number of parts: all keypoints for 1, and table I's groups for 3, 5 and 8.

    Raises:
        PosenasError: if there are no groups for that number, the keypoint set has none for one of the groups,
            or a keypoint is in no group.
    """
    if parts == 1:
        return (PartGroup("all keypoints", tuple(range(len(keypoints)))),)
    if parts not in _BODY_GROUPS:
        known = ", ".join(map(str, (1, *_BODY_GROUPS)))
        raise PosenasError(f"part groups: the body has groups for {known} parts, not {parts}; {_REMEDY}")
    places = [_place(keypoints, index) for index in range(len(keypoints))]
    groups = tuple(
        PartGroup(name, tuple(index for index, place in enumerate(places) if _is_in(place, members)))
        for name, members in _BODY_GROUPS[parts].items()
    )
    for group in groups:
        if not group.keypoints:
            raise PosenasError(
                f"part groups: {keypoints.name} has no keypoint for {group.name!r}, one of the body's "
                f"{parts} groups; use fewer parts, or {_REMEDY}"
            )
    _check_all_are_in(groups, keypoints)
    return groups


def random_groups(keypoints: KeypointSet, parts: int, rng: Random) -> tuple[PartGroup, ...]:
    """Return the body's groups after the keypoints have changed places at random.

    The groups have the same sizes and share as many keypoints.

    Args:
        keypoints: the set that is grouped.
        parts: how many groups there are, as of `body_groups`.
        rng: draws the new places.

    Raises:
        PosenasError: as `body_groups`.
    """
    places = list(range(len(keypoints)))
    rng.shuffle(places)
    return tuple(
        PartGroup(f"random {number}", tuple(sorted(places[index] for index in group.keypoints)))
        for number, group in enumerate(body_groups(keypoints, parts), start=1)
    )


def named_groups(keypoints: KeypointSet, names: Sequence[Sequence[str]]) -> tuple[PartGroup, ...]:
    """Return groups that the user lists.

    Args:
        keypoints: the set that is grouped.
        names: the names of each group's keypoints.

    Raises:
        PosenasError: if a group is empty, a name is no keypoint's or is twice in a group, or a keypoint is in
            no group.
    """
    groups = tuple(
        PartGroup(f"group {number}", tuple(sorted(_indices(keypoints, members, f"group {number}"))))
        for number, members in enumerate(names, start=1)
    )
    _check_all_are_in(groups, keypoints)
    return groups


def _place(keypoints: KeypointSet, index: int) -> tuple[_Kind | None, _Side]:
    """Return a keypoint's kind and side; None and "" where its parts do not tell them."""
    words = {
        word for part, members in keypoints.parts.items() if index in members for word in part.split("_")
    }
    side: _Side = "left" if "left" in words else "right" if "right" in words else ""
    return _kind(keypoints.names[index].lower(), words), side


def _kind(name: str, part_words: set[str]) -> _Kind | None:
    """Return a keypoint's kind; limbs are tried first, since shoulders and hips are in the torso too."""
    if part_words & {"arm", "hand"}:
        return "shoulder" if "shoulder" in name else "elbow" if "elbow" in name else "wrist"
    if part_words & {"leg", "foot"}:
        return "hip" if "hip" in name or "thigh" in name else "knee" if "knee" in name else "ankle"
    if part_words & {"head", "face"}:
        return "head"
    if "torso" in part_words:  # table I has the thorax with the head, and the pelvis with the hips
        above = "thorax" in name or "chest" in name
        return "shoulder" if "shoulder" in name else "head" if above else "hip"
    return None


def _is_in(place: tuple[_Kind | None, _Side], members: _Members) -> bool:
    (kind, side), (kinds, wanted) = place, members
    return kind in kinds and wanted in ("", side)


def _indices(keypoints: KeypointSet, members: Sequence[str], group: str) -> Iterator[int]:
    if not members:
        raise PosenasError(f"part groups: {group} is empty; name its keypoints, or leave it out")
    for position, name in enumerate(members):
        if name not in keypoints.names:
            raise PosenasError(
                f"part groups: {name!r} in {group} is not a keypoint of {keypoints.name}; "
                f"{suggestion(name, keypoints.names)}"
            )
        if name in members[:position]:
            raise PosenasError(f"part groups: {name!r} is in {group} twice; name it once")
        yield keypoints.names.index(name)


def _check_all_are_in(groups: Sequence[PartGroup], keypoints: KeypointSet) -> None:
    found = {index for group in groups for index in group.keypoints}
    lost = [name for index, name in enumerate(keypoints.names) if index not in found]
    if lost:
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        raise PosenasError(
            f"part groups: no group has {', '.join(lost[:4])}{more} of {keypoints.name}; "
            f"{_REMEDY}, each keypoint in one or more"
        )
