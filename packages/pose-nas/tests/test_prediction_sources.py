"""Frames of images, folders and videos, good and bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.prediction.annotated_images import AnnotatedImages, read_annotated_images
from posenas.prediction.frames import Frame, Source, batched, one_ahead
from posenas.prediction.sources import open_source
from posenas.prediction.video import VideoWriter


def write_image(
    path: Path, *, width: int = 8, height: int = 6, colour: tuple[int, int, int] = (200, 100, 50)
):
    """Of one RGB colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), colour[::-1], np.uint8))


def noise(seed: int, *, width: int = 64, height: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_video(path: Path, frames: int, *, rate: float = 10.0) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
    for number in range(frames):
        writer.write(noise(number))
    writer.release()


def opened(path: Path, *, limit: int | None = None) -> tuple[Source, list[str]]:
    said: list[str] = []
    return open_source(path, limit=limit, warn=said.append), said


def test_an_image_is_known_by_its_content(tmp_path):
    write_image(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.avi")
    source, said = opened(tmp_path / "a.avi")
    (frame,) = source.frames()
    assert (frame.id, frame.file_name, source.total, source.rate) == (1, "a.avi", 1, None)
    assert frame.pixels.shape == (6, 8, 3)
    assert frame.pixels[0, 0].tolist() == [200, 100, 50]
    assert said == []


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png", "below/c.png"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    source, _ = opened(tmp_path)
    assert [(frame.id, frame.file_name) for frame in source.frames()] == [(1, "a.JPG"), (2, "b.png")]
    assert [source.find(name) for name in ("b.png", "somewhere/b.png", "b", "c.png", "c")] == [
        2,
        2,
        2,
        None,
        None,
    ]
    assert [source.find(number) for number in (0, 1, 2)] == [None] * 3  # nobody told which image that is
    limited, _ = opened(tmp_path, limit=1)
    assert [frame.file_name for frame in limited.frames()] == ["a.JPG"]
    assert limited.total == 1


def test_a_detector_may_call_an_image_by_its_name_without_ending(tmp_path):
    for name in ("000007.jpg", "12.jpg", "clip_1.jpg"):
        write_image(tmp_path / name)
    source, _ = opened(tmp_path)
    calls = (7, "7", "000007", 12, "clip_1", "clip_1.jpg", 1, "8")
    assert [source.find(call) for call in calls] == [1, 1, 1, 2, 3, 3, None, None]


def annotation_file(path: Path, images: dict[str, object]) -> AnnotatedImages:
    entries = [{"id": identity, "file_name": name} for name, identity in images.items()]
    path.write_text(json.dumps({"images": entries, "categories": [{"id": 3, "name": "diver"}]}))
    return read_annotated_images(path)


def test_images_have_the_ids_of_an_annotation_file(tmp_path):
    for name in ("1.jpg", "10.jpg", "2.jpg"):
        write_image(tmp_path / "images" / name)
    given = {"a/1.jpg": 10, "C:\\b\\2.jpg": "x-7", "00ab12ef-10.jpg": 2**70, "3.jpg": 1}
    annotated = annotation_file(tmp_path / "a.json", given)
    source = open_source(tmp_path / "images", limit=None, warn=pytest.fail, annotated=annotated)
    frames = list(source.frames())
    assert [(frame.file_name, frame.written_id) for frame in frames] == [
        ("1.jpg", 10),
        ("10.jpg", 2**70),
        ("2.jpg", "x-7"),
    ]
    assert len({frame.id for frame in frames}) == 3
    found = [source.find(call) for call in (10, "10", "x-7", 2**70, "2.jpg")]
    assert found == [frames[index].id for index in (0, 0, 2, 1, 2)]
    assert [source.find(call) for call in (1, 2, "1", "2")] == [None] * 4
    assert annotated.category("3") == {"id": 3, "name": "diver"}
    assert annotated.category(1) is None


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ({"1.jpg": 1}, "1 of 2 images are not in its `images`: 2.jpg; choose"),
        ({}, "2 of 2 images are not in its `images`: 1.jpg, ..."),
        ({"1.jpg": 1, "a/2.jpg": 2, "b/2.jpg": 3}, "several of its images are called 2.jpg"),
        ({"1.jpg": 1, "2.jpg": 1}, "two images have the id 1"),
        ({"1.jpg": 1, "2.jpg": 1.5}, "id must be a whole number or text"),
    ],
)
def test_ids_that_are_not_told_are_refused(tmp_path, images, says):
    for name in ("1.jpg", "2.jpg"):
        write_image(tmp_path / "images" / name)
    with pytest.raises(PosenasError, match=says) as caught:
        annotation_file(tmp_path / "a.json", images).ids_of(sorted((tmp_path / "images").iterdir()))
    assert str(tmp_path / "a.json") in str(caught.value)


def test_two_files_of_one_image_are_refused(tmp_path):
    files = [tmp_path / "00ab12ef-a.jpg", tmp_path / "a.jpg"]
    annotated = annotation_file(tmp_path / "a.json", {"00ab12ef-a.jpg": 5})
    assert annotated.ids_of(files[1:]) == [5]
    with pytest.raises(PosenasError, match="2 files are image 5; rename or remove one"):
        annotated.ids_of(files)


@pytest.mark.parametrize(
    "content",
    [[], 3, {"images": 3}, {"images": [], "categories": [{"id": []}]}, {"images": [], "categories": [{}]}],
)
def test_other_files_of_ids_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(PosenasError) as caught:
        read_annotated_images(tmp_path / "a.json")
    assert str(caught.value).startswith(str(tmp_path / "a.json"))


def test_a_video_has_no_ids_of_images(tmp_path):
    write_video(tmp_path / "a.avi", 2)
    annotated = annotation_file(tmp_path / "a.json", {})
    with pytest.raises(PosenasError, match="frames of a video are numbered from 0; leave --ids-of out"):
        open_source(tmp_path / "a.avi", limit=None, warn=pytest.fail, annotated=annotated)


def test_unreadable_images_of_a_folder_are_named_and_passed_over(tmp_path):
    write_image(tmp_path / "1.png")
    write_image(tmp_path / "4.jpg", width=64, height=64)
    whole = (tmp_path / "4.jpg").read_bytes()
    (tmp_path / "4.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "3.png").write_text("words")
    source, said = opened(tmp_path)
    assert [frame.id for frame in source.frames()] == [1]
    assert len(said) == 3
    assert [Path(line.split(":")[0]).name for line in said] == ["2.png", "3.png", "4.jpg"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file or folder"),
        (b"", "neither an image nor a video"),
        (b"just words", "neither an image nor a video"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 300, "neither an image nor a video"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", "cut off"),
    ],
)
def test_a_file_that_is_neither_image_nor_video(tmp_path, content, says):
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PosenasError, match=says) as caught:
        list(opened(path)[0].frames())
    assert str(path) in str(caught.value)


def test_opencv_makes_no_remarks_of_its_own(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 300)
    program = (
        "import sys, pathlib; from posenas.prediction.sources import open_source\n"
        "open_source(pathlib.Path(sys.argv[1]), limit=None, warn=print)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.mp4")], capture_output=True, text=True, check=False
    )
    assert ended.stdout == ""
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.splitlines()[-1].startswith("posenas.contract.errors.PosenasError: ")


def test_folders_without_a_readable_image(tmp_path):
    with pytest.raises(PosenasError, match="no image lies directly in this folder"):
        opened(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("words")
    source, said = opened(tmp_path)
    with pytest.raises(PosenasError, match="none of its 2 images can be read"):
        list(source.frames())
    assert len(said) == 2


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PosenasError, match="neither a file nor a folder"):
        opened(tmp_path / "pipe")


def test_a_video_gives_its_frames_by_number(tmp_path):
    write_video(tmp_path / "v.avi", 7, rate=12.5)
    source, said = opened(tmp_path / "v.avi")
    frames = list(source.frames())
    assert [frame.id for frame in frames] == list(range(7))
    assert (source.total, source.rate, frames[0].file_name) == (7, 12.5, "")
    # Compressed, but in the right channels.
    assert np.abs(frames[3].pixels[..., ::-1].mean((0, 1)) - noise(3).mean((0, 1))).max() < 4
    assert source.find(7) is None
    assert source.find(6) == 6
    assert source.find("v.avi") is None
    limited, limited_said = opened(tmp_path / "v.avi", limit=3)
    assert (limited.total, len(list(limited.frames()))) == (3, 3)
    assert said + limited_said == []


def test_a_video_that_ends_early_says_so(tmp_path):
    write_video(tmp_path / "v.avi", 40)
    content = (tmp_path / "v.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) * 6 // 10])
    source, said = opened(tmp_path / "cut.avi")
    read = len(list(source.frames()))
    assert 15 < read < 30
    assert said == [
        f"{tmp_path / 'cut.avi'}: ends, or lacks frames: {read} can be read, and its header tells of 40; "
        "frames after a gap have too low a number"
    ]


def test_a_video_with_damaged_frames_says_so(tmp_path):
    write_video(tmp_path / "v.avi", 40)
    content = bytearray((tmp_path / "v.avi").read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = np.random.default_rng(0).bytes(third)
    (tmp_path / "gap.avi").write_bytes(content)
    source, said = opened(tmp_path / "gap.avi")
    read = len(list(source.frames()))
    assert 10 < read < 35
    (line,) = said
    assert f"ends, or lacks frames: {read} can be read, and its header tells of 40" in line


def test_a_video_without_frames(tmp_path):
    write_video(tmp_path / "none.avi", 0)
    (tmp_path / "words.png").write_text("words")  # which FFmpeg believes
    for name in ("none.avi", "words.png"):
        with pytest.raises(PosenasError, match="no frame of a video in it can be decoded"):
            opened(tmp_path / name)


def frame(number: int, height: int, width: int) -> Frame:
    return Frame(number, np.zeros((height, width, 3), np.uint8))


def test_batches_are_neighbours_of_one_shape():
    frames = [frame(0, 2, 3), frame(1, 2, 3), frame(2, 2, 3), frame(3, 3, 2), frame(4, 2, 3)]
    batches = [[each.id for each in batch] for batch in batched(frames, 2)]
    assert batches == [[0, 1], [2], [3], [4]]
    assert list(batched([], 2)) == []


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (48, 64)])
def test_written_videos_lose_no_row_or_column(tmp_path, size):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[-1, -1] = pixels[size[0] // 2 :, size[1] // 2 :] = (255, 255, 255)
    writer = VideoWriter(tmp_path / "v.avi", rate=5.0)
    for _ in range(3):
        writer.add(pixels)
    writer.add(np.zeros((30, 20, 3), np.uint8))  # of another size
    writer.close()
    source, _ = opened(tmp_path / "v.avi")
    frames = list(source.frames())
    assert len(frames) == 4
    assert source.rate == 5.0
    assert frames[0].pixels.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert frames[0].pixels[size[0] - 1, size[1] - 1].min() > 200
    assert frames[3].pixels.max() < 50


def test_the_next_frame_is_got_in_another_thread_and_one_ahead_at_most() -> None:
    got: list[tuple[int, str]] = []

    def frames():
        for number in range(4):
            got.append((number, threading.current_thread().name))
            yield Frame(number, noise(number))

    for used, frame in enumerate(one_ahead(frames())):
        assert frame.id == used
        assert len(got) <= used + 2
    assert [number for number, _ in got] == [0, 1, 2, 3]
    assert threading.current_thread().name not in {name for _, name in got}


def test_what_getting_a_frame_raises_comes_after_the_frames_before_it() -> None:
    def frames():
        yield Frame(0, noise(0))
        raise PosenasError("camera 0: gives no more frames")

    seen = []
    with pytest.raises(PosenasError, match="gives no more frames"):
        seen.extend(frame.id for frame in one_ahead(frames()))
    source = one_ahead(iter([Frame(0, noise(0)), Frame(1, noise(1))]))
    assert next(source).id == 0
    source.close()  # whoever stops early waits for no other frame


def test_what_goes_wrong_in_encoding_is_raised_by_the_next_frame_or_the_end(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.avi", rate=5.0)
    writer.add(noise(0))
    writer.add(np.zeros((48, 64, 2), np.uint8))
    with pytest.raises(cv2.error):
        writer.close()
