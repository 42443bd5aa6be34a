"""Images looked for below a folder, whatever folders their names tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from posenas.annotations import files_below, locate, says


def folder(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_files_are_listed_by_name_without_hidden_ones_and_links(tmp_path: Path) -> None:
    folder(tmp_path, "b/2.jpg", "b/1.jpg", "a.jpg", ".git/3.jpg", "b/.4.jpg", "c/d/e/5.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert list(files_below(tmp_path)) == ["a.jpg", "b/1.jpg", "b/2.jpg", "c/d/e/5.jpg"]
    assert list(files_below(tmp_path, deepest=2)) == ["a.jpg", "b/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cat.jpg", "pictures/cat.jpg"),
        ("../upload/1/cat.jpg", "pictures/cat.jpg"),
        ("/home/somebody/cat.jpg", "pictures/cat.jpg"),
        ("C:\\data\\cat.jpg", "pictures/cat.jpg"),
        ("one/dog.jpg", "clips/one/dog.jpg"),
        ("/elsewhere/two\\dog.jpg", "clips/two/dog.jpg"),
        ("../upload/1/00ab12ef-cat.jpg", "pictures/cat.jpg"),
        ("00ab12ef-bird.jpg", "pictures/00ab12ef-bird.jpg"),
    ],
)
def test_an_image_is_found_by_the_end_of_its_name(tmp_path: Path, name: str, place: str) -> None:
    files = ("pictures/cat.jpg", "clips/one/dog.jpg", "clips/two/dog.jpg", "pictures/00ab12ef-bird.jpg")
    located = locate(folder(tmp_path, *files, "pictures/bird.jpg"), [name])
    assert located == ({name: place}, {})


@pytest.mark.parametrize("name", ["fox.jpg", "", "..", "/", "xyz-cat.jpg", "a\0b", "x" * 5000])
def test_what_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    assert locate(folder(tmp_path, "cat.jpg"), [name]) == ({}, {})


def test_of_several_files_the_split_decides_or_nobody(tmp_path: Path) -> None:
    folder(tmp_path, "images/Train/1.jpg", "images/Validation/1.jpg")
    both = ["images/Train/1.jpg", "images/Validation/1.jpg"]
    assert locate(tmp_path, ["1.jpg"], words=("train",)).places == {"1.jpg": both[0]}
    assert locate(tmp_path, ["1.jpg"], words=("val", "validation")).places == {"1.jpg": both[1]}
    assert locate(tmp_path, ["1.jpg"]) == ({}, {"1.jpg": both})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train/a.json", True),
        ("annotations/person_keypoints_Train2017.json", True),
        ("default_train/labels.json", True),
        ("trainer/constrain.json", False),
        ("a.json", False),
    ],
)
def test_words_of_a_path(path: str, expected: bool) -> None:
    assert says(path, ("train",)) is expected
