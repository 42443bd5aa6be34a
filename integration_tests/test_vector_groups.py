"""Groups of keypoints are judged by the dataset's keypoints, before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from posenas.contract.keypoint_sets import KEYPOINT_SETS
from running import SMALL, Answer

Posenas = Callable[..., Answer]

DRY = ("compose", "--dry-run", "--head", "vector", *SMALL)
PARTS = (*DRY, "--space", "cnf", "--strategy", "random", "-o", "space.parts=3")
NAMES = KEYPOINT_SETS["coco-17"].names


def own(*groups: Sequence[str]) -> tuple[str, str]:
    return "-o", f"head.groups={json.dumps([list(group) for group in groups])}"


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (own(NAMES, ["nose"], ["left_elbo"]), "'left_elbo' in group 3 is not a keypoint of coco-17"),
        (own(NAMES, ["nose"], []), "group 3 is empty"),
        (own(NAMES[1:6], NAMES[6:9], NAMES[9:]), "no group has nose of coco-17"),
        (own(NAMES), "1 part groups, and the backbone has 3 levels"),
        (("-o", "head.groups=atuo"), "expected one of auto, random or"),
        (("-o", "space.parts=4"), "groups for 1, 3, 5, 8 parts, not 4"),
    ],
    ids=["unknown", "empty", "lost", "number", "word", "parts"],
)
def test_bad_groups_are_refused_in_one_line(posenas: Posenas, groups: tuple[str, str], reason: str) -> None:
    answer = posenas(*PARTS, *groups)
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert reason in line


@pytest.mark.parametrize("groups", [own(NAMES[:9], NAMES[7:], ["nose"]), ("-o", "head.groups=random")])
def test_good_groups_fit(posenas: Posenas, groups: tuple[str, str]) -> None:
    answer = posenas(*PARTS, *groups)
    assert answer.status == 0, answer.err


def test_a_strategys_needs_are_judged_with_the_datasets_keypoints(posenas: Posenas) -> None:
    """These are no groups of COCO's keypoints."""
    names = KEYPOINT_SETS["coco-wholebody-133"].names
    answer = posenas(*DRY, "--strategy", "sandwich", "-o", "dataset.points=133", *own(names))
    assert answer.status == 0, answer.err
