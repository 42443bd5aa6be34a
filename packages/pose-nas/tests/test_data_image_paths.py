"""From file names to files: none leads elsewhere in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from posenas.contract.errors import PosenasError
from posenas.data.images.paths import ImageFolder, find_folder

ANNOTATIONS = Path("train.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set with images/a.jpg and images/sub/b.jpg, and secret.jpg outside."""
    (tmp_path / "data" / "images" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.jpg").touch()
    (tmp_path / "data" / "images" / "sub" / "b.jpg").touch()
    (tmp_path / "secret.jpg").touch()
    return tmp_path / "data"


def paths(root: Path, *names: str, follow_links: bool = False) -> list[Path]:
    folder = ImageFolder(root, root / "images", follow_links)
    return list(folder.paths(names, ANNOTATIONS).values())


def refusal(root: Path, *names: str) -> str:
    with pytest.raises(PosenasError) as caught:
        paths(root, *names)
    assert str(caught.value).startswith("train.json: ")
    return str(caught.value)


def test_names_below_the_folder(root: Path) -> None:
    assert paths(root, "a.jpg", "sub/b.jpg", "missing.jpg", "nowhere/c.jpg", "no\0/d.jpg") == [
        root / "images" / name
        for name in ("a.jpg", "sub/b.jpg", "missing.jpg", "nowhere/c.jpg", "no\0/d.jpg")
    ]


def test_a_name_may_climb_within_the_data_set(root: Path) -> None:
    assert paths(root, "../images/a.jpg")[0].samefile(root / "images" / "a.jpg")


@pytest.mark.parametrize("name", ["../../secret.jpg", "../../../../../etc/passwd", "sub/../../../secret.jpg"])
def test_a_name_that_leaves_the_data_set(root: Path, name: str) -> None:
    message = refusal(root, "a.jpg", name, name + "2")
    assert "2 of its 3 images are no files that may be read" in message
    assert f"{name!r} leaves the data set's folder" in message


def test_links(root: Path) -> None:
    (root / "images" / "in.jpg").symlink_to("a.jpg")
    (root / "images" / "out.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "images" / "up").symlink_to(root.parent)
    (root / "images" / "nothing.jpg").symlink_to("absent.jpg")
    assert len(paths(root, "in.jpg", "nothing.jpg")) == 2
    assert "'out.jpg' is a link out of the data set's folder" in refusal(root, "out.jpg")
    assert "'up/secret.jpg' is a link out of" in refusal(root, "up/secret.jpg")
    assert len(paths(root, "out.jpg", "up/secret.jpg", follow_links=True)) == 2


def test_the_folder_itself_may_be_a_link(root: Path) -> None:
    (root / "images").rename(root.parent / "elsewhere")
    (root / "images").symlink_to(root.parent / "elsewhere")
    assert len(paths(root, "a.jpg", "sub/b.jpg")) == 2


def test_what_is_no_file(root: Path) -> None:
    os.mkfifo(root / "images" / "pipe.jpg")
    (root / "images" / "zero.jpg").symlink_to("/dev/zero")
    assert "'pipe.jpg' is a device or a pipe" in refusal(root, "pipe.jpg")
    assert "'zero.jpg' is a link out of" in refusal(root, "zero.jpg")
    assert "'sub' is a folder" in refusal(root, "sub")
    assert "'/dev/zero' is a device or a pipe" in refusal(root, "/dev/zero")


def test_an_absolute_name_of_a_file_is_taken(root: Path) -> None:
    inside, outside = str(root / "images" / "a.jpg"), str(root.parent / "secret.jpg")
    assert paths(root, inside, outside, "/nowhere/c.jpg") == [
        Path(inside),
        Path(outside),
        Path("/nowhere/c.jpg"),
    ]


def test_a_backslash_is_taken_for_a_slash_where_that_is_a_file(root: Path) -> None:
    (root / "images" / "sub\\c.jpg").touch()
    assert paths(root, "sub\\b.jpg", "sub\\c.jpg", "sub\\d.jpg") == [
        root / "images" / name for name in ("sub/b.jpg", "sub\\c.jpg", "sub\\d.jpg")
    ]
    assert "leaves" in refusal(root, "..\\..\\secret.jpg")


def test_one_absolute_name_does_not_lead_the_search_astray(root: Path) -> None:
    absolute = str(root.parent / "secret.jpg")
    assert find_folder(root, ["images/train2017", "images"], [absolute, "a.jpg"]) == root / "images"
    assert find_folder(root, ["images/train2017", "images"], [absolute]) == root / "images/train2017"
    assert find_folder(root, ["images"], ["b.jpg", "x" * 5000]) is None
