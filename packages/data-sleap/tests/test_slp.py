"""SLEAP's label files, with pictures, with pictures inside, and with frames of videos."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import sleap_io
from data_sleap.dataset import SleapDataset
from data_sleap.frames import VideoFrame
from posenas import COCO_17, Dataset, PosenasError, UnreadableImageError
from posenas.data.coco.dataset import CocoDataset

SHARED = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")).parent
NAMES = ("tail", "ear_left", "ear_right", "nose")
POSE = [[30, 15], [12, 4], [8, 5], [10, 8]]
ABSENT = [[np.nan, np.nan]] * 4


def skeleton(**options: Any) -> sleap_io.Skeleton:
    known = {"edges": [("nose", "tail")], "symmetries": [("ear_left", "ear_right")], "name": "mouse"}
    return sleap_io.Skeleton(list(NAMES), **(known | options))


def film(path: Path, *, frames: int = 12, seed: int = 0) -> Path:
    """A film of 40 x 24 pixels, each frame of other noise in large squares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (40, 24))
    rng = np.random.default_rng(seed)
    for _ in range(frames):
        writer.write(np.kron(rng.integers(0, 256, (3, 5, 3)), np.ones((8, 8, 1))).astype(np.uint8))
    writer.release()
    return path


def decoded(path: Path) -> list[np.ndarray]:
    """Every frame of a film, RGB, read from its beginning."""
    video, found = cv2.VideoCapture(str(path)), []
    while (frame := video.read())[0]:
        found.append(cv2.cvtColor(frame[1], cv2.COLOR_BGR2RGB))
    video.release()
    return found


def labelled(video: sleap_io.Video, index: int, *poses: Any, **options: Any) -> sleap_io.LabeledFrame:
    made = [sleap_io.Instance.from_numpy(pose, skeleton=options.get("of") or SKELETON) for pose in poses]
    made += options.get("predicted", [])
    return sleap_io.LabeledFrame(video=video, frame_idx=index, instances=made)


SKELETON = skeleton()


def save(path: Path, frames: Sequence[sleap_io.LabeledFrame]) -> Path:
    embed = "user" if path.name.endswith(".pkg.slp") else False
    sleap_io.Labels(list(frames)).save(str(path), embed=embed, verbose=False)
    return path


def video_of(path: Path) -> sleap_io.Video:
    return sleap_io.Video.from_filename(str(path), grayscale=False)


def told(dataset: SleapDataset, split: str = "train") -> list[str]:
    return [str(each) for each in dataset.noticed(split)]


@pytest.fixture
def film_labels(tmp_path) -> Path:
    video = video_of(film(tmp_path / "film.avi"))
    frames = [labelled(video, index, np.add(POSE, index)) for index in (7, 0, 3, 11)]
    return save(tmp_path / "labels.slp", frames)


@pytest.mark.parametrize("name", ["labels.slp", "labels.pkg.slp"])
def test_frames_of_a_video_are_those_of_the_video(tmp_path, name):
    path = film(tmp_path / "film.avi")
    frames = [labelled(video_of(path), index, np.add(POSE, index)) for index in (7, 0, 3, 11)]
    dataset = SleapDataset(root=str(save(tmp_path / name, frames)), val_share=0.3)
    assert isinstance(dataset, Dataset)
    if name.endswith(".pkg.slp"):
        path.rename(tmp_path / "gone")
        path = tmp_path / "gone"
    samples = [*dataset.split("train"), *dataset.split("val")]
    assert {sample.written_id for sample in samples} == {f"film.avi/{index}" for index in (7, 0, 3, 11)}
    everything = decoded(path)
    for sample in samples:
        index = int(str(sample.written_id).rpartition("/")[2])
        picture = pickle.loads(pickle.dumps(sample.source)).read()
        assert (picture.dtype, picture.shape) == (np.uint8, (sample.height, sample.width, 3))
        np.testing.assert_array_equal(picture, everything[index])
        np.testing.assert_array_equal(sample.people[0].keypoints[:, :2], np.add(POSE, index))


def test_names_limbs_and_symmetries_are_the_files(film_labels):
    keypoints = SleapDataset(root=str(film_labels), val_share=0.5).keypoints()
    assert keypoints.names == NAMES
    assert keypoints.limbs == ((3, 0),)
    assert keypoints.flip_pairs == ((1, 2),)
    assert keypoints.unpaired == ()
    pairs = SleapDataset(root=str(film_labels), val_share=0.5, pairs=("nose:tail",)).keypoints().flip_pairs
    assert pairs == ((3, 0),)


def test_symmetries_that_contradict_the_names_count_and_are_told(tmp_path):
    odd = skeleton(symmetries=[("ear_left", "tail")])
    video = video_of(film(tmp_path / "film.avi"))
    file = save(tmp_path / "a.slp", [labelled(video, index, POSE, of=odd) for index in range(2)])
    dataset = SleapDataset(root=str(file), val_share=0.5)
    assert dataset.keypoints().flip_pairs == ((0, 1),)
    assert told(dataset)[0].startswith("2 keypoints have another mirror image in the file than their names")


def test_only_what_a_user_labelled_is_truth(tmp_path):
    video = video_of(film(tmp_path / "film.avi"))
    predicted = [sleap_io.PredictedInstance.from_numpy(np.array(POSE, float), skeleton=SKELETON, score=0.5)]
    hidden = labelled(video, 1, POSE)
    hidden.instances[0].points["visible"][0] = False
    negative = labelled(video, 5)
    negative.is_negative = True
    frames = [
        labelled(video, 0, POSE, POSE, predicted=predicted * 3),
        hidden,
        labelled(video, 2, predicted=predicted * 2),
        labelled(video, 3),
        labelled(video, 4, ABSENT),
        negative,
        labelled(video, 6, POSE, ABSENT),
    ]
    dataset = SleapDataset(root=str(save(tmp_path / "a.slp", frames)), val="a.slp")
    samples = dataset.split("train")
    assert {str(each.written_id): len(each.people) for each in samples} == {
        "film.avi/0": 2,
        "film.avi/1": 1,
        "film.avi/5": 0,
        "film.avi/6": 1,
    }
    assert [person.id for each in samples for person in each.people] == [1, 2, 3, 4]
    assert samples[1].people[0].keypoints.tolist() == [[0, 0, 0], [12, 4, 2], [8, 5, 2], [10, 8, 2]]
    assert samples[1].people[0].box == (8, 4, 4, 4)
    assert {each.partition(" ")[2].partition(":")[0] for each in told(dataset)} == {
        "5 predicted instances are left out",
        "1 frames hold predictions alone and are left out",
        "2 frames hold no labels, and nothing says that nobody is there",
        "2 people have no labelled keypoint and are left out",
    }


def test_boxes_grow_by_a_margin(film_labels):
    dataset = SleapDataset(root=str(film_labels), val="labels.slp", box_margin=0.5)
    (person,) = dataset.split("train")[1].people
    assert person.box == (0, 0, 40, 20.5)  # of (8, 4, 22, 11), within 40 x 24
    assert person.area == 22 * 11


def test_several_videos_stay_whole(tmp_path):
    videos = [video_of(film(tmp_path / "films" / f"mouse{n}.avi", seed=n)) for n in range(3)]
    frames = [labelled(video, index, POSE) for video in videos for index in (1, 5, 9)]
    file = save(tmp_path / "a.slp", frames)
    dataset = SleapDataset(root=str(file), val_share=0.3, val_together="video")
    (held,) = {str(each.written_id).partition("/")[0] for each in dataset.split("val")}
    assert len(dataset.split("val")) == 3
    assert held not in {str(each.written_id).partition("/")[0] for each in dataset.split("train")}
    with pytest.raises(PosenasError, match="people are in 1 of them"):
        SleapDataset(
            root=str(save(tmp_path / "b.slp", frames[:3])), val_share=0.3, val_together="video"
        ).split("val")


def test_missing_videos_are_refused_with_the_option_that_helps(tmp_path):
    videos = [film(tmp_path / folder / "film.avi", seed=len(folder)) for folder in ("one", "second")]
    other = film(tmp_path / "other.avi")
    frames = [labelled(video_of(path), 2, POSE) for path in (*videos, other)]
    data = tmp_path / "data"
    data.mkdir()
    file = save(data / "a.slp", frames)
    for path in videos:
        path.rename(path.with_name("moved.avi"))
    dataset = SleapDataset(root=str(file), val="a.slp")
    with pytest.raises(
        PosenasError, match=r"2 of its 3 videos are not found, such as .*set dataset\.train_im"
    ):
        dataset.split("train")
    for folder in ("one", "second"):
        (data / folder).mkdir()
        (tmp_path / folder / "moved.avi").rename(data / folder / "film.avi")
    other.rename(data / "other.avi")
    (data / "second" / "film.avi").rename(data / "second.avi")
    with pytest.raises(PosenasError, match="2 names lead to one file"):
        SleapDataset(root=str(file), val="a.slp").split("train")
    (data / "second.avi").rename(data / "second" / "film.avi")
    (tmp_path / "labels").mkdir()
    moved = file.rename(tmp_path / "labels" / "b.slp")
    with pytest.raises(PosenasError, match=r"none of its images .* set dataset\.train_images"):
        SleapDataset(root=str(moved), val="b.slp").split("train")
    samples = SleapDataset(root=str(moved), val="b.slp", train_images=str(data), val_images="../data").split(
        "val"
    )
    for sample, path in zip(samples, ("one/film.avi", "second/film.avi", "other.avi"), strict=True):
        np.testing.assert_array_equal(sample.source.read(), decoded(data / path)[2])


def test_damaged_videos_and_frames_beyond_the_end_are_told(tmp_path, film_labels):
    path = film(tmp_path / "film.avi", frames=8)
    dataset = SleapDataset(root=str(film_labels), val="labels.slp")
    assert len(dataset.split("train")) == 3
    assert told(dataset) == [
        "train: 1 pictures or frames are missing or cannot be read and are left out: "
        f"{path}/11: there is no such frame"
    ]
    small = SleapDataset(root=str(film_labels), val="labels.slp", max_pixels=40 * 24 - 1)
    with pytest.raises(PosenasError, match=r"7: 40 x 24 pixels are more than dataset"):
        small.split("train")
    path.write_bytes(b"no film")
    with pytest.raises(PosenasError, match=r"film\.avi: cannot be read as a video"):
        SleapDataset(root=str(film_labels), val="labels.slp").split("train")
    with pytest.raises(UnreadableImageError, match=r"film\.avi/3: cannot be read"):
        VideoFrame(path, 3).read()


def test_pictures_of_any_size_with_and_inside_the_file(tmp_path, monkeypatch):
    sizes = {"a 1.png": (40, 24), "b.png": (30, 50), "c.png": (64, 32)}
    for name, (width, height) in sizes.items():
        picture = np.random.default_rng(width).integers(0, 256, (height, width, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / name), picture)
    cv2.imwrite(str(tmp_path / "b.png"), np.arange(1500).reshape(50, 30).astype(np.uint8))  # grey
    video = sleap_io.Video.from_filename([str(tmp_path / name) for name in sizes])
    frames = [labelled(video, index, POSE) for index in range(3)]
    plain = SleapDataset(root=str(save(tmp_path / "a.slp", frames)), val="a.slp")
    packed = SleapDataset(root=str(save(tmp_path / "a.pkg.slp", frames)), val="a.pkg.slp")
    for one, other in zip(plain.split("train"), packed.split("train"), strict=True):
        assert one.written_id == other.written_id
        assert (one.width, one.height) == (other.width, other.height) == sizes[str(one.written_id)]
        np.testing.assert_array_equal(one.source.read(), other.source.read())
    assert str(packed.split("train")[0].source) == f"{tmp_path / 'a.pkg.slp'}/a 1.png"
    monkeypatch.chdir(tmp_path.parent)
    relative = SleapDataset(root=f"{tmp_path.name}/a.pkg.slp", val="a.pkg.slp")
    assert [told(each) for each in (plain, packed, relative)] == [[], [], []]


def test_files_are_found_by_their_splits(tmp_path):
    video = video_of(film(tmp_path / "film.avi"))
    for name, index in (("train.slp", 0), ("val.slp", 1)):
        save(tmp_path / name, [labelled(video, index, POSE)])
    dataset = SleapDataset(root=str(tmp_path))
    assert [dataset.split(split)[0].written_id for split in ("train", "val")] == ["film.avi/0", "film.avi/1"]
    with pytest.raises(PosenasError, match=r"there is .*val\.slp too"):
        SleapDataset(root=str(tmp_path), val_share=0.5).split("train")
    (tmp_path / "train.slp").rename(tmp_path / "labels.v001.slp")
    assert len(SleapDataset(root=str(tmp_path)).split("train")) == 1
    save(tmp_path / "labels.v002.slp", [labelled(video, 2, POSE)])
    with pytest.raises(
        PosenasError, match=r"2 label files may hold train: labels\.v001\.slp, labels\.v002\.slp"
    ):
        SleapDataset(root=str(tmp_path)).split("train")
    assert SleapDataset(root=str(tmp_path), train="labels.v002.slp").split("train")[0].id == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"root": ""}, "dataset.root is not set"),
        ({"root": "nowhere"}, "is neither a file nor a folder"),
        ({"val_share": 0.0}, "one label file and no val; set dataset.val, or dataset.val_share=0.2"),
        ({"val": "labels.slp"}, "dataset.val_share holds a part of train out as val, but dataset.val"),
        ({"val": "no.slp", "val_share": 0.0}, "no.slp: there is no such label file; mend dataset.val"),
        ({"val": "film.avi", "val_share": 0.0}, "film.avi: no label file of SLEAP (.slp, .pkg.slp) or Deep"),
    ],
)
def test_options_that_do_not_fit_are_refused(film_labels, options, says):
    with pytest.raises(PosenasError) as caught:
        SleapDataset(**({"root": str(film_labels), "val_share": 0.5} | options)).split("val")
    assert says in str(caught.value)


def test_files_of_other_tools_are_named(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"images": [], "annotations": []}')
    for root, says in ((tmp_path, "labels.json is COCO's JSON"), (path, "labels.json: this is COCO's JSON")):
        with pytest.raises(PosenasError, match=f"{says}; dataset coco reads its folder"):
            SleapDataset(root=str(root)).keypoints()


def test_splits_with_different_keypoints_are_refused(tmp_path, film_labels):
    video = video_of(tmp_path / "film.avi")
    other = sleap_io.Skeleton([*NAMES[1:], "tail"], name="rat")
    save(tmp_path / "b.slp", [labelled(video, 1, POSE, of=other)])
    with pytest.raises(PosenasError, match="train and val name different keypoints: tail, ear_left"):
        SleapDataset(root=str(film_labels), val="b.slp").split("train")
    both = [labelled(video, 1, POSE, of=other), labelled(video, 2, POSE)]
    save(tmp_path / "c.slp", both)
    with pytest.raises(PosenasError, match=r"its people have 2 skeletons: ear_left, .*; tail, ear_left"):
        SleapDataset(root=str(tmp_path / "c.slp"), val="b.slp").split("train")


def test_nobody_and_frames_labelled_twice_are_refused(tmp_path):
    video = video_of(film(tmp_path / "film.avi"))
    empty = save(tmp_path / "empty.slp", [labelled(video, 1, ABSENT)])
    with pytest.raises(PosenasError, match=r"nobody is labelled; 1 people have no labelled keypoint"):
        SleapDataset(root=str(empty), val_share=0.5).split("train")
    twice = save(tmp_path / "twice.slp", [labelled(video, 1, POSE), labelled(video, 1, POSE)])
    with pytest.raises(PosenasError, match=r"1 frames are labelled more than once, such as .*film\.avi/1"):
        SleapDataset(root=str(twice), val_share=0.5).split("train")
    far = save(tmp_path / "far.slp", [labelled(video, 1, np.multiply(POSE, 1e7))])
    with pytest.raises(PosenasError, match="1 frames have keypoints more than 1,000,000 pixels away"):
        SleapDataset(root=str(far), val_share=0.5).split("train")


def damaged(whole: bytes) -> Iterator[bytes]:
    for part in np.linspace(0, len(whole) - 1, 20):
        yield whole[: int(part)]
    for part in np.linspace(96, 1500, 20):
        yield whole[: int(part)] + b"\xff" * 64 + whole[int(part) + 64 :]


def test_truncated_and_damaged_files_are_refused_in_one_line(film_labels):
    whole = film_labels.read_bytes()
    lines = []
    for content in damaged(whole):
        film_labels.write_bytes(content)
        try:
            SleapDataset(root=str(film_labels), val_share=0.5).split("train")
        except PosenasError as error:
            lines.append(str(error))
    assert len(lines) >= 20
    assert all(line.isprintable() and len(line) < 400 + len(str(film_labels)) for line in lines)
    assert sum("no label file of SLEAP, or damaged" in line for line in lines) >= 20


def test_sleap_io_is_loaded_only_where_a_file_of_sleap_is_opened(tmp_path):
    file = tmp_path / "CollectedData_A.csv"
    file.write_text("scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\na.png,1,2\nb.png,3,4\n")
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((9, 9, 3), np.uint8))
    code = """if True:
        import sys
        from data_sleap.dataset import SleapDataset
        samples = SleapDataset(root=sys.argv[1], val_share=0.5).split("val")
        print(samples[0].source.read().shape, {"sleap_io", "h5py", "pandas"} & set(sys.modules))
    """
    answer = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "(9, 9, 3) set()"


def drawn(root: Path, split: str) -> Path:
    """The pictures that the exports label."""
    source = SHARED / "faults" / "make_inputs.py"
    spec = importlib.util.spec_from_file_location("make_inputs", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    number, first, seed = {"train": (12, 1, 0), "val": (6, 101, 1)}[split]
    folder = root / split
    folder.mkdir()
    for name, picture in module.base(number, first, seed)[1].items():
        cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return folder


def collected(root: Path, content: dict[str, Any]) -> Path:
    """The annotations as a label file of DeepLabCut."""
    (category,) = content["categories"]
    names = [name for name in category["keypoints"] for _ in "xy"]
    files = {each["id"]: each["file_name"] for each in content["images"]}
    lines = [["scorer", *["A"] * 34], ["bodyparts", *names], ["coords", *"xy" * 17]]
    for each in content["annotations"]:
        points = np.reshape(each["keypoints"], (17, 3))
        cells = [str(value) if seen else "" for *place, seen in points for value in place]
        lines.append([files[each["image_id"]], *cells])
    file = root / "CollectedData_A.csv"
    file.write_text("\n".join(map(",".join, lines)))
    return file


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("kind", ["a.slp", "a.pkg.slp", "csv"])
def test_the_same_labels_as_coco_are_equal(tmp_path, kind, split):
    exported = SHARED / "exports" / "sleap_io" / "coco" / f"{split}.json"
    if not exported.is_file():
        pytest.skip(f"no {exported}; set POSENAS_TEST_DATA to the folder beside exports")
    folder = drawn(tmp_path, split)
    both = dict.fromkeys(("train", "val"), exported.name)
    images = dict.fromkeys(("train_images", "val_images"), str(folder))
    coco = CocoDataset(root=str(exported.parent), **both, **images)
    if kind == "csv":
        file = collected(tmp_path, json.loads(exported.read_text()))
    else:
        file = tmp_path / kind
        labels = sleap_io.load_coco(str(exported), dataset_root=str(folder))
        labels.save(str(file), embed="user" if "pkg" in kind else False, verbose=False)
    mine = SleapDataset(root=str(file), val=file.name)
    assert mine.keypoints().names == COCO_17.names
    assert mine.keypoints().flip_pairs == COCO_17.flip_pairs
    digits = 1e-9 if kind == "csv" else 1e-5  # SLEAP keeps 32 bits
    theirs = {Path(str(sample.source)).name: sample for sample in coco.split(split)}
    for sample in mine.split("train"):
        other = theirs.pop(str(sample.written_id))
        assert (sample.width, sample.height) == (other.width, other.height)
        np.testing.assert_array_equal(sample.source.read(), other.source.read())
        for one, two in zip(sample.people, other.people, strict=True):
            assert one.keypoints == pytest.approx(two.keypoints, abs=digits)
            assert one.box == pytest.approx(two.box, abs=2 * digits)
            assert one.area == pytest.approx(two.area, abs=1e-2)
    assert not theirs


def test_a_real_video(tmp_path):
    path = SHARED / "data" / "video" / "vtest.avi"
    if not path.is_file():
        pytest.skip(f"no {path}; set POSENAS_TEST_DATA")
    chosen = (0, 13, 40)
    file = save(tmp_path / "a.slp", [labelled(video_of(path), index, POSE) for index in chosen])
    dataset = SleapDataset(root=str(file), val="a.slp")
    video = cv2.VideoCapture(str(path))
    everything = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB) for _ in range(max(chosen) + 1)]
    video.release()
    for sample, index in zip(dataset.split("train"), chosen, strict=True):
        assert (sample.width, sample.height) == (768, 576)
        np.testing.assert_array_equal(sample.source.read(), everything[index])
