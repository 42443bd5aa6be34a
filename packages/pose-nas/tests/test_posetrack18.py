"""The dataset `posetrack18`: frames, tracks and ignore regions, and what is told of odd files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import POSETRACK_15, POSETRACK_17
from posenas.data.checking.check import check_dataset
from posenas.standard.posetrack.dataset import PoseTrack18Dataset

WIDTH, HEIGHT = 64, 48


def keypoints(visible: int = 1) -> list[float]:
    """The file's 17 keypoints in a row from (10, 20); its ears are not labelled."""
    triples = [(10.0 + index, 20.0 + index, visible) for index in range(17)]
    triples[3] = triples[4] = (0.0, 0.0, 0)
    return [value for triple in triples for value in triple]


def someone(image: int, track: int | None = 3, **changes: Any) -> dict[str, Any]:
    """An annotation; a field that is changed to None is left out."""
    entry = {
        "id": image * 100 + 3,
        "image_id": image,
        "category_id": 1,
        "track_id": track,
        "bbox": [8.0, 18.0, 20.0, 25.0],
        "bbox_head": [10, 18, 6, 8],
        "keypoints": keypoints(),
        **changes,
    }
    return {name: value for name, value in entry.items() if value is not None}


def frame(video: str, number: int, *, first: int = 1000, **changes: Any) -> dict[str, Any]:
    """An entry of `images`; its id is `first` and the number."""
    entry = {
        "id": first + number,
        "frame_id": first + number,
        "vid_id": video[:6],
        "file_name": f"images/{video}/{number:06}.jpg",
        "nframes": 3,
        "is_labeled": number == 1,
        "width": WIDTH,
        "height": HEIGHT,
        **changes,
    }
    return {name: value for name, value in entry.items() if value is not None}


def write(
    root: Path, split: str, video: str, images: list[dict[str, Any]], people: list[dict[str, Any]]
) -> Path:
    """Writes the annotation file of a video, and a picture for each frame."""
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.names)}
    file = root / "annotations" / split / f"{video}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"categories": [category], "images": images, "annotations": people}))
    for image in images:
        picture = root / image["file_name"]
        picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.full((HEIGHT, WIDTH, 3), 127, np.uint8))
    return file


def one_video(root: Path, *people: dict[str, Any], **changes: Any) -> PoseTrack18Dataset:
    """A dataset whose both splits are a video of three frames, the second of which is labelled."""
    images = [frame("000001_a", 0), frame("000001_a", 1, **changes), frame("000001_a", 2)]
    write(root, "train", "000001_a", images, list(people) or [someone(1001)])
    return PoseTrack18Dataset(root=str(root), val="annotations/train")


def told(dataset: PoseTrack18Dataset, split: str = "train") -> Mapping[str, tuple[int, str]]:
    """The first word of each finding, with its count and its first example."""
    return {each.what: (each.count, each.examples[0]) for each in dataset.noticed(split)}


UNLABELLED = "frames are not labelled: they are neither trained on nor scored"


def test_a_split_has_the_labelled_frames_and_videos_have_all(tmp_path: Path) -> None:
    dataset = one_video(tmp_path)
    (sample,) = dataset.split("train")
    assert (sample.id, sample.video, sample.frame, sample.width) == (1001, "000001_a", 1, WIDTH)
    assert sample.source.read().shape == (HEIGHT, WIDTH, 3)
    (frames,) = dataset.videos("train").values()
    assert [(each.frame, each.video, len(each.people)) for each in frames] == [
        (0, "000001_a", 0),
        (1, "000001_a", 1),
        (2, "000001_a", 0),
    ]
    assert frames[1] is sample
    assert told(dataset) == {UNLABELLED: (2, "images/000001_a/000000.jpg")}


def test_people_have_fifteen_keypoints_a_track_and_a_head(tmp_path: Path) -> None:
    dataset = one_video(tmp_path)
    ((person,),) = [sample.people for sample in dataset.split("train")]
    assert dataset.keypoints() is POSETRACK_15
    assert person.track == 3
    assert person.regions == {"head": (10, 18, 6, 8)}
    assert person.area == 500
    columns = [POSETRACK_17.names.index(name) for name in POSETRACK_15.names]
    expected = np.array(keypoints()).reshape(17, 3)[columns]
    assert person.keypoints[:, :2].tolist() == expected[:, :2].tolist()
    assert (person.keypoints[:, 2] == 2).all()


def test_keypoints_go_by_their_names_in_the_file(tmp_path: Path) -> None:
    names = list(reversed(POSETRACK_15.names))
    values = [value for index in range(15) for value in (index + 1.0, 2.0, 1)]
    file = write(tmp_path, "train", "a", [frame("a", 1)], [someone(1001, keypoints=values)])
    content = json.loads(file.read_text())
    content["categories"][0]["keypoints"] = names
    file.write_text(json.dumps(content))
    ((person,),) = [sample.people for sample in PoseTrack18Dataset(root=str(tmp_path)).split("train")]
    assert person.keypoints[:, 0].tolist() == [15.0 - index for index in range(15)]


def test_a_place_with_visibility_0_is_labelled_and_hidden(tmp_path: Path) -> None:
    values = keypoints()
    values[:3], values[3:6] = [5.0, 0.0, 0], [0.0, 0.0, 0]
    dataset = one_video(tmp_path, someone(1001, keypoints=values))
    ((person,),) = [sample.people for sample in dataset.split("train")]
    assert person.keypoints[:3, 2].tolist() == [1, 0, 2]
    what = "people have keypoints with a place and visibility 0: they count as labelled, and as hidden"
    assert told(dataset)[what] == (1, "000001_a.json, annotation 100103")


def test_ignore_regions_are_polygons(tmp_path: Path) -> None:
    regions = {"ignore_regions_x": [[0, 9, 9], [1, 2, 3, 4]], "ignore_regions_y": [[0, 0, 9], [5, 6, 7, 8]]}
    (sample,) = one_video(tmp_path, **regions).split("train")
    assert [each.tolist() for each in sample.ignored] == [
        [[0, 0], [9, 0], [9, 9]],
        [[1, 5], [2, 6], [3, 7], [4, 8]],
    ]


@pytest.mark.parametrize(
    ("columns", "rows", "left", "count"),
    [
        ([[0, 1]], [[0, 1]], 0, 1),
        ([[0, 1, 2]], [[0, 1]], 0, 1),
        ([[0, 1, 2], ["a", 1, 2]], [[0, 1, 2], [0, 1, 2]], 1, 1),
        ([0, 1, 2], [0, 1, 2], 0, 3),
        ([[0, 1, 2]], [], 0, 1),
        ([[0, 1, 1e999]], [[0, 1, 2]], 0, 1),
        ("no list", [[0, 1, 2]], 0, 1),
    ],
)
def test_regions_that_are_no_polygons_are_told(
    tmp_path: Path, columns: object, rows: object, left: int, count: int
) -> None:
    dataset = one_video(tmp_path, ignore_regions_x=columns, ignore_regions_y=rows)
    assert len(dataset.split("train")[0].ignored) == left
    what = "ignore regions are no polygons of three corners or more, and are left out"
    assert told(dataset)[what] == (count, "images/000001_a/000001.jpg")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"bbox": None}, "people have no bbox: the box around their keypoints stands for it"),
        (
            {"bbox": None, "keypoints": None},
            "people have neither a bbox nor a keypoint with a place: nothing is learnt from them",
        ),
        (
            {"bbox_head": None},
            "people have no bbox_head: evaluator posetrack measures them by head_bottom and head_top",
        ),
        ({"track_id": None}, "people have no track_id, so nobody is followed in them"),
        ({"track_id": 3}, "frames have two people with one track_id"),
        (
            {"image_id": 1000},
            "people are annotated in frames that are marked as not labelled, and are left out",
        ),
        ({"category_id": 2}, "annotations of other categories than the people's are left out"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_odd_people_are_told(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    dataset = one_video(tmp_path, someone(1001), someone(1001, **{"track_id": 4, "id": 7} | changes))
    found = told(dataset)
    assert found.keys() == {UNLABELLED, what}
    assert found[what][0] == 1


def test_frames_are_put_in_order(tmp_path: Path) -> None:
    images = [frame("a", 2), frame("a", 0), frame("a", 1)]
    write(tmp_path, "train", "a", images, [someone(1001)])
    dataset = PoseTrack18Dataset(root=str(tmp_path))
    assert [each.frame for each in dataset.videos("train")["a"]] == [0, 1, 2]
    what = "frames do not stand in the order of their numbers in the file, and are put in order"
    assert told(dataset)[what] == (1, "images/a/000000.jpg")


@pytest.mark.parametrize("changes", [{"id": 1001}, {"id": 77}], ids=["same id", "same number"])
def test_a_frame_that_is_listed_again_counts_once(tmp_path: Path, changes: dict[str, Any]) -> None:
    images = [frame("a", 0), frame("a", 1), frame("a", 1, **changes), frame("a", 2)]
    write(tmp_path, "train", "a", images, [someone(1001), someone(changes["id"], id=5, track_id=4)])
    dataset = PoseTrack18Dataset(root=str(tmp_path))
    assert [each.id for each in dataset.videos("train")["a"]] == [1000, 1001, 1002]
    what = "frames are listed more than once: the first of them counts, with its people"
    count, example = told(dataset)[what]
    assert (count, "000001.jpg" in example) == (1, True)


def test_unlabelled_frames_need_not_be_there(tmp_path: Path) -> None:
    dataset = one_video(tmp_path)
    (tmp_path / "images" / "000001_a" / "000002.jpg").unlink()
    what = "frames that are not labelled are missing on disk"
    assert told(dataset)[what] == (1, "images/000001_a/000002.jpg")


def test_missing_frames_are_told(tmp_path: Path) -> None:
    write(tmp_path, "train", "a", [frame("a", 0), frame("a", 1)], [someone(1001)])
    write(tmp_path, "val", "b", [frame("b", 1, nframes=1)], [someone(1001)])
    dataset = PoseTrack18Dataset(root=str(tmp_path))
    what = "videos list another number of frames than their `nframes`"
    assert told(dataset)[what] == (1, "a: 2 of 3")
    assert what not in told(dataset, "val")


def test_sizes_may_be_those_of_the_pictures(tmp_path: Path) -> None:
    images = [frame("a", number, width=None, height=None) for number in range(3)]
    write(tmp_path, "train", "a", images, [someone(1001)])
    (tmp_path / images[0]["file_name"]).unlink()
    videos = PoseTrack18Dataset(root=str(tmp_path)).videos("train")
    assert [(each.width, each.height) for each in videos["a"]] == [(WIDTH, HEIGHT)] * 3


def test_frames_whose_size_nothing_tells_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "train", "a", [frame("a", 1, width=None, height=None)], [someone(1001)])
    (tmp_path / "images" / "a" / "000001.jpg").write_bytes(b"no picture")
    dataset = PoseTrack18Dataset(root=str(tmp_path))
    assert dataset.split("train") == ()
    what = "frames have no width and height, no picture of their video tells them, and they are left out"
    assert told(dataset)[what] == (1, "images/a/000001.jpg")


def test_a_frame_that_says_nothing_is_labelled(tmp_path: Path) -> None:
    assert len(one_video(tmp_path, is_labeled=None).split("train")) == 1


def test_one_file_may_hold_many_videos(tmp_path: Path) -> None:
    images = [*(frame("a", number) for number in range(3)), frame("b", 1, first=2000, nframes=1)]
    file = write(tmp_path, "train", "all", images, [someone(1001), someone(2001)])
    file.rename(tmp_path / "annotations" / "posetrack18_train.json")
    dataset = PoseTrack18Dataset(root=str(tmp_path))
    assert [(each.video, each.frame) for each in dataset.split("train")] == [("a", 1), ("b", 1)]


def test_val_share_holds_out_whole_videos(tmp_path: Path) -> None:
    for place, video in enumerate("abcd"):
        images = [frame(video, number, first=1000 * place, is_labeled=number > 0) for number in range(3)]
        people = [someone(image["id"]) for image in images[1:]]
        write(tmp_path, "train", video, images, people)
    dataset = PoseTrack18Dataset(root=str(tmp_path), val_share=0.5)
    train, val = dataset.split("train"), dataset.split("val")
    shown = [{sample.video for sample in split} for split in (train, val)]
    assert (len(train), len(val), shown[0] & shown[1]) == (4, 4, set())
    assert dataset.videos("train").keys() == shown[0]
    assert [len(frames) for frames in dataset.videos("val").values()] == [3, 3]


def test_the_same_id_in_two_videos_is_refused(tmp_path: Path) -> None:
    for video in "ab":
        write(tmp_path, "train", video, [frame(video, 1)], [someone(1001)])
    with pytest.raises(PosenasError, match=r"b\.json: image 1001 is images/b/000001\.jpg, and in .*a\.json"):
        PoseTrack18Dataset(root=str(tmp_path)).split("train")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "not PoseTrack's annotations"),
        ({"images": []}, "`categories` is missing"),
        ({"images": [], "annotations": [], "categories": []}, "no category names keypoints"),
        (
            {"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": ["nose", "left_eye"]}]},
            "not head_bottom, head_top, left_shoulder",
        ),
        (
            {"images": [], "annotations": [], "categories": [{"id": [], "keypoints": ["nose"]}]},
            "the category's id must be a whole number or text, not []",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: object, words: str) -> None:
    dataset = one_video(tmp_path)
    (tmp_path / "annotations" / "train" / "b.json").write_text(json.dumps(content))
    with pytest.raises(PosenasError, match=r"b\.json: ") as refused:
        dataset.split("train")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"file_name": "images/a/first.jpg"}, "has no number"),
        ({"is_labeled": "perhaps"}, "is_labeled must be 0 or 1"),
        ({"width": -1}, r"000001_a\.json: image 1001 is -1 x 48 pixels; mend its width and height"),
    ],
)
def test_frames_that_cannot_be_read_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PosenasError, match=words):
        one_video(tmp_path, **changes).split("train")


@pytest.mark.parametrize("track", [1.5, "a", float("nan"), float("inf"), True])
def test_tracks_are_whole_numbers(tmp_path: Path, track: Any) -> None:
    with pytest.raises(PosenasError, match="its track_id must be a whole number"):
        one_video(tmp_path, someone(1001, track)).split("train")


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match=r"dataset\.root is not set"):
        PoseTrack18Dataset().split("train")
    with pytest.raises(PosenasError, match="no folder"):
        PoseTrack18Dataset(root=str(tmp_path / "none")).split("train")
    with pytest.raises(PosenasError, match=r"no annotations for val: .*set dataset\.val .*val_share"):
        PoseTrack18Dataset(root=str(tmp_path)).split("val")
    with pytest.raises(PosenasError, match="no split 'test'"):
        PoseTrack18Dataset(root=str(tmp_path)).split("test")
    with pytest.raises(PosenasError, match=r"dataset\.val_share .* leave one of them out"):
        PoseTrack18Dataset(root=str(tmp_path), val="val", val_share=0.5).split("train")


def test_nobody_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", "a", [frame("a", 0), frame("a", 1)], [])
    with pytest.raises(PosenasError, match="nobody is annotated in train: 1 annotation files, 2 frames, 1"):
        PoseTrack18Dataset(root=str(tmp_path)).split("train")


def test_reads_published_files(tmp_path: Path) -> None:
    data = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    folder = data / "samples" / "posetrack18"
    if not folder.exists():
        pytest.skip(f"no {folder}; set POSENAS_TEST_DATA to the folder of real data")
    dataset = PoseTrack18Dataset(root=str(folder), train="annotations/val", val_share=0.3)
    everybody = [sample for split in dataset.splits() for sample in dataset.split(split)]
    assert sorted((each.video, each.frame, len(each.people)) for each in everybody) == [
        ("003418_mpii_test", 0, 1),
        ("009473_mpii_test", 0, 2),
        ("012834_mpii_test", 0, 11),
    ]
    people = [person for sample in everybody for person in sample.people]
    assert all(person.track is not None and "head" in person.regions for person in people)
    assert all(len(each.ignored) > 0 for each in everybody)
    report = check_dataset(dataset, samples=2, seed=0, out=tmp_path / "people.png")
    assert sum(split.labelled_keypoints for split in report.splits) == 182
