"""The known keypoint sets, and sets made from a dataset's own names."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import (
    COCO_17,
    COCO_WHOLEBODY_133,
    CROWDPOSE_14,
    DEFAULT_SIGMA,
    KEYPOINT_SETS,
    LSP_14,
    MPII_16,
    POSETRACK_15,
    POSETRACK_17,
    keypoint_set_from_names,
    parse_pairs,
    told_pairs,
)
from posenas.contract.keypoints import KeypointSet

every_set = pytest.mark.parametrize("keypoints", KEYPOINT_SETS.values(), ids=KEYPOINT_SETS)


def real_data() -> Path:
    beside_checkout = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("POSENAS_TEST_DATA", beside_checkout))
    if not folder.is_dir():
        pytest.skip("no real data: set POSENAS_TEST_DATA")
    return folder


def category_names(path: Path) -> list[str]:
    names: list[str] = json.loads(path.read_text())["categories"][0]["keypoints"]
    return names


@every_set
def test_lengths_and_ranges(keypoints: KeypointSet) -> None:
    count = int(keypoints.name.rsplit("-", 1)[1])
    assert len(keypoints) == len(set(keypoints.names)) == len(keypoints.sigmas) == count
    assert all(0 < sigma < 0.2 for sigma in keypoints.sigmas)
    assert all(0 <= index < count for limb in keypoints.limbs for index in limb)
    assert len({frozenset(limb) for limb in keypoints.limbs}) == len(keypoints.limbs)
    assert {index for part in keypoints.parts.values() for index in part} == set(range(count))
    assert set(keypoints.upper_body) < set(range(count))


@every_set
def test_pairs_are_disjoint_and_exchange_left_and_right(keypoints: KeypointSet) -> None:
    paired = [index for pair in keypoints.flip_pairs for index in pair]
    assert len(paired) == len(set(paired))
    assert [keypoints.mirrored[index] for index in keypoints.mirrored] == list(range(len(keypoints)))
    for index, name in enumerate(keypoints.names):
        if not name.startswith("face-"):
            swap = {"left": "right", "right": "left"}
            expected = "_".join(swap.get(word, word) for word in name.split("_"))
            assert keypoints.names[keypoints.mirrored[index]] == expected


@every_set
def test_mirror_images_share_sigma_and_limbs(keypoints: KeypointSet) -> None:
    mirrored = keypoints.mirrored
    if keypoints is not COCO_WHOLEBODY_133:
        assert [keypoints.sigmas[index] for index in mirrored] == list(keypoints.sigmas)
    limbs = {frozenset(limb) for limb in keypoints.limbs}
    assert {frozenset(mirrored[index] for index in limb) for limb in limbs} == limbs


@every_set
def test_limbs_connect_the_body(keypoints: KeypointSet) -> None:
    reached = {index for index, name in enumerate(keypoints.names) if name.endswith("shoulder")}
    for _ in keypoints.limbs:
        reached |= {index for limb in keypoints.limbs for index in limb if not reached.isdisjoint(limb)}
    body = {index for name in ("left_arm", "right_leg", "torso") for index in keypoints.parts[name]}
    assert body <= reached


@every_set
def test_survives_pickling(keypoints: KeypointSet) -> None:
    assert pickle.loads(pickle.dumps(keypoints)) == keypoints


def test_known_orders() -> None:
    assert COCO_17.names[:7] == (
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    )
    assert COCO_17.names[13:] == ("left_knee", "right_knee", "left_ankle", "right_ankle")
    assert (MPII_16.names[6], MPII_16.names[9], MPII_16.names[10]) == ("pelvis", "head_top", "right_wrist")
    assert LSP_14.names[13] == "head_top"
    assert CROWDPOSE_14.names[12:] == ("head", "neck")
    assert POSETRACK_15.names[3] == POSETRACK_17.names[5] == "left_shoulder"


def test_published_figures() -> None:
    assert COCO_17.sigmas[:6] == (0.026, 0.025, 0.025, 0.035, 0.035, 0.079)
    assert CROWDPOSE_14.sigmas == (
        *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079),
    )
    assert POSETRACK_17.sigmas[:5] == (0.026, 0.079, 0.079, 0.079, 0.079)
    assert sum(COCO_17.sigmas) / 17 == pytest.approx(DEFAULT_SIGMA, abs=1e-3)


def test_whole_body_layout() -> None:
    whole = COCO_WHOLEBODY_133
    assert whole.names[:17] == COCO_17.names
    assert whole.sigmas[:17] == COCO_17.sigmas
    assert (whole.names[19], whole.names[23], whole.names[90]) == ("left_heel", "face-0", "face-67")
    assert (whole.names[91], whole.names[95], whole.names[132]) == (
        *("left_hand_root", "left_thumb4", "right_pinky4"),
    )
    unpaired = {index for index, other in enumerate(whole.mirrored) if index == other}
    assert unpaired == {0, 31, 50, 51, 52, 53, 56, 74, 80, 85, 89}
    assert whole.sigmas[23 + 47] == 0.034
    assert (whole.sigmas[72], whole.sigmas[90], whole.sigmas[91], whole.sigmas[132]) == (
        *(0.008, 0.008, 0.029, 0.031),
    )
    assert sum(index > 90 for limb in whole.limbs for index in limb) == 80
    assert [len(whole.parts[name]) for name in ("face", "left_hand", "right_foot")] == [68, 21, 3]


@pytest.mark.parametrize(
    ("file", "keypoints"),
    [
        ("lspet/train.json", LSP_14),
        ("samples/coco/test_coco.json", COCO_17),
        ("evaluator-examples/example_crowdpose_val.json", CROWDPOSE_14),
        ("samples/posetrack18/annotations/test_posetrack18_val.json", POSETRACK_17),
    ],
)
def test_real_files_give_known_sets(file: str, keypoints: KeypointSet) -> None:
    path = real_data() / file
    if not path.is_file():
        pytest.skip(f"no {file} in the real data")
    assert keypoint_set_from_names(category_names(path), limbs=[(90, 91)]) is keypoints


@pytest.mark.parametrize("left", ["left_{}", "l_{}", "L{}", "{}L", "Left {}", "{}-left", "left{}", "{}.l"])
def test_spellings_of_sides(left: str) -> None:
    right = left.replace("left", "right").replace("Left", "Right").replace("l", "r").replace("L", "R")
    right = right.replace("reft", "left")
    names = [name.format(part) for part in ("Hip", "Elbow", "Paw") for name in (left, right)] + ["Tail"]
    made = keypoint_set_from_names(names, name="cat")
    assert made.flip_pairs == ((0, 1), (2, 3), (4, 5))
    assert made.sigmas == (0.107, 0.107, 0.072, 0.072, DEFAULT_SIGMA, DEFAULT_SIGMA, DEFAULT_SIGMA)
    assert made.parts == {"all": tuple(range(7))}


def test_a_glued_letter_is_a_side_only_beside_its_partner() -> None:
    names = ["leg", "lip", "rib", "lknee", "rknee", "lear", "rear"]
    made = keypoint_set_from_names(names)
    assert made.flip_pairs == ((3, 4), (5, 6))
    assert made.sigmas[5] == 0.035


def test_parts_of_an_unknown_set() -> None:
    made = keypoint_set_from_names(
        ["nose", "neck", "l_shoulder", "r_shoulder", "l_hand", "r_hand", "mid hip", "l_big_toe", "r_big_toe"]
    )
    assert made.parts == {
        "head": (0, 1),
        "left_arm": (2, 4),
        "right_arm": (3, 5),
        "torso": (2, 3, 6),
        "left_leg": (7,),
        "right_leg": (8,),
    }
    assert made.upper_body == (0, 1, 2, 3, 4, 5)


def test_given_sigmas_are_kept() -> None:
    sigmas = [0.05] * 17
    assert keypoint_set_from_names(COCO_17.names, sigmas=sigmas).sigmas == tuple(sigmas)
    assert keypoint_set_from_names(["a", "b"], sigmas=[0.1, 0.2]).sigmas == (0.1, 0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["a", "b", "a"]}, "a appears twice"),
        ({"names": ["a", "b"], "sigmas": [0.1]}, "1 for 2 keypoints"),
        ({"names": ["a", "b"], "sigmas": [0.1, 0.0]}, "not above 0"),
        ({"names": ["a", "b"], "limbs": [(1, 2)]}, r"\(1, 2\) is outside 0..1"),
    ],
)
def test_misfits_are_explained(arguments: dict[str, list[object]], message: str) -> None:
    with pytest.raises(PosenasError, match=message):
        keypoint_set_from_names(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "unpaired"),
    [
        (list("01234"), list("01234")),
        (["鼻", "左眼", "右眼"], ["鼻", "左眼", "右眼"]),
        (["left_hand", "lefthand", "right_hand"], ["left_hand", "lefthand", "right_hand"]),
        (["nose", "left_eye", "right_eye", "7", "8", "9"], ["nose", "7", "8", "9"]),
        (["neck", "left_hip", "right_hip", "left_knee"], ["left_knee"]),
        (["neck", "left", "l_hip", "r_hip"], ["left"]),
        (["left_hip", "right_hip", "l_knee", "r_knee", "膝", "5"], ["膝", "5"]),
        (["left_hip", "right_hip", "5"], []),
        (["neck", "left_hip", "right_hip"], []),
        (["head"], []),
    ],
)
def test_keypoints_without_a_known_mirror_image(names: list[str], unpaired: list[str]) -> None:
    assert list(keypoint_set_from_names(names).unpaired) == unpaired
    assert keypoint_set_from_names(names, pairs=[]).unpaired == ()


@pytest.mark.parametrize("known", KEYPOINT_SETS.values(), ids=lambda each: each.name)
def test_known_sets_have_all_their_pairs(known: KeypointSet) -> None:
    assert known.unpaired == ()


def test_pairs_can_be_given_or_denied() -> None:
    names = ["1", "2", "eye:l", "eye:r"]
    pairs = parse_pairs(["1:2", "eye:l : eye:r"], names)
    assert pairs == ((0, 1), (2, 3))
    given = keypoint_set_from_names(names, pairs=pairs)
    assert given.flip_pairs == pairs
    assert keypoint_set_from_names(COCO_17.names, pairs=((1, 2),)).flip_pairs == ((1, 2),)
    denied = keypoint_set_from_names(COCO_17.names, pairs=parse_pairs(["none"], COCO_17.names))
    assert denied.flip_pairs == denied.unpaired == ()
    assert parse_pairs([], names) is None


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["1:3"], "'3' is none"),
        (["12"], "is no pair LEFT:RIGHT"),
        (["1:2", "2:4"], "'2' is named twice"),
        (["1:1"], "'1' is named twice"),
        (["none", "1:2"], "'none' is no pair"),
    ],
)
def test_wrong_pairs_are_one_line(texts: list[str], says: str) -> None:
    with pytest.raises(PosenasError, match=says) as caught:
        parse_pairs(texts, ["1", "2", "4"])
    assert len(str(caught.value)) <= 400


def test_pairs_that_a_file_tells_have_the_persons_left_first_as_far_as_names_know():
    names = ("right_ear", "left_ear", "tail", "fin")
    assert told_pairs([(0, 1)], names) == (((1, 0),), [])
    assert told_pairs([(3, 2), (1, 0)], names) == (((1, 0), (2, 3)), ["tail and fin"])
    assert told_pairs([(1, 2)], names) == (((1, 2),), ["left_ear and right_ear", "left_ear and tail"])
    assert told_pairs([(2, 0)], ("a", "b", "c")) == (((0, 2),), [])
