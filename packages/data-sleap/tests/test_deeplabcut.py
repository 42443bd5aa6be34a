"""DeepLabCut's CSV files, judged by sleap-io's own reader."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import sleap_io
from data_sleap.dataset import SleapDataset
from data_sleap.deeplabcut import read_csv
from data_sleap.labels import NOBODY, Labels
from fuzzing import changed_text
from posenas import PosenasError

PARTS = ("nose", "left_ear", "right_ear")


def table(
    people: Sequence[str] = (), *, columns: int = 3, pictures: int = 4, seed: int = 0, folder: str = "walk"
) -> str:
    """A file of one animal, or of several individuals, with some keypoints and people absent."""
    rng = random.Random(seed)
    who = people or ("",)
    empty = [""] * (columns - 1)
    cells = [(one, part, axis) for one in who for part in PARTS for axis in "xy"]
    rows = [["scorer", *empty, *["Ann"] * len(cells)]]
    rows += [["individuals", *empty, *[one for one, _, _ in cells]]] if people else []
    rows += [["bodyparts", *empty, *[part for _, part, _ in cells]]]
    rows += [["coords", *empty, *[axis for _, _, axis in cells]]]
    for number in range(pictures):
        row = ["labeled-data", folder, f"img{number:03}.png"]
        row = row if columns == 3 else ["/".join(row)]
        for _ in who:
            for _ in PARTS:
                absent = number and rng.random() < 0.3
                row += ["", ""] if absent else [repr(rng.uniform(0, 40)), repr(rng.uniform(0, 20))]
        rows.append(row)
    return "\n".join(",".join(row) for row in rows) + "\n"


def write(root: Path, text: str, folder: str = "walk", *, pictures: int = 4) -> Path:
    """A project's folder with a label file and its pictures of 40 x 20 pixels."""
    place = root / "labeled-data" / folder
    place.mkdir(parents=True, exist_ok=True)
    file = place / "CollectedData_Ann.csv"
    file.write_text(text)
    for number in range(pictures):
        cv2.imwrite(str(place / f"img{number:03}.png"), np.full((20, 40, 3), number, np.uint8))
    return file


@pytest.mark.parametrize("people", [(), ("one", "two", "three")])
@pytest.mark.parametrize("columns", [1, 3])
def test_reads_what_sleap_io_reads(tmp_path, people, columns):
    file = write(tmp_path, table(people, columns=columns, seed=3))
    content = sleap_io.load_dlc(str(file), config=False)
    order = [content.skeleton.node_names.index(part) for part in PARTS]  # it sorts them by name
    theirs = {
        str(each.video.filename[each.frame_idx])[-10:]: [one.numpy()[order] for one in each.instances]
        for each in content.labeled_frames
    }
    ours = read_csv(file)
    assert ours.names == PARTS
    assert {frame.name for frame in ours.frames} == {f"labeled-data/walk/{name}" for name in theirs}
    for frame in ours.frames:
        assert all(pose.dtype == np.float64 for pose in frame.people)
        np.testing.assert_array_equal(np.float32(frame.people), np.float32(theirs[frame.name[-10:]]))


def test_a_project_of_several_videos_is_one_data_set(tmp_path):
    for seed, folder in enumerate(("walk", "run", "test")):
        write(tmp_path, table(seed=seed, folder=folder), folder)
    dataset = SleapDataset(root=str(tmp_path), val_share=0.3, val_together="folder")
    names = {split: {sample.written_id for sample in dataset.split(split)} for split in ("train", "val")}
    folders = {split: {name.partition("/")[0] for name in each} for split, each in names.items()}
    assert sorted(map(len, folders.values())) == [1, 2]
    assert folders["train"] | folders["val"] == {"walk", "run", "test"}
    (sample, *_) = dataset.split("val")
    assert sample.source.read().shape == (20, 40, 3) == (sample.height, sample.width, 3)
    (person,) = sample.people
    labelled = person.keypoints[person.keypoints[:, 2] == 2]
    assert person.box == pytest.approx((*labelled[:, :2].min(0), *np.ptp(labelled[:, :2], axis=0)))
    assert dataset.keypoints().flip_pairs == ((1, 2),)


def test_what_is_left_out_is_told(tmp_path):
    text = table(("one", "two"), pictures=1)
    heads = text.splitlines()[:4]
    line = ",".join(["labeled-data", "walk", "img{}", *["{}"] * 12])
    rows = [
        line.format("001.png", *[""] * 12),
        line.format("002.png", 1, "", *range(2, 6), *["nan"] * 6),
        line.format("gone.png", *range(12)),
    ]
    file = write(tmp_path, "\r\n".join([*heads, *rows, ""]))
    assert read_csv(file).remarks[NOBODY] == ["labeled-data/walk/img001.png"]
    dataset = SleapDataset(root=str(file), train=file.name, val=file.name)
    (sample,) = dataset.split("train")
    (person,) = sample.people
    assert person.keypoints.tolist() == [[0, 0, 0], [2, 3, 2], [4, 5, 2]]
    place = f"{file}, line 6"
    assert [str(each) for each in dataset.noticed("train")] == [
        f"train: 1 keypoints have only one of x and y and are read as absent: {place}",
        "train: 1 frames hold no labels, and nothing says that nobody is there: they are left out: "
        "labeled-data/walk/img001.png",
        "train: 1 pictures or frames are missing or cannot be read and are left out: "
        f"{file.parent}/imggone.png: No such file or directory",
    ]


def test_unique_bodyparts_are_left_out_and_told(tmp_path):
    rows = [
        "scorer,,," + ",".join(["Ann"] * 8),
        "individuals,,," + ",".join(["one"] * 4 + ["two"] * 2 + ["single"] * 2),
        "bodyparts,,,a,a,b,b,a,a,corner,corner",
        "coords,,," + "x,y," * 3 + "x,y",
        "labeled-data,walk,img000.png,1,2,3,4,5,6,7,8",
    ]
    labels = read_csv(write(tmp_path, "\n".join(rows)))
    (frame,) = labels.frames
    assert [pose.tolist() for pose in frame.people] == [[[1, 2], [3, 4]]]
    ((what, cases),) = [each for each in labels.remarks.items() if each[1]]
    assert "other bodyparts than the first" in what
    assert len(cases) == 2  # two, who lacks b, and the corner of the box


WRONG = {
    "a,b\n1,2\n": "no labels of DeepLabCut: no line of names begins with scorer",
    "": "no line of names begins with scorer",
    "scorer,,,A,A\nbodyparts,,,a,a\ncoords,,,x,x\n": "column 5 of its lines of names must be x or y",
    "scorer,,,A\nbodyparts,,,a\ncoords,,,x\n": "bodypart 'a' has no column for x, or none for y",
    "scorer,A,A,A\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1,2,0.9\n": "holds predictions",
    "scorer,,,A,A\nbodyparts,,,a\ncoords,,,x,y\n": "lines of names have different columns",
    "scorer,,,\nbodyparts,,,\ncoords,,,\n": "or none for a keypoint",
    "{heads}p,q,r,1,2,3,4,5\n": "1 lines have another number of columns than the 9",
    "{heads}p,q,r,1,2,3,4,5,left\n": "1 lines hold something other than numbers",
    "{heads}p,q,r,1,2,3,4,5,inf\n": "1 lines hold numbers that are not finite",
    "{heads},,,1,2,3,4,5,6\n": "1 lines name no picture",
    "{heads}p,q,r,1,2,3,4,5,6\np,q,r,1,2,3,4,5,6\n": "1 lines name a picture that an earlier line has named",
    "{heads}p,q,r,,,,,,\np,q,r,1,2,3,4,5,6\n": "1 lines name a picture that an earlier line has named",
    '{heads}p,q,r,"1,2\n': "no CSV file: unexpected end of data",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path, text):
    heads = "".join(table(pictures=0))
    file = tmp_path / "labels.csv"
    file.write_text(text.replace("{heads}", heads))
    with pytest.raises(PosenasError) as caught:
        read_csv(file)
    assert WRONG[text] in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_that_cannot_be_read_are_told_together(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(table(pictures=1) + "p,q,r,1\np,q,s,1\np,q,t,1,2,3,4,5,up\n")
    with pytest.raises(
        PosenasError, match=r"2 lines have another .*line 5\); 1 lines hold something .*line 7\)"
    ):
        read_csv(file)


def test_files_that_name_different_keypoints_are_refused(tmp_path):
    write(tmp_path, table())
    write(tmp_path, table(folder="run").replace("nose", "snout"), "run")
    with pytest.raises(PosenasError, match=r"name different keypoints: snout, .* and nose"):
        SleapDataset(root=str(tmp_path), val_share=0.5).split("train")


def outcome(file: Path) -> Labels | str:
    """What a file holds, if its samples can be read and are finite; else why it is refused."""
    try:
        labels = read_csv(file)
        samples = SleapDataset(root=str(file), val=file.name).split("train")
    except PosenasError as error:
        return str(error)
    people = [person for sample in samples for person in sample.people]
    assert all(math.isfinite(sum(each.box) + each.area + each.keypoints.sum()) for each in people)
    return labels


def test_fuzzed_files_are_refused_in_one_line_or_read_whole(tmp_path):
    file = write(tmp_path, "", pictures=20)
    whole = [table(people, columns=1, pictures=20).encode() for people in ((), ("one", "two"))]
    taken = 0
    for seed in range(200):
        rng = random.Random(seed)
        text = changed_text(rng.choice(whole), rng)
        file.write_bytes(text)
        found = outcome(file)
        if isinstance(found, str):
            assert found.isprintable(), seed
            assert len(found) <= 400 + len(str(file)), (seed, found)
            continue
        taken += 1
        lines = [line for line in text.decode("utf-8-sig").splitlines() if line.strip(", ")]
        heads = 4 if any(line.startswith("individuals") for line in lines) else 3
        unlabelled = len(found.remarks.get(NOBODY, ()))
        assert len(found.frames) + unlabelled == len(lines) - heads, seed
    assert 10 < taken < 190
