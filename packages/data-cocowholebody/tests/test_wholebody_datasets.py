"""COCO-WholeBody's files: what is read of them, and what is said where they contradict themselves."""

from __future__ import annotations

import json
import os
import pickle
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from data_cocowholebody.datasets.faces import FacesDataset
from data_cocowholebody.datasets.hands import HandsDataset
from data_cocowholebody.datasets.keypoint_sets import FACE_68, HAND_21
from data_cocowholebody.datasets.whole_body import WholeBodyDataset
from posenas import COCO_17, COCO_WHOLEBODY_133, Dataset, Noticing, PosenasError

LENGTHS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
EXAMPLE = "evaluator-examples/example_wholebody_val.json"
SAMPLE = "samples/coco/test_coco_wholebody.json"


def real(name: str) -> Path:
    beside = Path(__file__).parents[4] / "shared" / "data"
    path = Path(os.environ.get("POSENAS_TEST_DATA", beside)) / name
    if not path.exists():
        pytest.skip(f"no {path}; set POSENAS_TEST_DATA to the folder of real data")
    return path


def annotation(seed: int = 0) -> dict[str, Any]:
    """Somebody of whom everything is labelled, in an image of 60 x 50 pixels."""
    rng = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        name: np.column_stack([rng.integers(1, 50, (count, 2)), rng.integers(1, 3, count)]).ravel().tolist()
        for name, count in LENGTHS.items()
    }
    return fields | {
        "id": 11 + seed,
        "image_id": 5,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [2, 3, 40, 45.5],
        "area": 900.5,
        "num_keypoints": 17,
        "foot_valid": True,
        "face_valid": True,
        "face_box": [20.5, 4, 10, 12],
        "lefthand_valid": True,
        "lefthand_box": [8, 20, 6, 5.5],
        "righthand_valid": True,
        "righthand_box": [40, 22, 7, 4],
        "segmentation": [[1, 2, 3, 4, 5, 6]],
    }


def changed(**fields: Any) -> dict[str, Any]:
    return annotation() | fields


def without(*fields: str) -> dict[str, Any]:
    return {name: value for name, value in annotation().items() if name not in fields}


def content(*annotations: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(COCO_17.names), "skeleton": [[16, 14]]},
        ],
        "images": [
            {"id": 5, "file_name": "a.png", "width": 60, "height": 50},
            {"id": 3, "file_name": "b.png", "width": 20, "height": 10},
        ],
        "annotations": list(annotations),
    }


def write(root: Path, value: dict[str, Any]) -> Path:
    (root / "annotations").mkdir(exist_ok=True)
    (root / "val2017").mkdir(exist_ok=True)
    (root / "annotations" / "coco_wholebody_val_v1.0.json").write_text(json.dumps(value))
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(root / "val2017" / name), np.zeros((50, 60, 3), np.uint8))
    return root


def people(root: Path, *annotations: Mapping[str, Any], kind: Any = WholeBodyDataset) -> Any:
    return kind(root=str(write(root, content(*annotations)))).split("val")[0].people


def noticed(root: Path, *annotations: Mapping[str, Any], kind: Any = WholeBodyDataset) -> list[str]:
    dataset = kind(root=str(write(root, content(*annotations))))
    return [str(each) for each in dataset.noticed("val")]


def refused(root: Path, *annotations: Mapping[str, Any], kind: Any = WholeBodyDataset) -> str:
    with pytest.raises(PosenasError) as error:
        people(root, *annotations, kind=kind)
    assert "\n" not in str(error.value)
    return str(error.value)


def joined(fields: Mapping[str, Any]) -> list[list[float]]:
    """The 133 keypoints of an annotation, number by number."""
    rows = []
    for name, count in LENGTHS.items():
        for index in range(count):
            x, y, v = fields[name][3 * index : 3 * index + 3]
            if name != "keypoints" and 0 < v < 2:
                v = 1
            rows.append([x, y, v])
    return rows


def test_a_person_has_every_field(tmp_path: Path) -> None:
    (person,) = people(tmp_path, annotation())
    assert person.keypoints.dtype == np.float64
    assert person.keypoints.tolist() == joined(annotation())
    assert (person.id, person.box, person.area, person.crowd) == (11, (2, 3, 40, 45.5), 900.5, False)
    assert person.regions == {
        "face": (20.5, 4, 10, 12),
        "left_hand": (8, 20, 6, 5.5),
        "right_hand": (40, 22, 7, 4),
    }


def test_what_is_right_is_taken_without_a_word(tmp_path: Path) -> None:
    root = write(tmp_path, content(annotation()))
    for kind in (WholeBodyDataset, FacesDataset, HandsDataset):
        dataset = kind(root=str(root))
        assert isinstance(dataset, Dataset)
        assert isinstance(dataset, Noticing)
        assert list(dataset.splits()) == ["train", "val"]
        assert [sample.id for sample in dataset.split("val")] == [5, 3]
        assert dataset.noticed("val") == ()
        assert len(pickle.loads(pickle.dumps(dataset.split("val")))) == 2


def test_the_keypoints_are_those_of_the_whole_body(tmp_path: Path) -> None:
    dataset = WholeBodyDataset(root=str(write(tmp_path, content(annotation()))))
    assert dataset.keypoints() == COCO_WHOLEBODY_133


@pytest.mark.parametrize("part", ["foot", "face", "lefthand", "righthand"])
def test_a_part_that_is_not_valid_keeps_its_labels_and_has_no_region(tmp_path: Path, part: str) -> None:
    fields = changed(**{f"{part}_valid": False})
    root = write(tmp_path, content(fields, annotation(1)))
    dataset = WholeBodyDataset(root=str(root))
    person = dataset.split("val")[0].people[0]
    assert person.keypoints.tolist() == joined(fields)
    region = {"face": "face", "lefthand": "left_hand", "righthand": "right_hand"}.get(part)
    assert set(person.regions) == {"face", "left_hand", "right_hand"} - {region}
    (line,) = map(str, dataset.noticed("val"))
    assert f"val: 1 people have labelled keypoints in {part}_kpts but no {part}_valid" in line
    assert line.endswith("annotation 11")


def test_a_confidence_beyond_the_body_is_a_label(tmp_path: Path) -> None:
    fields = changed()
    fields["face_kpts"][2::3] = [0, 0.25, 1, 1.5, 2] + [0] * 63
    fields["keypoints"][2::3] = [0, 0.25, 1, 1.5, 2] + [0] * 12
    (person,) = people(tmp_path, fields)
    assert person.keypoints[23:28, 2].tolist() == [0, 1, 1, 1, 2]
    assert person.keypoints[:5, 2].tolist() == [0, 0.25, 1, 1.5, 2]


def test_the_face_box_ends_at_the_image_and_a_hand_box_does_not(tmp_path: Path) -> None:
    (person,) = people(tmp_path, changed(face_box=[-5, 40, 15, 30], lefthand_box=[-5, 40, 15, 30]))
    assert person.regions["face"] == (0, 40, 10, 10)
    assert person.regions["left_hand"] == (-5, 40, 15, 30)


def test_a_turned_box_is_read_from_its_other_corner(tmp_path: Path) -> None:
    fields = changed(lefthand_box=[14, 25.5, -6, -5.5], bbox=[42, 48.5, -40, -45.5])
    (person,) = people(tmp_path, fields)
    assert person.regions["left_hand"] == (8, 20, 6, 5.5)
    assert person.box == (2, 3, 40, 45.5)
    body, hand = noticed(tmp_path, fields)
    assert "1 people have a box of negative width or height" in body
    assert "1 people have a lefthand_box of negative width or height" in hand


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [3, 4, 0, 5], [100, 4, 10, 10], None, []])
def test_a_face_box_of_no_area_is_no_region_and_noticed(tmp_path: Path, box: Any) -> None:
    fields = changed(face_box=box)
    person = people(tmp_path, fields, annotation(1))[0]
    assert set(person.regions) == {"left_hand", "right_hand"}
    assert (person.keypoints[23:91, 2] > 0).all()
    (line,) = noticed(tmp_path, fields, annotation(1))
    assert "1 people have face_valid but a face_box of no area in the image" in line


def test_a_valid_part_without_labels_is_noticed(tmp_path: Path) -> None:
    fields = changed(righthand_kpts=[0] * 63)
    (person,) = people(tmp_path, fields)
    assert "right_hand" in person.regions
    (line,) = noticed(tmp_path, fields)
    assert "1 people have righthand_valid but no labelled keypoint in righthand_kpts" in line


def test_somebody_without_the_fields_of_a_part_is_noticed(tmp_path: Path) -> None:
    lacking = without("face_kpts", "face_valid", "face_box")
    person = people(tmp_path, lacking, annotation(1))[0]
    assert not person.keypoints[23:91].any()
    (line,) = noticed(tmp_path, lacking, annotation(1))
    assert "1 people have no face_kpts, face_valid" in line


def test_a_file_without_any_valid_face_is_noticed(tmp_path: Path) -> None:
    faceless = changed(face_valid=False, face_kpts=[0] * 204, face_box=[0, 0, 0, 0])
    (line,) = noticed(tmp_path, faceless)
    assert line == "val: no face is valid and has a box, so its place and its keypoints cannot be learnt"
    assert "no face is annotated; choose another file with dataset.val" in refused(
        tmp_path, faceless, kind=FacesDataset
    )


def test_people_without_keypoints_share_their_zeros(tmp_path: Path) -> None:
    nothing = {name: [0] * 3 * count for name, count in LENGTHS.items()}
    nothing |= {f"{part}_valid": False for part in ("foot", "face", "lefthand", "righthand")}
    first, second, third = people(tmp_path, changed(**nothing), changed(**nothing, id=12), annotation(2))
    assert first.keypoints is second.keypoints
    assert first.keypoints.shape == (133, 3)
    assert not first.keypoints.any()
    assert not first.regions
    assert third.keypoints.all()


def test_crowds_are_kept(tmp_path: Path) -> None:
    crowd = changed(iscrowd=1, id=12)
    assert [each.crowd for each in people(tmp_path, annotation(), crowd)] == [False, True]
    assert [each.crowd for each in people(tmp_path, annotation(), crowd, kind=FacesDataset)] == [False, True]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a short list": (changed(face_kpts=[1, 2, 2]), "face_kpts: 3 keypoint values, but 68 keypoints are 204"),
    "short, not valid": (changed(foot_kpts=[0], foot_valid=False), "foot_kpts: 1 keypoint values"),
    "133 at once": (changed(keypoints=[0] * 399), "399 keypoint values, but 17 keypoints are 51"),
    "no list": (changed(lefthand_kpts="none"), "lefthand_kpts: its keypoints must be a list of numbers"),
    "text": (changed(lefthand_kpts=["x"] * 63), "lefthand_kpts: its keypoints must be numbers"),
    "NaN": (changed(righthand_kpts=[float("nan"), 1, 2] * 21), "righthand_kpts: a keypoint is not a finite"),
    "too large": (changed(face_kpts=[10**400, 1, 2] * 68), "face_kpts: a keypoint is not a finite"),
    "a flag": (changed(face_valid="yes"), "its face_valid must be 0 or 1, not 'yes'"),
    "no flag": (without("lefthand_valid"), "has no 'lefthand_valid'; add it"),
    "no keypoints": (without("face_kpts"), "has no 'face_kpts'; add it"),
    "no box": (without("face_box"), "has no 'face_box'; add it"),
    "a box of text": (changed(face_box=["a", 1, 2, 3]), "its face_box must be four numbers"),
    "an endless box": (changed(face_box=[0, 0, float("inf"), 3]), "its face_box"),
    "no area": (changed(area=-1), "area not negative"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_refused_with_the_annotation(tmp_path: Path, name: str) -> None:
    fields, words = WRONG[name]
    message = refused(tmp_path, annotation(1), fields)
    assert "coco_wholebody_val_v1.0.json: annotation 11" in message
    assert words in message


def test_plain_coco_is_refused_with_the_file_that_is_needed(tmp_path: Path) -> None:
    plain = {
        name: value
        for name, value in annotation().items()
        if name == "keypoints" or not name.endswith(("_kpts", "_valid", "_box"))
    }
    for kind in (WholeBodyDataset, FacesDataset, HandsDataset):
        message = refused(tmp_path, plain, kind=kind)
        assert (
            "no annotation has foot_kpts or another field of whole bodies, as in COCO's own files" in message
        )
        assert "set dataset.val to coco_wholebody_val_v1.0.json from https://github.com/jin-s13" in message


@pytest.mark.parametrize("names", [["nose"], list(COCO_17.names[::-1]), "nose", [[]] * 17])
def test_a_category_of_other_keypoints_is_refused(tmp_path: Path, names: Any) -> None:
    value = content(annotation())
    value["categories"][0]["keypoints"] = names
    with pytest.raises(PosenasError, match="must list the names of COCO's 17 keypoints"):
        WholeBodyDataset(root=str(write(tmp_path, value))).keypoints()


def test_results_have_the_category_of_the_file(tmp_path: Path) -> None:
    value = content(annotation() | {"category_id": 7})
    value["categories"][0]["id"] = 7
    for kind in (WholeBodyDataset, FacesDataset, HandsDataset):
        assert kind(root=str(write(tmp_path, value))).keypoints().categories == (7,)


@pytest.mark.parametrize(
    ("kind", "name"), [(WholeBodyDataset, "cocowholebody"), (FacesDataset, "wbf"), (HandsDataset, "wbh")]
)
def test_missing_files_are_named(tmp_path: Path, kind: Any, name: str) -> None:
    with pytest.raises(PosenasError, match=f"dataset {name}: dataset.root is not set") as error:
        kind().keypoints()
    for words in ("annotations/coco_wholebody_train_v1.0.json", "jin-s13/COCO-WholeBody", "train2017"):
        assert words in str(error.value)
    with pytest.raises(PosenasError, match=r"no annotations for train: there is no annotations/coco_wholebo"):
        kind(root=str(tmp_path)).split("train")
    with pytest.raises(PosenasError, match=f"dataset {name}: no split 'test'"):
        kind(root=str(tmp_path)).split("test")


def test_faces_are_people_of_their_own(tmp_path: Path) -> None:
    fields = changed(face_box=[-5, 40, 15, 30])
    (face,) = people(tmp_path, fields, kind=FacesDataset)
    assert face.keypoints.tolist() == joined(fields)[23:91]
    assert (face.id, face.box, face.area, face.regions) == (11, (0, 40, 10, 10), 100, {})
    assert FacesDataset(root=str(tmp_path)).keypoints() == FACE_68


def test_hands_are_people_of_their_own(tmp_path: Path) -> None:
    left, right = people(tmp_path, annotation(), kind=HandsDataset)
    assert left.keypoints.tolist() == joined(annotation())[91:112]
    assert right.keypoints.tolist() == joined(annotation())[112:]
    assert (left.id, left.box, left.area) == ("11 left hand", (8, 20, 6, 5.5), 33)
    assert (right.id, right.box, right.area) == ("11 right hand", (40, 22, 7, 4), 28)
    assert HandsDataset(root=str(tmp_path)).keypoints() == HAND_21


def test_faces_and_hands_need_labels_and_a_box(tmp_path: Path) -> None:
    for kind, part, count in ((FacesDataset, "face", 68), (HandsDataset, "lefthand", 21)):
        others = [annotation(1)]
        for fields in (
            {f"{part}_valid": False},
            {f"{part}_box": [1, 1, 0, 5]},
            {f"{part}_kpts": [0] * 3 * count},
        ):
            found = people(tmp_path, changed(**fields), *others, kind=kind)
            whole = people(tmp_path, annotation(), *others, kind=kind)
            assert len(found) == len(whole) - 1
            (line,) = noticed(tmp_path, changed(**fields), *others, kind=kind)
            assert line.endswith("annotation 11")


def test_hands_of_annotations_without_an_id_have_none(tmp_path: Path) -> None:
    assert [hand.id for hand in people(tmp_path, without("id"), kind=HandsDataset)] == [0, 0]


def test_the_sets_of_faces_and_hands_are_cut_out_of_the_whole_body() -> None:
    assert FACE_68.names == tuple(f"face-{index}" for index in range(68))
    assert HAND_21.names[:3] == ("hand_root", "thumb1", "thumb2")
    assert HAND_21.names[-1] == "pinky4"
    mirrored = [COCO_WHOLEBODY_133.mirrored[index] - 23 for index in range(23, 91)]
    assert list(FACE_68.mirrored) == mirrored
    assert (FACE_68.mirrored[36], FACE_68.mirrored[8], FACE_68.mirrored[48]) == (45, 8, 54)
    assert len(FACE_68.flip_pairs) == 29
    assert HAND_21.mirrored == tuple(range(21))
    assert not HAND_21.unpaired
    assert not FACE_68.unpaired
    assert [FACE_68.sigmas[index] for index in (0, 16, 36, 67)] == [0.042, 0.045, 0.017, 0.008]
    assert (HAND_21.sigmas[0], HAND_21.sigmas[-1]) == (0.029, 0.031)
    assert FACE_68.sigmas == COCO_WHOLEBODY_133.sigmas[23:91]
    assert HAND_21.sigmas == COCO_WHOLEBODY_133.sigmas[91:112] == COCO_WHOLEBODY_133.sigmas[112:]
    assert FACE_68.limbs[:2] == ((0, 1), (1, 2))
    assert {end for limb in FACE_68.limbs for end in limb} == set(range(68))
    assert len(HAND_21.limbs) == 20
    assert HAND_21.limbs[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))


@pytest.mark.parametrize("name", [SAMPLE, EXAMPLE])
def test_real_annotations_are_joined_as_they_stand(tmp_path: Path, name: str) -> None:
    value = json.loads(real(name).read_text())
    first = value["images"][0]["file_name"]
    cv2.imwrite(str(tmp_path / first), np.zeros((4, 4, 3), np.uint8))
    options = {"root": str(tmp_path), "val": str(real(name)), "val_images": "."}
    read = {
        person.id: (sample, person)
        for sample in WholeBodyDataset(**options).split("val")
        for person in sample.people
    }
    assert len(read) == len(value["annotations"])
    counts: Counter[str] = Counter()
    for fields in value["annotations"]:
        sample, person = read[fields["id"]]
        assert sample.id == fields["image_id"]
        assert person.keypoints.tolist() == joined(fields)
        assert person.area == fields["area"]
        assert list(person.box) == fields["bbox"]
        for region, part in (("face", "face"), ("left_hand", "lefthand"), ("right_hand", "righthand")):
            box = fields[f"{part}_box"]
            expected = fields[f"{part}_valid"] and min(box[2:]) > 0
            assert (region in person.regions) == expected
            counts[region] += expected
            if expected and region != "face":
                assert list(person.regions[region]) == box
    faces = [each for sample in FacesDataset(**options).split("val") for each in sample.people]
    hands = [each for sample in HandsDataset(**options).split("val") for each in sample.people]
    assert len(faces) == counts["face"]
    assert len(hands) == counts["left_hand"] + counts["right_hand"]
    printed = {SAMPLE: (14, 4, 5, 5), EXAMPLE: (26, 13, 12, 13)}[name]
    assert (len(read), counts["face"], counts["left_hand"], counts["right_hand"]) == printed
    assert not WholeBodyDataset(**options).noticed("val")


@pytest.mark.parametrize("kind", [WholeBodyDataset, FacesDataset, HandsDataset])
def test_a_share_of_one_file_is_held_out(tmp_path: Path, kind: Any) -> None:
    value = content(annotation(), annotation(1) | {"image_id": 3})
    value["images"][1] |= {"width": 60, "height": 50}
    root = write(tmp_path, value)
    file = root / "annotations" / "coco_wholebody_val_v1.0.json"
    file.rename(file.with_name("whole_bodies.json"))
    dataset = kind(root=str(root), val_share=0.5)
    found = {split: [sample.id for sample in dataset.split(split)] for split in ("train", "val")}
    assert sorted([*found["train"], *found["val"]]) == [3, 5]
    assert len(found["val"]) == 1
    assert dataset.split("val")[0].people
    with pytest.raises(PosenasError, match=r"dataset\.val_share=0\.2 holds out"):
        kind(root=str(root)).split("val")
