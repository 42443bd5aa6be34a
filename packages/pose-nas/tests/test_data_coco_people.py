"""Which annotations are people, and what their keypoints are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.coco.dataset import CocoDataset

POSE = [10, 11, 2, 30, 12, 2, 20, 40, 1]
SKELETONS = {"person": ["nose", "left_hand", "right_hand"], "horse": ["muzzle", "left_hoof", "right_hoof"]}


def content(categories: list[dict[str, Any]], *annotated: int) -> dict[str, Any]:
    """One image with an annotation of each of these category_ids."""
    return {
        "categories": categories,
        "images": [{"id": 1, "file_name": "a.jpg", "width": 90, "height": 90}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": each, "keypoints": POSE, "bbox": [10, 11, 20, 29]}
            for i, each in enumerate(annotated, 1)
        ],
    }


def write(root: Path, each: dict[str, Any], **options: Any) -> CocoDataset:
    for name in ("train", "val"):
        (root / f"{name}.json").write_text(json.dumps(each))
    (root / "a.jpg").touch()
    return CocoDataset(root=str(root), **options)


def two(root: Path, **options: Any) -> CocoDataset:
    categories = [{"id": i, "name": n, "keypoints": k} for i, (n, k) in enumerate(SKELETONS.items(), 4)]
    return write(root, content(categories, 4, 5, 5), **options)


def refused(dataset: CocoDataset) -> str:
    with pytest.raises(PosenasError) as caught:
        dataset.split("val")
    return str(caught.value)


@pytest.mark.parametrize(("category", "people"), [("person", [1]), ("horse", [2, 3])])
def test_one_of_two_skeletons_is_chosen(tmp_path: Path, category: str, people: list[int]) -> None:
    dataset = two(tmp_path, category=category)
    assert [person.id for person in dataset.split("val")[0].people] == people
    assert dataset.keypoints().names == tuple(SKELETONS[category])
    (told,) = dataset.noticed("val")
    assert told.count == 3 - len(people)
    assert "are left out, though" in str(told)
    assert "is not the chosen category" in str(told)


def test_two_skeletons_without_a_choice(tmp_path: Path) -> None:
    assert "found: person, horse; choose one with dataset.category" in refused(two(tmp_path))
    assert "no category is called 'hose'; did you mean 'horse'?" in refused(two(tmp_path, category="hose"))


def test_one_of_two_categories_with_the_same_keypoints(tmp_path: Path) -> None:
    categories = [
        {"id": i, "name": n, "keypoints": SKELETONS["person"]} for i, n in ((1, "adult"), (2, "child"))
    ]
    dataset = write(tmp_path, content(categories, 1, 2), category="child")
    assert [person.id for person in dataset.split("val")[0].people] == [2]
    assert dataset.keypoints().categories == (2,)


NAMELESS = [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]


def test_names_that_the_file_lacks(tmp_path: Path) -> None:
    each = content(NAMELESS, 1)
    each["annotations"].append({"id": 9, "image_id": 1, "category_id": 2, "bbox": [1, 1, 9, 9]})
    message = refused(write(tmp_path, each))
    assert "1 annotations have keypoints: name them with dataset.keypoint_names" in message
    dataset = write(tmp_path, each, keypoint_names=("nose", "left_hand", "right_hand"))
    assert dataset.keypoints().flip_pairs == ((1, 2),)
    assert [person.keypoints.ravel().tolist() for person in dataset.split("val")[0].people] == [POSE]
    assert [told.count for told in dataset.noticed("val")] == [1]
    assert "17 keypoints are 51" in refused(write(tmp_path, each, keypoint_names=("coco-17",)))
    assert "did you mean 'coco-17'?" in refused(write(tmp_path, each, keypoint_names=("coco17",)))


def test_a_known_set_in_place_of_numbers(tmp_path: Path) -> None:
    each = content([{"id": 1, "name": "person", "keypoints": [str(i) for i in range(1, 18)]}], 1)
    each["annotations"][0]["keypoints"] = [5, 6, 2] * 17
    dataset = write(tmp_path, each, keypoint_names=("coco-17",))
    assert dataset.keypoints() == COCO_17
    (told,) = dataset.noticed("val")
    assert told.count == 17
    assert "which counts: 1 is nose; 2 is left_eye" in str(told)
    few = write(tmp_path, each, keypoint_names=("a", "b"))
    assert "keypoint_names names 2 keypoints, but its category 17" in refused(few)


@pytest.mark.parametrize(
    ("margin", "box"), [(0.0, (10, 11, 20, 29)), (0.1, (8, 8.1, 24, 34.8)), (0.6, (0, 0, 42, 57.4))]
)
def test_boxes_grow_within_the_image(tmp_path: Path, margin: float, box: tuple[float, ...]) -> None:
    each = content([{"id": 1, "name": "person", "keypoints": SKELETONS["person"]}], 1)
    (person,) = write(tmp_path, each, box_margin=margin).split("val")[0].people
    assert person.box == pytest.approx(box)
    assert person.area == 20 * 29


def test_a_box_beyond_the_image_does_not_shrink_and_a_crowd_does_not_grow(tmp_path: Path) -> None:
    each = content([{"id": 1, "name": "person", "keypoints": SKELETONS["person"]}], 1, 1)
    each["annotations"][0]["bbox"] = [-5, 11, 100, 29]
    each["annotations"][1]["iscrowd"] = 1
    person, crowd = write(tmp_path, each, box_margin=0.5).split("val")[0].people
    assert person.box == pytest.approx((-5, 0, 100, 54.5))
    assert crowd.box == (10, 11, 20, 29)


BOX = [9, 10, 23, 32]


@pytest.mark.parametrize(
    ("boxes", "told"),
    [
        ([BOX], 0),
        ([BOX, [50, 10, 20, 30]], 1),
        (
            [[50, 10, 20, 30], [60, 10, 20, 30]],
            0,
        ),  # they are around no skeleton, so they are of something else
        ([BOX, "wrong"], 0),
        ([], 0),
    ],
)
def test_more_boxes_of_people_than_skeletons(tmp_path: Path, boxes: list[Any], told: int) -> None:
    each = content([{"id": 1, "name": "pose", "keypoints": SKELETONS["person"]}, {"id": 2, "name": "box"}], 1)
    each["annotations"] += [
        {"id": 10 + i, "image_id": 1, "category_id": 2, "bbox": box} for i, box in enumerate(boxes)
    ]
    says = [str(each) for each in write(tmp_path, each).noticed("val") if "more boxes" in str(each)]
    assert len(says) == told
    if told:
        assert says[0].startswith("val: 1 images have more boxes of people than skeletons")
        assert says[0].endswith("a.jpg: 2 boxes, 1 skeletons")
