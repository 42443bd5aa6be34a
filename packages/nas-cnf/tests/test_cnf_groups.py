"""Part groups: the paper's table by name, and every group that cannot be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from nas_cnf.groups import body_groups, named_groups, random_groups
from posenas import KEYPOINT_SETS, KeypointSet, PosenasError, keypoint_set_from_names

COCO, MPII = KEYPOINT_SETS["coco-17"], KEYPOINT_SETS["mpii-16"]
WHOLEBODY = KEYPOINT_SETS["coco-wholebody-133"]

PAPERS_ORDER = {
    "coco-17": (
        "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
        "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
    ),
    "mpii-16": (
        "head_top upper_neck thorax left_shoulder right_shoulder left_elbow right_elbow left_wrist "
        "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle pelvis"
    ),
}
"""Footnote 3 of the paper."""

TABLE = {
    ("coco-17", 1): "0-16",
    ("coco-17", 3): "0-4 | 5-10 | 11-16",
    ("coco-17", 5): "0-6 | 7,9 | 8,10 | 11,12 | 13-16",
    ("coco-17", 8): "0-6 | 5,7 | 7,9 | 6,8 | 8,10 | 11-14 | 13,15 | 14,16",
    ("mpii-16", 1): "0-15",
    ("mpii-16", 3): "0-2 | 3-8 | 9-15",
    ("mpii-16", 5): "0-4 | 5,7 | 6,8 | 9,10,15 | 11-14",
    ("mpii-16", 8): "0-4 | 3,5 | 5,7 | 4,6 | 6,8 | 9-12,15 | 11,13 | 12,14",
}
"""Table I as printed."""

NAMES_OF_8 = (
    *("head and shoulders", "left upper arm", "left lower arm", "right upper arm", "right lower arm"),
    *("thigh", "left lower leg", "right lower leg"),
)


def printed(set_name: str, row: str) -> list[set[str]]:
    """A row of the table as names of keypoints."""
    groups = []
    for text in row.split("|"):
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        indices = {index for end in ends for index in range(end[0], end[-1] + 1)}
        groups.append({PAPERS_ORDER[set_name].split()[index] for index in indices})
    return groups


def names(keypoints: KeypointSet, parts: int) -> dict[str, set[str]]:
    return {
        group.name: {keypoints.names[index] for index in group.keypoints}
        for group in body_groups(keypoints, parts)
    }


@pytest.mark.parametrize(("set_name", "parts"), TABLE)
def test_groups_are_those_of_table_1(set_name: str, parts: int) -> None:
    keypoints = KEYPOINT_SETS[set_name]
    assert set(PAPERS_ORDER[set_name].split()) == set(keypoints.names)
    assert list(names(keypoints, parts).values()) == printed(set_name, TABLE[set_name, parts])


def test_an_elbow_is_in_both_its_arms() -> None:
    groups = names(MPII, 8)
    assert tuple(groups) == NAMES_OF_8
    assert [name for name, members in groups.items() if "left_elbow" in members] == [
        "left upper arm",
        "left lower arm",
    ]
    assert groups["thigh"] == {"left_hip", "right_hip", "left_knee", "right_knee", "pelvis"}


@pytest.mark.parametrize("keypoints", KEYPOINT_SETS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("parts", [1, 3, 5, 8])
def test_every_known_set_has_groups_with_every_keypoint_that_mirror_into_groups(
    keypoints: KeypointSet, parts: int
) -> None:
    groups = body_groups(keypoints, parts)
    assert len(groups) == parts
    counts = Counter(index for group in groups for index in group.keypoints)
    assert set(counts) == set(range(len(keypoints)))
    assert max(counts.values()) <= (2 if parts == 8 else 1)
    members = {group.keypoints for group in groups}
    assert {tuple(sorted(keypoints.mirrored[index] for index in each)) for each in members} == members


def test_hands_and_feet_go_with_wrists_and_ankles() -> None:
    groups = names(WHOLEBODY, 8)
    assert {"left_wrist", "left_elbow", "left_hand_root", "left_pinky4"} < groups["left lower arm"]
    assert {"right_knee", "right_ankle", "right_heel"} < groups["right lower leg"]
    assert {"nose", "face-0", "face-67", "left_shoulder"} < groups["head and shoulders"]
    assert names(WHOLEBODY, 3)["lower limbs"] & {"left_big_toe", "right_hip"} == {"left_big_toe", "right_hip"}


def test_other_sets_are_grouped_by_the_words_in_their_names() -> None:
    paired = [
        side + joint for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Foot") for side in "LR"
    ]
    keypoints = keypoint_set_from_names(["head", "neck", "spine", "pelvis", *paired])
    assert names(keypoints, 5) == {
        "head and shoulders": {"head", "neck", "LShoulder", "RShoulder"},
        "left lower arm": {"LElbow", "LWrist"},
        "right lower arm": {"RElbow", "RWrist"},
        "thigh": {"LHip", "RHip", "spine", "pelvis"},
        "lower limbs": {"LKnee", "RKnee", "LFoot", "RFoot"},
    }


def refusal(keypoints: KeypointSet, parts: int) -> str:
    with pytest.raises(PosenasError) as caught:
        body_groups(keypoints, parts)
    (line,) = str(caught.value).splitlines()
    return line


def test_refuses_groups_that_a_set_does_not_have() -> None:
    armless = keypoint_set_from_names(
        ["nose", "left_hip", "right_hip", "left_knee", "right_knee"], name="strollers"
    )
    assert refusal(armless, 8) == (
        "part groups: strollers has no keypoint for 'left upper arm', one of the body's 8 groups; "
        "use fewer parts, or give the groups as lists of keypoint names"
    )
    assert "no keypoint for 'upper limbs'" in refusal(armless, 3)
    assert len(body_groups(armless, 1)) == 1


def test_refuses_sets_of_something_else() -> None:
    leaf = keypoint_set_from_names(["tip", "stalk"], name="leaf")
    assert "leaf has no keypoint for 'head'" in refusal(leaf, 3)
    with_tail = replace(COCO, name="fox", names=(*COCO.names, "tail"))
    assert refusal(with_tail, 3) == (
        "part groups: no group has tail of fox; "
        "give the groups as lists of keypoint names, each keypoint in one or more"
    )


@pytest.mark.parametrize("parts", [0, 2, 4, 9])
def test_refuses_other_numbers_of_parts(parts: int) -> None:
    assert refusal(COCO, parts) == (
        f"part groups: the body has groups for 1, 3, 5, 8 parts, not {parts}; "
        "give the groups as lists of keypoint names"
    )


@pytest.mark.parametrize("keypoints", [COCO, MPII, WHOLEBODY], ids=len)
@pytest.mark.parametrize("parts", [3, 5, 8])
def test_random_groups_are_as_large_and_share_as_much_as_the_bodys(
    keypoints: KeypointSet, parts: int
) -> None:
    body = body_groups(keypoints, parts)
    drawn = random_groups(keypoints, parts, Random(0))
    assert [len(group.keypoints) for group in drawn] == [len(group.keypoints) for group in body]
    shared = [Counter(index for group in groups for index in group.keypoints) for groups in (body, drawn)]
    assert sorted(shared[0].values()) == sorted(shared[1].values())
    assert set(shared[1]) == set(range(len(keypoints)))
    assert [group.keypoints for group in drawn] != [group.keypoints for group in body]


def test_random_groups_come_from_the_generator() -> None:
    assert random_groups(COCO, 3, Random(1)) == random_groups(COCO, 3, Random(1))
    assert len({random_groups(COCO, 3, Random(seed)) for seed in range(20)}) == 20


def test_random_groups_mix_what_belongs_together() -> None:
    """Of 200 draws each keypoint is about as often in each group as that is large."""
    counts = Counter(
        (number, index)
        for seed in range(200)
        for number, group in enumerate(random_groups(COCO, 3, Random(seed)))
        for index in group.keypoints
    )
    for (number, _), count in counts.items():
        expected = 200 * len(body_groups(COCO, 3)[number].keypoints) / 17
        assert abs(count - expected) < 4.5 * (expected * (1 - expected / 200)) ** 0.5


def test_own_groups() -> None:
    upper, lower = list(COCO.names[:11]), [*COCO.names[:0:-1]]
    first, second = named_groups(COCO, [upper, lower])
    assert first.keypoints == tuple(range(11))
    assert second.keypoints == tuple(range(1, 17))


def test_the_papers_own_random_partition_can_be_written_down() -> None:
    """Section IV-C names three groups of MPII's keypoints, of 6, 6 and 4."""
    papers = (
        "left_shoulder left_ankle left_elbow pelvis right_wrist head_top",
        "upper_neck right_knee right_elbow right_hip left_wrist thorax",
        "left_hip right_shoulder left_knee right_ankle",
    )
    groups = named_groups(MPII, [line.split() for line in papers])
    assert [len(group.keypoints) for group in groups] == [6, 6, 4]


BAD = {
    "empty": ([list(COCO.names), []], "part groups: group 2 is empty; name its keypoints, or leave it out"),
    "unknown": (
        [list(COCO.names), ["left_elbo"]],
        "part groups: 'left_elbo' in group 2 is not a keypoint of coco-17; did you mean 'left_elbow'?",
    ),
    "twice": (
        [[*COCO.names, "nose"]],
        "part groups: 'nose' is in group 1 twice; name it once",
    ),
    "one lost": (
        [list(COCO.names[1:])],
        "part groups: no group has nose of coco-17; "
        "give the groups as lists of keypoint names, each keypoint in one or more",
    ),
    "many lost": (
        [["nose"], ["left_eye"]],
        "part groups: no group has right_eye, left_ear, right_ear, left_shoulder and 11 more of coco-17; "
        "give the groups as lists of keypoint names, each keypoint in one or more",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_bad_groups_of_ones_own(case: str) -> None:
    groups, message = BAD[case]
    with pytest.raises(PosenasError) as caught:
        named_groups(COCO, groups)
    assert str(caught.value) == message
