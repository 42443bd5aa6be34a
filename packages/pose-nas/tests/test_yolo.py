"""Ultralytics' pose files: what is read from them, and what is said where they are wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.contract.components import Dataset
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.coco.dataset import CocoDataset
from posenas.standard.yolo.dataset import YoloDataset
from posenas.standard.yolo.split import image_ids

DATA = """
train: images/train
val: images/val
kpt_shape: [3, 3]
flip_idx: [0, 2, 1]
names: {0: person, 1: dog}
kpt_names: {0: [nose, left_hand, right_hand]}
"""
PERSON = "0 0.5 0.5 0.4 0.8 0.5 0.25 2 0.75 0.5 1 0 0 0"
OTHER = "0 0.25 0.5 0.2 0.4 0.2 0.4 2 0.3 0.5 2 0.2 0.6 2"


def write(
    root: Path, data: str | None = DATA, labels: Mapping[str, Sequence[str] | None] | None = None, **options
) -> YoloDataset:
    """Pictures of 40 x 20 pixels beside their labels; None for a picture without a label file."""
    labels = labels or {
        "images/train/1.png": [PERSON, OTHER],
        "images/train/2.png": [PERSON],
        "images/val/3.png": [PERSON],
    }
    if data is not None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "data.yaml").write_text(data)
    for name, lines in labels.items():
        image = root / name
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), np.full((20, 40, 3), 9, np.uint8))
        if lines is not None:
            front, images, back = image.as_posix().rpartition("/images/")
            label = Path(f"{front}/labels/{back}" if images else image).with_suffix(".txt")
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("\n".join(lines))
    return YoloDataset(root=str(root), **options)


def told(dataset: YoloDataset, split: str = "train") -> list[str]:
    return [str(each) for each in dataset.noticed(split)]


def only(labels: Sequence[str]) -> dict[str, Sequence[str] | None]:
    return {"images/train/1.png": labels, "images/val/3.png": [PERSON]}


def test_reads_pictures_people_and_keypoints(tmp_path):
    dataset = write(tmp_path)
    assert isinstance(dataset, Dataset)
    keypoints = dataset.keypoints()
    assert keypoints.names == ("nose", "left_hand", "right_hand")
    assert (keypoints.flip_pairs, keypoints.unpaired, keypoints.categories) == (((1, 2),), (), (1, 2))
    first, second = dataset.split("train")
    assert (first.id, first.width, first.height, first.file_id) == (1, 40, 20, None)
    one, two = first.people
    assert one.box == pytest.approx((12, 2, 16, 16))
    assert one.area == pytest.approx(256)
    assert one.keypoints == pytest.approx(np.array([(20, 5, 2), (30, 10, 1), (0, 0, 0)]))
    assert [one.id, two.id, second.people[0].id] == [1, 2, 3]
    assert first.source.read().shape == (20, 40, 3)
    assert told(dataset) == told(dataset, "val") == []


def test_a_root_in_a_folder_called_labels_is_read(tmp_path):
    dataset = write(tmp_path / "labels")
    assert str(dataset.split("train")[0].source) == str(tmp_path / "labels/images/train/1.png")


EXPORTS = (
    Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")).parent
    / "exports"
)


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, str]:
    """Flat pictures under the names, and of the size, of those that the exports label."""
    if not EXPORTS.exists():
        pytest.skip(f"no {EXPORTS}; set POSENAS_TEST_DATA to the folder beside it")
    for split, numbers in (("train", range(1, 13)), ("val", range(101, 107))):
        (tmp_path / split).mkdir()
        for number in numbers:
            cv2.imwrite(str(tmp_path / split / f"{number:06d}.jpg"), np.full((200, 160, 3), 9, np.uint8))
    return {"train_images": str(tmp_path / "train"), "val_images": str(tmp_path / "val")}


@pytest.mark.parametrize("tool", ["ultralytics", "label_studio"])
def test_the_same_labels_as_coco_and_as_text_files_are_equal(pictures, tool):
    options = {
        "ultralytics": {},
        "label_studio": {"train": "yolo_train", "val": "yolo_val", "keypoint_names": ("coco-17",)},
    }[tool]
    coco = CocoDataset(root=str(EXPORTS / "source"), **pictures)
    yolo = YoloDataset(root=str(EXPORTS / tool), **pictures, **options)
    assert yolo.keypoints().names == coco.keypoints().names
    assert yolo.keypoints().flip_pairs == coco.keypoints().flip_pairs
    compared = 0
    for split in ("train", "val"):
        for mine, theirs in zip(yolo.split(split), coco.split(split), strict=True):
            assert (mine.id, mine.width, mine.height) == (theirs.id, theirs.width, theirs.height)
            for one, other in zip(mine.people, theirs.people, strict=True):
                assert one.box == pytest.approx(other.box, abs=1e-4)  # six digits of a share of 200 pixels
                labelled = other.keypoints[:, 2] > 0
                assert one.keypoints[labelled, :2] == pytest.approx(other.keypoints[labelled, :2], abs=1e-4)
                # Label Studio's own converter writes 2 for the hidden keypoints.
                seen = other.keypoints[:, 2] if tool == "ultralytics" else 2 * labelled
                assert one.keypoints[:, 2].tolist() == seen.tolist()
                compared += 1
    assert compared == 18


LAYOUTS: dict[str, tuple[str | None, dict[str, Sequence[str] | None], dict[str, object]]] = {
    "roboflow": (
        "train: ../train/images\nval: ../valid/images\nkpt_shape: [3, 3]\nnames: [person]",
        {"train/images/a_jpg.rf.0123.png": [PERSON], "valid/images/b.png": [PERSON]},
        {},
    ),
    "a path of another machine": (
        f"path: /content/datasets/pose{DATA}",
        {"images/train/a.png": [PERSON], "images/val/b.png": [PERSON]},
        {},
    ),
    "a path below": (
        f"path: ./pose{DATA}",
        {"pose/images/train/a.png": [PERSON], "pose/images/val/b.png": [PERSON]},
        {},
    ),
    "folders of folders": (DATA, {"images/train/x/y/a.png": [PERSON], "images/val/z/b.png": [PERSON]}, {}),
    "labels beside the pictures": (
        "train: one\nvalidation: two\nkpt_shape: [3, 3]\nnc: 1",
        {"one/a.png": [PERSON], "two/b.png": [PERSON]},
        {},
    ),
    "only folders": (
        None,
        {"images/train/a.png": [PERSON], "images/val/b.png": [PERSON]},
        {"keypoint_names": ("nose", "left_hand", "right_hand")},
    ),
    "under other names": (
        "kpt_shape: [3, 3]\nnames: [person]",
        {"my/images/a.png": [PERSON], "your/images/b.png": [PERSON]},
        {"train": "my/labels", "val": "your/images"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_found(tmp_path, layout):
    data, labels, options = LAYOUTS[layout]
    dataset = write(tmp_path, data, labels, **options)
    for split in dataset.splits():
        (sample,) = dataset.split(split)
        assert Path(str(sample.source)).is_file()
        assert sample.people[0].keypoints[1].tolist() == pytest.approx([30, 10, 1])
        assert not [each for each in told(dataset, split) if "no names" not in each]


def test_lists_of_pictures_and_several_folders(tmp_path):
    data = DATA.replace("train: images/train", "train: lists/train.txt").replace(
        "val: images/val", "val: [images/val, images/more]"
    )
    write(
        tmp_path, data, {f"images/{name}.png": [PERSON] for name in ("train/1", "train/2", "val/1", "more/1")}
    )
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text(
        "./images/train/2.png\nimages\\train\\1.png\n\n./images/train/2.png\n"
    )
    dataset = YoloDataset(root=str(tmp_path))
    assert [sample.id for sample in dataset.split("train")] == [2, 1]
    assert told(dataset) == [
        "train: 1 pictures are listed more than once and count once: ./images/train/2.png"
    ]
    assert len(dataset.split("val")) == 2
    assert {sample.written_id for sample in dataset.split("val")} == {"images/val/1.png", "images/more/1.png"}


def test_label_studios_export_is_parted_by_a_share(tmp_path):
    labels = {f"images/{number:08x}-{number}.png": [PERSON] for number in range(10)}
    write(tmp_path, None, labels)
    (tmp_path / "classes.txt").write_text("person\n")
    (tmp_path / "labels" / "classes.txt").write_text("person\n")
    names = ("nose", "left_hand", "right_hand")
    dataset = YoloDataset(root=str(tmp_path), val_share=0.3, keypoint_names=names)
    train, val = (dataset.split(name) for name in dataset.splits())
    assert (len(train), len(val)) == (7, 3)
    assert not {str(sample.source) for sample in train} & {str(sample.source) for sample in val}
    assert told(dataset) == told(dataset, "val") == []
    with pytest.raises(PosenasError, match=r"set dataset\.val\b.*val_share"):
        YoloDataset(root=str(tmp_path), keypoint_names=names).split("val")
    with pytest.raises(PosenasError, match="leave one of them out"):
        YoloDataset(root=str(tmp_path), keypoint_names=names, val_share=0.3, val="images").split("val")


def test_label_files_with_label_studios_prefix_belong_to_the_pictures_without(tmp_path):
    write(tmp_path, DATA, {"images/train/a.png": None, "images/val/b.png": [PERSON]})
    (tmp_path / "labels" / "train").mkdir()
    (tmp_path / "labels" / "train" / "0123abcd-a.txt").write_text(PERSON)
    dataset = YoloDataset(root=str(tmp_path))
    assert len(dataset.split("train")[0].people) == 1
    (tmp_path / "labels" / "train" / "11111111-a.txt").write_text(PERSON)
    with pytest.raises(PosenasError, match="nobody is labelled in train: 1 pictures, 0 label files"):
        YoloDataset(root=str(tmp_path)).split("train")


def test_boxes_grow_by_a_margin(tmp_path):
    dataset = write(tmp_path, box_margin=0.25)
    one, two = dataset.split("train")[0].people
    assert one.box == pytest.approx((8, 0, 24, 20))  # within the picture
    assert (two.box, two.area) == (pytest.approx((4, 4, 12, 12)), pytest.approx(64))


def test_two_values_a_keypoint(tmp_path):
    line = "0 0.5 0.5 0.4 0.8 0.5 0.25 0 0 -1 0.2"
    dataset = write(tmp_path, DATA.replace("[3, 3]", "[3, 2]"), only([line]) | {"images/val/3.png": [line]})
    (person,) = dataset.split("train")[0].people
    assert person.keypoints.tolist() == [[20, 5, 2], [0, 0, 0], [0, 0, 0]]


def test_pictures_without_people(tmp_path):
    labels = {"images/train/1.png": [], "images/train/2.png": None, "images/train/3.png": [PERSON]}
    dataset = write(tmp_path, DATA, labels | {"images/val/4.png": [PERSON]})
    assert [len(sample.people) for sample in dataset.split("train")] == [0, 0, 1]
    (line,) = told(dataset)
    assert line.startswith("train: 1 pictures have no label file, so nobody is in them: ")
    assert line.endswith("2.png")


def test_a_line_may_hold_a_box_alone(tmp_path):
    dataset = write(tmp_path, DATA, only(["0 0.5 0.5 0.4 0.8", PERSON]))
    first, _ = dataset.split("train")[0].people
    assert (first.keypoints == 0).all()
    (line,) = told(dataset)
    assert line.startswith("train: 1 label lines hold a box and no keypoints: ")
    assert line.endswith("1.txt, line 1")


REFUSED = {
    "0 0.5 0.5 0.4 0.8 0.5 0.25 2 0.75 0.5 1": (
        "have 11 columns instead of 14 for 3 keypoints: that is kpt_shape [3, 2]"
    ),
    "0 0.5 0.5": "have 3 columns instead of 14 for 3 keypoints (",
    PERSON.replace("0.25", "x"): "hold something other than numbers",
    PERSON.replace("0.25", "nan"): "hold numbers that are not finite",
    PERSON.replace("0.25", "1e999"): "hold numbers that are not finite",
    "2" + PERSON[1:]: "have a class that data.yaml does not name",
    "-1" + PERSON[1:]: "have a class that is no whole number from 0",
    "0.5" + PERSON[1:]: "have a class that is no whole number from 0",
    PERSON.replace("0.25", "240"): "no shares of the picture, from 0 to 1: divide pixels by width and height",
}


@pytest.mark.parametrize("line", REFUSED)
def test_lines_that_cannot_be_read_are_refused_with_count_and_example(tmp_path, line):
    dataset = write(tmp_path, DATA, only([PERSON, line, "", line]))
    with pytest.raises(PosenasError) as error:
        dataset.split("train")
    text = str(error.value)
    assert text.startswith("2 label lines ")
    assert REFUSED[line] in text
    assert "1.txt, line 2" in text


def test_the_kinds_of_wrong_lines_are_told_at_once(tmp_path):
    dataset = write(tmp_path, DATA, only(["0 1", "0 x", "5" + PERSON[1:]]))
    with pytest.raises(PosenasError, match=r"2 label lines have 2 columns .*; 1 label lines have a class"):
        dataset.split("train")


def test_odd_lines_are_read_and_told(tmp_path):
    beyond = PERSON.replace("0.25", "1.25")
    dataset = write(tmp_path, DATA, only([PERSON, beyond, PERSON]))
    one, two = dataset.split("train")[0].people
    assert (one.keypoints[0].tolist(), two.keypoints[0].tolist()) == ([20, 5, 2], [20, 25, 2])
    lines = told(dataset)
    assert len(lines) == 2
    assert any("label lines have places outside 0..1" in line and "line 2" in line for line in lines)
    assert any("1 label lines are repeated within their file" in line and "line 3" in line for line in lines)


def test_files_that_do_not_fit_together_are_told(tmp_path):
    dataset = write(tmp_path)
    (tmp_path / "labels" / "train" / "9.txt").write_text(PERSON)
    (tmp_path / "images" / "train" / "2.png").write_bytes(b"no picture")
    assert [sample.id for sample in dataset.split("train")] == [1]
    lines = told(dataset)
    assert any(line.startswith("train: 1 label files belong to no picture: ") for line in lines)
    assert any("1 pictures cannot be read and are left out: " in line and "2.png" in line for line in lines)


def test_several_classes(tmp_path):
    dog = "1" + OTHER[1:]
    dataset = write(tmp_path, DATA, only([PERSON, dog]))
    assert len(dataset.split("train")[0].people) == 2
    (line,) = told(dataset)
    assert line == (
        "train: 2 classes are read as one kind of people; dataset.category=NAME chooses one: person (1); "
        "dog (1)"
    )
    dataset = YoloDataset(root=str(tmp_path), category="person")
    assert len(dataset.split("train")[0].people) == 1
    assert dataset.keypoints().categories == (1,)
    assert told(dataset) == [
        "train: 1 label lines of other classes than dataset.category are left out: dog (1)"
    ]
    with pytest.raises(PosenasError, match=r"dataset\.category = 'persons' is not a class of .*'person'"):
        YoloDataset(root=str(tmp_path), category="persons").split("train")
    two = DATA.replace("kpt_names: {", "kpt_names: {1: [nose, left_paw, right_paw], ")
    with pytest.raises(
        PosenasError, match=r"person, dog have different kpt_names; choose one with dataset\.cat"
    ):
        write(tmp_path, two).keypoints()
    assert write(tmp_path, two, category="dog").description == ""
    assert YoloDataset(root=str(tmp_path), category="person").keypoints().names[1] == "left_hand"


def test_keypoints_without_names(tmp_path):
    bare = DATA.partition("kpt_names")[0]
    dataset = write(tmp_path, bare)
    keypoints = dataset.keypoints()
    assert (keypoints.names, keypoints.flip_pairs, keypoints.unpaired) == (("0", "1", "2"), ((1, 2),), ())
    (line,) = told(dataset, "val")
    assert "3 keypoints have no names in data.yaml" in line
    assert "dataset.keypoint_names" in line
    named = write(tmp_path, bare, keypoint_names=("nose", "right_hand", "left_hand"))
    assert named.keypoints().flip_pairs == ((2, 1),)  # the person's left first
    assert told(named, "val") == []
    with pytest.raises(
        PosenasError, match=r"kpt_shape says 3 keypoints, but dataset\.keypoint_names names 17"
    ):
        write(tmp_path, bare, keypoint_names=("coco-17",)).keypoints()
    with pytest.raises(PosenasError, match="did you mean 'coco-17'"):
        write(tmp_path, bare, keypoint_names=("coco17",)).keypoints()


def test_mirror_images_that_contradict_the_names_are_told(tmp_path):
    dataset = write(tmp_path, DATA.replace("[0, 2, 1]", "[1, 0, 2]"))
    assert dataset.keypoints().flip_pairs == ((0, 1),)
    (line,) = told(dataset, "val")
    assert line.startswith("val: 2 keypoints have another mirror image in flip_idx than their names tell")
    assert "left_hand and right_hand; nose and left_hand" in line
    chosen = write(tmp_path, DATA.replace("[0, 2, 1]", "[1, 0, 2]"), pairs=("left_hand:right_hand",))
    assert chosen.keypoints().flip_pairs == ((1, 2),)


def test_cocos_keypoints_are_known_by_their_number_and_mirror_images(tmp_path):
    line = " ".join(["0 0.5 0.5 0.4 0.8", *["0.5 0.5 2"] * 17])
    flip = ", ".join(map(str, COCO_17.mirrored))
    data = f"train: images/train\nval: images/val\nkpt_shape: [17, 3]\nflip_idx: [{flip}]\nnames: [person]"
    dataset = write(tmp_path, data, only([line]) | {"images/val/3.png": [line]})
    assert dataset.keypoints() == COCO_17
    (finding,) = told(dataset, "val")
    assert "17 keypoints have no names in data.yaml" in finding


WRONG = {
    "kpt_shape: [3, 4]": "kpt_shape must be [K, 2] or [K, 3]",
    "kpt_shape: [x, 3]": "kpt_shape must be a whole number, not 'x'",
    "kpt_shape: 3": "kpt_shape must be [K, 2] or [K, 3], not '3'",
    "kpt_shape: [0, 3]": "kpt_shape must be [K, 2] or [K, 3] with K in 1..1000",
    "flip_idx: [0, 1]": "flip_idx must be a list of as many numbers as kpt_shape has keypoints (3)",
    "flip_idx: [1, 2, 0]": "the mirror image of keypoint 0 is 1, but that of 1 is 2",
    "flip_idx: [0, 3, 1]": "the mirror image of keypoint 1 is 3, but there is no such",
    "names: person": "names must be a list, or have a number for each class",
    "names: {a: person}": "a key of names must be a whole number, not 'a'",
    "names: [[person]]": "a name of a class must be text",
    "nc: many\nnames:": "nc must be a whole number, not 'many'",
    "kpt_names: [a, b]": "kpt_names lists 2 keypoints, but kpt_shape says 3",
    "kpt_names: {5: [a, b, c]}": "kpt_names names keypoints of class 5, but names has no such class",
    "kpt_names: {0: [a, b, [c]]}": "kpt_names must be lists of names",
    "kpt_names: [a, a, c]": "a appears twice",
    "kpt_oks_sigmas: [1, 2]": "kpt_oks_sigmas must be a number for each of the 3 keypoints",
    "kpt_oks_sigmas: [1, 2, 0]": "kpt_oks_sigmas must be numbers above 0, not '0'",
    "train: {a: b}": "train must be text",
    "train: images/nowhere": "no pictures for train: there is no 'images/nowhere'",
    "train: ../../elsewhere/images": "no pictures for train: there is no '../../elsewhere/images'",
    'train: "a\\0b"': "no pictures for train: there is no",
    "path: [1]": "path must be text",
    "a: [": "no YAML in line",
    "a: !!python/object:os.system {}": None,
    "a: &x [*x]": "no YAML in line",
    "a: " + "[" * 5000: "no YAML that is read: nested too deeply",
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:40])
def test_a_wrong_description_is_refused_in_words(tmp_path, line):
    key = line.partition(":")[0]
    kept = [each for each in DATA.splitlines() if not each.startswith(f"{key}:")]
    if line.startswith("nc"):
        kept = [each for each in kept if not each.startswith("names")]
    dataset = write(tmp_path, "\n".join([*kept, line]))
    expected = WRONG[line]
    if expected is None:  # text like any other: nothing is built or run
        assert dataset.split("train")
        return
    with pytest.raises(PosenasError) as error:
        dataset.split("train")
    assert expected in str(error.value)


def test_a_folder_without_anything_is_told(tmp_path):
    with pytest.raises(PosenasError, match=r"there is no data\.yaml, so nothing tells the keypoints"):
        YoloDataset(root=str(tmp_path)).keypoints()
    with pytest.raises(PosenasError, match=r"no pictures for val: there is no images/val, .*dataset\.val"):
        YoloDataset(root=str(tmp_path), keypoint_names=("coco-17",)).keypoints()
    with pytest.raises(PosenasError, match=r"dataset\.root is not set"):
        YoloDataset().keypoints()
    with pytest.raises(PosenasError, match="no split 'vla'"):
        YoloDataset(root=str(tmp_path)).split("vla")
    (tmp_path / "a.yaml").write_text("kpt_shape: [3, 3]")
    (tmp_path / "b.yaml").write_text("kpt_shape: [3, 3]")
    with pytest.raises(PosenasError, match=r"a\.yaml, b\.yaml may each describe .*dataset\.description"):
        YoloDataset(root=str(tmp_path)).keypoints()
    with pytest.raises(PosenasError, match=r"there is no such file; mend dataset\.description"):
        YoloDataset(root=str(tmp_path), description="c.yaml").keypoints()


def test_links_out_of_the_folder_are_refused(tmp_path):
    write(tmp_path / "data")
    other = tmp_path / "other.png"
    (tmp_path / "data" / "images" / "train" / "1.png").rename(other)
    (tmp_path / "data" / "images" / "train" / "1.png").symlink_to(other)
    with pytest.raises(PosenasError, match="link out of the data set's folder"):
        YoloDataset(root=str(tmp_path / "data")).split("train")
    assert YoloDataset(root=str(tmp_path / "data"), follow_links=True).split("train")


def test_ids_are_the_names_as_far_as_they_differ():
    assert image_ids(["a/000001.jpg", "b/2.jpg"]) == [1, 2]
    assert image_ids(["a/01.jpg", "b/1.jpg"]) == ["01", "1"]
    assert image_ids(["a/clip_1.jpg", "b/2.jpg"]) == ["clip_1", "2"]
    assert image_ids(["a/1.jpg", "b/1.jpg"]) == ["a/1.jpg", "b/1.jpg"]
