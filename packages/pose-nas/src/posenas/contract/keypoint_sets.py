"""The keypoint sets that people know by name, and how to make one from a dataset's own keypoint names.

Sources of the sigmas: COCO, COCO-WholeBody, CrowdPose and PoseTrack18 publish theirs. MPII and LSP publish
none: each of their keypoints takes COCO's value for the same body part, and CrowdPose's .079 for heads and
necks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.keypoints import KeypointSet

if TYPE_CHECKING:
    from posenas.contract.file_ids import FileId

DEFAULT_SIGMA = 0.067
"""The mean of COCO's 17 sigmas, for a keypoint whose name holds no known body part."""

_SIGMA_OF_WORD = MappingProxyType(
    {
        "nose": 0.026,
        "eye": 0.025,
        "ear": 0.035,
        "head": 0.079,
        "neck": 0.079,
        "shoulder": 0.079,
        "thorax": 0.079,
        "elbow": 0.072,
        "wrist": 0.062,
        "pelvis": 0.107,
        "hip": 0.107,
        "knee": 0.087,
        "ankle": 0.089,
        "toe": 0.068,
        "heel": 0.066,
    }
)

_HEAD_WORDS = frozenset(
    {
        "head",
        "neck",
        "nose",
        "eye",
        "ear",
        "face",
        "brow",
        "eyebrow",
        "mouth",
        "lip",
        "chin",
        "jaw",
        "forehead",
    }
)
_ARM_WORDS = frozenset({"shoulder", "elbow", "wrist", "arm", "forearm", "hand"})
_LEG_WORDS = frozenset({"hip", "knee", "ankle", "leg", "thigh", "foot", "toe", "heel"})
_TORSO_WORDS = frozenset({"shoulder", "hip", "thorax", "chest", "pelvis", "spine", "torso", "belly", "back"})
_SIDES_ALONE = (("left",), ("right",))
_SIDES = MappingProxyType({"left": "left", "l": "left", "right": "right", "r": "right"})


def keypoint_set_from_names(
    names: Sequence[str],
    *,
    limbs: Sequence[tuple[int, int]] = (),
    sigmas: Sequence[float] | None = None,
    name: str = "custom",
    pairs: Sequence[tuple[int, int]] | None = None,
    categories: Sequence[FileId] = (1,),
) -> KeypointSet:
    """Return the keypoint set of a dataset that names its own K keypoints.

    If the names are those of a known set, however left and right are spelt, that set is returned with its own
    limbs. (CrowdPose's files, for example, list COCO's limbs by mistake.) Otherwise flip pairs, parts and
    upper body come from the words in the names: `left knee`, `left_knee`, `l_knee`, `lknee`, `LKnee` and
    `kneeL` are one keypoint. A single letter without a gap is a side only where the partner exists too, so
    `leg` stays a leg.

    Args:
        names: K different names, in the order of the coordinates.
        limbs: pairs of indices to draw a line between.
        sigmas: K dimensionless OKS constants; by default a known set's own, else COCO's by body part, else
            DEFAULT_SIGMA.
        name: name of the set, where it is not a known one.
        pairs: flip pairs as indices, the person's left first, in place of those that the names tell; empty
            for a set without any. By default keypoints whose partner the names do not tell stay `unpaired`.
        categories: see `KeypointSet`.

    Raises:
        PosenasError: where names repeat, or limbs or sigmas do not fit them.
    """
    _check_names(names, sigmas)
    found = known_set(names)
    if found is None:
        _check_limbs(limbs, len(names))
        found = _named(name, names, sigmas=sigmas, limbs=limbs)
    elif sigmas is not None:
        found = replace(found, sigmas=tuple(sigmas))
    if pairs is not None:
        found = replace(found, flip_pairs=tuple(pairs), unpaired=())
    return found if found.categories == tuple(categories) else replace(found, categories=tuple(categories))


def known_set(names: Sequence[str]) -> KeypointSet | None:
    """Return the known set with these names, however left and right are spelt; None where there is none."""
    words = _sided_words(names)
    return next((each for each in KEYPOINT_SETS.values() if _sided_words(each.names) == words), None)


def parse_pairs(texts: Sequence[str], names: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Return pairs of indices from texts such as `left_eye:right_eye`.

    Returns:
        The pairs; empty for the text `none`, None without any text.

    Raises:
        PosenasError: where a name is unknown, or in two pairs.
    """
    if not texts:
        return None
    if tuple(texts) == ("none",):
        return ()
    pairs = tuple(_parse_pair(text, list(names)) for text in texts)
    twice = [index for index, count in Counter(end for pair in pairs for end in pair).items() if count > 1]
    if twice:
        raise PosenasError(f"pairs: {names[twice[0]]!r:.40} is named twice; a keypoint has one mirror image")
    return pairs


def told_pairs(
    told: Sequence[tuple[int, int]], names: Sequence[str]
) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Return the flip pairs that a file tells, the person's left first as far as the names know it.

    Args:
        told: pairs of indices in any order.
        names: K keypoint names.

    Returns:
        The pairs, and in words the pairs about which the file and the names differ.
    """
    by_names = keypoint_set_from_names(names).flip_pairs
    ordered = [(min(pair), max(pair)) for pair in told]
    known = [pair for pair in by_names if (min(pair), max(pair)) in ordered]
    others = [pair for pair in ordered if pair not in {(min(each), max(each)) for each in known}]
    against = [f"{names[left]} and {names[right]}" for left, right in by_names if (left, right) not in known]
    against += [f"{names[left]} and {names[right]}" for left, right in others if by_names]
    return (*known, *others), against


def _parse_pair(text: str, names: list[str]) -> tuple[int, int]:
    parts = text.split(":")
    for split in range(1, len(parts)):  # a name may hold a colon itself
        left, right = (":".join(part).strip() for part in (parts[:split], parts[split:]))
        if left in names and right in names:
            return names.index(left), names.index(right)
    unknown = next((part.strip() for part in parts if part.strip() not in names), text)
    hint = suggestion(unknown[:40], names)
    raise PosenasError(
        f"pairs: {text!r:.60} is no pair LEFT:RIGHT of keypoint names: {unknown!r:.40} is none; {hint:.200}"
    )


def _named(
    name: str, names: Sequence[str], *, sigmas: Sequence[float] | None, limbs: Sequence[tuple[int, int]]
) -> KeypointSet:
    words = _sided_words(names)
    pairs = _flip_pairs(words)
    return KeypointSet(
        name=name,
        names=tuple(names),
        flip_pairs=pairs,
        sigmas=tuple(sigmas or (_sigma(part) for _, part in words)),
        limbs=tuple((first, second) for first, second in limbs),
        parts=_parts(words),
        upper_body=_upper_body(words),
        unpaired=_unpaired(names, words, pairs),
    )


def _unpaired(
    names: Sequence[str], words: Sequence[_Words], pairs: Sequence[tuple[int, int]]
) -> tuple[str, ...]:
    """Return the names of the keypoints whose mirror image the names do not tell.

    They are the keypoints with a side and without a partner, and those whose names hold no letter from a to
    z, if there is more than one of them.

    Where most keypoints are in no pair, as with numbers or words of another language, it is every keypoint
    without a pair: a body has more keypoints beside its middle line than on it.
    """
    paired = {end for pair in pairs for end in pair}
    alone = [index for index in range(len(names)) if index not in paired]
    if len(names) < 2:
        return ()
    if len(alone) > len(paired):
        return tuple(names[index] for index in alone)
    sided = {index for index in alone if words[index][0] or words[index][1] in _SIDES_ALONE}
    wordless = {index for index in alone if not re.search("[A-Za-z]", names[index])}
    unknown = sided | wordless if len(wordless) > 1 else sided
    return tuple(names[index] for index in sorted(unknown))


def _check_names(names: Sequence[str], sigmas: Sequence[float] | None) -> None:
    repeated = sorted({each for each in names if list(names).count(each) > 1})
    if repeated:
        raise PosenasError(
            f"keypoint names: {', '.join(repeated)} appears twice; give each keypoint its own name"
        )
    if sigmas is not None and len(sigmas) != len(names):
        raise PosenasError(f"keypoint sigmas: {len(sigmas)} for {len(names)} keypoints; give one a keypoint")
    if sigmas is not None and min(sigmas, default=1.0) <= 0:
        raise PosenasError(f"keypoint sigmas: {min(sigmas)} is not above 0; OKS divides by it")


def _check_limbs(limbs: Sequence[tuple[int, int]], count: int) -> None:
    outside = [limb for limb in limbs if not all(0 <= end < count for end in limb)]
    if outside:
        raise PosenasError(
            f"keypoint limbs: {outside[0]} is outside 0..{count - 1}; indices count from 0 "
            "(a COCO file's `skeleton` counts from 1)"
        )


_Words = tuple[str, tuple[str, ...]]
"""A keypoint name as its side ("left", "right" or "") and its other words in lower case."""


def _sided_words(names: Sequence[str]) -> tuple[_Words, ...]:
    plain = [tuple(word.lower() for word in _split(each)) for each in names]
    return tuple(_sided(words, frozenset(plain)) for words in plain)


def _split(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\x00-\x7f]+", name)


def _sided(words: tuple[str, ...], all_words: frozenset[tuple[str, ...]]) -> _Words:
    for index, word in enumerate(words):
        if word in _SIDES and len(words) > 1:
            return _SIDES[word], words[:index] + words[index + 1 :]
    first, rest = (words[0], words[1:]) if words else ("", ())
    for side in ("left", "right"):
        if first.startswith(side) and first != side:
            return side, (first.removeprefix(side), *rest)
    swapped = {"l": "r", "r": "l"}.get(first[:1])
    if swapped and (swapped + first[1:], *rest) in all_words:
        return _SIDES[first[0]], (first[1:], *rest)
    return "", words


def _flip_pairs(words: Sequence[_Words]) -> tuple[tuple[int, int], ...]:
    index_of = {each: index for index, each in enumerate(words) if words.count(each) == 1}
    return tuple(
        (index, index_of["right", part])
        for (side, part), index in index_of.items()
        if side == "left" and ("right", part) in index_of
    )


def _singular(words: tuple[str, ...]) -> set[str]:
    return {word for each in words for word in (each, each.removesuffix("s"))}


def _sigma(words: tuple[str, ...]) -> float:
    found = [sigma for word, sigma in _SIGMA_OF_WORD.items() if word in _singular(words)]
    return found[0] if found else DEFAULT_SIGMA


def _parts(words: Sequence[_Words]) -> Mapping[str, tuple[int, ...]]:
    """Return head, arms, torso and legs; where a name fits none of them, one part with everything."""
    kinds = {
        "head": ("", _HEAD_WORDS),
        "left_arm": ("left", _ARM_WORDS),
        "right_arm": ("right", _ARM_WORDS),
        "torso": ("", _TORSO_WORDS),
        "left_leg": ("left", _LEG_WORDS),
        "right_leg": ("right", _LEG_WORDS),
    }
    parts = {
        kind: tuple(
            index
            for index, (side, part) in enumerate(words)
            if wanted_side in ("", side) and not wanted_words.isdisjoint(_singular(part))
        )
        for kind, (wanted_side, wanted_words) in kinds.items()
    }
    if {index for part in parts.values() for index in part} != set(range(len(words))):
        return {"all": tuple(range(len(words)))}
    return {kind: part for kind, part in parts.items() if part}


def _upper_body(words: Sequence[_Words]) -> tuple[int, ...]:
    upper = _HEAD_WORDS | _ARM_WORDS | {"thorax", "chest"}
    return tuple(index for index, (_, part) in enumerate(words) if not upper.isdisjoint(_singular(part)))


_BODY_SIGMAS = (0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
_COCO_SIGMAS = (0.026, 0.025, 0.025, 0.035, 0.035, *_BODY_SIGMAS)
_BODY_NAMES = tuple(
    f"{side}_{part}"
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
_COCO_LIMBS = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
    *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)

COCO_17 = _named(
    "coco-17",
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", *_BODY_NAMES),
    sigmas=_COCO_SIGMAS,
    limbs=_COCO_LIMBS,
)
"""The 17 keypoints of COCO, from the nose to the ankles."""

MPII_16 = _named(
    "mpii-16",
    (
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("pelvis", "thorax", "upper_neck", "head_top"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    ),
    sigmas=None,
    limbs=(
        *((0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9)),
        *((10, 11), (11, 12), (12, 7), (7, 13), (13, 14), (14, 15)),
    ),
)

LSP_14 = _named(
    "lsp-14",
    (
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
        *("neck", "head_top"),
    ),
    sigmas=None,
    limbs=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10)),
        *((10, 11), (12, 13), (8, 2), (9, 3)),
    ),
)

CROWDPOSE_14 = _named(
    "crowdpose-14",
    (*_BODY_NAMES, "head", "neck"),
    sigmas=(*_BODY_SIGMAS, 0.079, 0.079),
    limbs=(
        *((10, 8), (8, 6), (11, 9), (9, 7), (6, 7), (0, 6), (1, 7), (0, 1), (0, 2), (1, 3)),
        *((2, 4), (3, 5), (12, 13), (0, 13), (1, 13)),
    ),
)

_POSETRACK_LIMBS = ((2, 0), (0, 1))

POSETRACK_15 = _named(
    "posetrack-15",
    ("nose", "head_bottom", "head_top", *_BODY_NAMES),
    sigmas=(0.026, 0.079, 0.079, *_BODY_SIGMAS),
    limbs=(
        *_POSETRACK_LIMBS,
        *((first - 2, second - 2) for first, second in _COCO_LIMBS[:12]),
        (1, 3),
        (1, 4),
    ),
)

POSETRACK_17 = _named(
    "posetrack-17",
    ("nose", "head_bottom", "head_top", "left_ear", "right_ear", *_BODY_NAMES),
    sigmas=(0.026, 0.079, 0.079, 0.079, 0.079, *_BODY_SIGMAS),
    limbs=(*_POSETRACK_LIMBS, *_COCO_LIMBS[:12], (1, 5), (1, 6)),
)
"""PoseTrack18's keypoints as its files number them: POSETRACK_15 with two ears that are never labelled."""

FACE_CONTOURS = (
    tuple(range(17)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(27, 31)),
    tuple(range(31, 36)),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
"""Indices along the contours of 300W's 68 face keypoints: jaw, brows, nose, nostrils, eyes and lips."""

_FOOT_SIGMAS = (0.068, 0.066, 0.066, 0.092, 0.094, 0.094)
_FACE_SIGMAS = (
    *(0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032, 0.037, 0.038),
    *(0.043, 0.041, 0.045, 0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015, 0.009),
    *(0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007),
    *(0.013, 0.008, 0.011, 0.012, 0.010, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008),
    *(0.009, 0.009, 0.009, 0.007, 0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008),
)
_HAND_SIGMAS = (
    *(0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024),
    *(0.022, 0.026, 0.017, 0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031),
)
_HAND_NAMES = (
    "hand_root",
    *(
        f"{finger}{joint}"
        for finger in ("thumb", "forefinger", "middle", "ring", "pinky")
        for joint in range(1, 5)
    ),
)
_HAND_LIMBS = tuple(
    (0 if joint == 1 else 4 * finger + joint - 1, 4 * finger + joint)
    for finger in range(5)
    for joint in range(1, 5)
)
_FACE_PAIRS = (
    *((23, 39), (24, 38), (25, 37), (26, 36), (27, 35), (28, 34), (29, 33), (30, 32), (40, 49), (41, 48)),
    *((42, 47), (43, 46), (44, 45), (54, 58), (55, 57), (59, 68), (60, 67), (61, 66), (62, 65), (63, 70)),
    *((64, 69), (71, 77), (72, 76), (73, 75), (82, 78), (81, 79), (83, 87), (84, 86), (90, 88)),
)
"""Pairs of face keypoints, the person's right first; the lower lip is numbered from the left."""

COCO_WHOLEBODY_133 = KeypointSet(
    name="coco-wholebody-133",
    names=(
        *COCO_17.names,
        *(f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")),
        *(f"face-{index}" for index in range(68)),
        *(f"{side}_{point}" for side in ("left", "right") for point in _HAND_NAMES),
    ),
    flip_pairs=(
        *COCO_17.flip_pairs,
        *((17, 20), (18, 21), (19, 22)),
        *((left, right) for right, left in _FACE_PAIRS),
        *((91 + index, 112 + index) for index in range(21)),
    ),
    sigmas=(*_COCO_SIGMAS, *_FOOT_SIGMAS, *_FACE_SIGMAS, *_HAND_SIGMAS, *_HAND_SIGMAS),
    limbs=(
        *_COCO_LIMBS,
        *((15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22)),
        *((root + first, root + second) for root in (91, 112) for first, second in _HAND_LIMBS),
    ),
    parts={
        **COCO_17.parts,
        "left_foot": (17, 18, 19),
        "right_foot": (20, 21, 22),
        "face": tuple(range(23, 91)),
        "left_hand": tuple(range(91, 112)),
        "right_hand": tuple(range(112, 133)),
    },
    upper_body=(*range(11), *range(23, 133)),
    regions={
        "face": tuple(range(23, 91)),
        "left_hand": tuple(range(91, 112)),
        "right_hand": tuple(range(112, 133)),
    },
)
"""The 133 keypoints of COCO-WholeBody: COCO's 17, 6 of the feet, 68 of the face and 21 of each hand."""

KEYPOINT_SETS: Mapping[str, KeypointSet] = MappingProxyType(
    {
        each.name: each
        for each in (COCO_17, MPII_16, LSP_14, CROWDPOSE_14, POSETRACK_15, POSETRACK_17, COCO_WHOLEBODY_133)
    }
)
"""The keypoint sets by their names, such as `coco-17`."""
