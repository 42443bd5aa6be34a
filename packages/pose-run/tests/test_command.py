"""The command, as a user gives it: results, drawings, and one line for each mistake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pose_run.command import run
from pose_run.prediction import stop_asked

Write = Callable[..., Path]
GREY = np.full((60, 80, 3), 128, np.uint8)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "0012.png"):
        cv2.imwrite(str(folder / name), GREY)
    return folder


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for _ in range(4):
        writer.write(GREY)
    writer.release()
    return path


def results(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "predictions.json").read_text())
    return found


def test_a_folder_is_predicted_and_drawn(
    write: Write, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photographs / "c.png").write_bytes((photographs / "b.jpg").read_bytes()[:300])
    assert run([str(write()), str(photographs), "--output", str(tmp_path / "out")]) == 0
    assert [(each["image_id"], each["file_name"]) for each in results(tmp_path / "out")] == [
        (1, "0012.png"),
        (2, "a.png"),
        (3, "b.jpg"),
    ]
    assert len(results(tmp_path / "out")[0]["keypoints"]) == 9
    assert {file.name for file in (tmp_path / "out" / "drawn").iterdir()} == {"0012.png", "a.png", "b.jpg"}
    told = capsys.readouterr()
    assert "image_id: 1 to 4, in the order of the files' names" in told.out
    assert "3 frames, 3 poses, " in told.out
    assert f"warning: {photographs / 'c.png'}: the file is cut off\n" in told.err


def test_a_video_is_predicted_and_drawn(
    write: Write, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([str(write("image")), str(film), "--frames", "3", "--threads", "1"]) == 0
    folder = tmp_path / "predictions" / "film-1"
    assert [each["image_id"] for each in results(folder)] == [0, 0, 1, 1, 2, 2]
    assert "file_name" not in results(folder)[0]
    drawn = cv2.VideoCapture(str(folder / "drawn.avi"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_images_that_use_fewer_than_16_bits_are_told_once(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # long paths are cut short
    folder = Path("deep")
    folder.mkdir()
    for name, white in (("a.tiff", 4095), ("b.png", 1023), ("c.png", 65535)):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), white, np.uint16))
    assert run([str(write()), str(folder), "--output", str(tmp_path / "out")]) == 0
    scores = [each["score"] for each in results(tmp_path / "out")]
    assert scores == pytest.approx([scores[0]] * 3)
    assert capsys.readouterr().err.startswith(
        "warning: 2 images of 16 bits use fewer of them and are stretched to what they use: "
        f"{folder / 'a.tiff'} uses 12; {folder / 'b.png'} uses 10; save them with 8 bits to choose"
    )


BOXES = [
    {"image_id": 12, "category_id": 1, "bbox": [10, 10, 20, 30], "score": 0.9},
    {"file_name": "elsewhere/a.png", "category_id": 1.0, "bbox": [10, 10, 20, 30], "score": 0.9},
    {"image_id": "b", "category_id": "1", "bbox": [500, 10, 20, 30], "score": 0.9},
    {"image_id": "none", "category_id": 1, "bbox": [10, 10, 20, 30], "score": 0.9},
    {"image_id": "b", "category_id": 3, "bbox": [10, 10, 20, 30], "score": 0.9},
    {"image_id": "b", "category_id": 1, "bbox": [10, 10, 20, 30], "score": 0.1},
]


def test_boxes_of_a_file(
    write: Write, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(BOXES))
    flags = ["--boxes", str(file), "--output", str(tmp_path / "out")]
    assert run([str(write()), str(photographs), *flags]) == 0
    assert [each["file_name"] for each in results(tmp_path / "out")] == ["0012.png", "a.png"]
    told = capsys.readouterr().err
    assert f"{file}: 1 of 4 boxes name none of the 3 frames, such as 'none'; they are left out" in told
    assert f"{file}: 1 boxes lie beside their frames; they are left out" in told


def test_boxes_of_a_network(write: Write, photographs: Path, tmp_path: Path) -> None:
    flags = ["--boxes", str(write("image")), "--output", str(tmp_path / "out"), "--threshold", "0"]
    assert run([str(write()), str(photographs), *flags]) == 0
    found = results(tmp_path / "out")
    assert len(found) == 6
    assert found[0]["score"] > found[1]["score"] > 0  # 0.9 and 0.25 times as sure


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["none.avi"], "none.avi: no such file or folder"),
        (["97"], "97: there is neither such a file nor camera 97; give a path or another number"),
        (["99999999999999"], "neither such a file nor camera 99999999999999; give a path or another"),
        (["bare"], "bare: no image lies directly in this folder (looked for .avif, "),
        (["text.txt"], "text.txt: neither an image nor a video that can be read"),
        (["bad.png"], "bad.png: not an image, damaged, or too large"),
        (["floats.tiff"], "floats.tiff: an image of floats, which is not read; save it with 8 or 16 bits"),
        (["empty.png"], "empty.png: neither an image nor a video that can be read"),
        (["grey.png", "--output", "photographs"], "photographs: exists and is not an empty folder; choose"),
        (["grey.png", "--boxes", "none.json"], "none.json: cannot be read: No such file or directory"),
        (["grey.png", "--boxes", "text.txt"], "text.txt: not JSON"),
        (
            ["grey.png", "--boxes", "object.json"],
            "object.json: not a detector's result, which is",
        ),
        (["grey.png", "--boxes", "odd.json"], "odd.json: entry 0 is not a box with image_id, category_id, "),
        (
            ["grey.png", "--boxes", "no.json"],
            "no.json: none of its 0 boxes is of category 1",
        ),
        (["grey.png", "--boxes", "person.onnx"], "this network looks at one person at a time; give one that"),
    ],
)
def test_mistakes_are_one_line(
    write: Write,
    photographs: Path,
    flags: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    texts = {"text.txt": "words", "empty.png": "", "object.json": "{}", "odd.json": "[{}]", "no.json": "[]"}
    inner = photographs.parent / "inputs"
    (inner / "bare").mkdir(parents=True)
    for name, text in texts.items():
        (inner / name).write_text(text)
    cv2.imwrite(str(inner / "grey.png"), GREY)
    (inner / "bad.png").write_bytes((inner / "grey.png").read_bytes()[:40])
    cv2.imwrite(str(inner / "floats.tiff"), np.zeros((5, 6), np.float32))
    (inner / "photographs").symlink_to(photographs)
    model = write()
    for suffix in (".onnx", ".json"):
        model.with_suffix(suffix).rename(inner / f"person{suffix}")
    monkeypatch.chdir(inner)
    assert run(["person.onnx", *flags]) == 2
    told = capfd.readouterr().err
    assert told.startswith("pose-run: ")
    assert says in told
    assert told.count("\n") == 1
    assert len(told) <= 400
    assert not (inner / "predictions").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--threshold", "nan"], "--threshold nan: not a number; give one, such as 0.3"),
        (["--threshold", "x"], "--threshold x: not a number; give one, such as 0.3"),
        (["--frames", "0"], "--frames 0: not a whole number from 1; give one"),
        (["--frames", "x"], "--frames x: not a whole number from 1; give one"),
        (["--threads", "1000000"], "--threads 1000000: not a whole number from 0 to 1024; give one"),
        (["--threads", "99999999999"], "--threads 99999999999: not a whole number from 0 to 1024; give one"),
        (["--threads", "-1"], "--threads -1: not a whole number from 0 to 1024; give one"),
    ],
)
def test_wrong_values_of_options_are_one_line(
    flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["net.onnx", "0", *flags]) == 2
    assert capsys.readouterr().err == f"pose-run: {says}\n"


def test_options_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["net.onnx", "0", "--thr", "1"])
    assert caught.value.code == 2
    assert "--thr" in capsys.readouterr().err


def test_boxes_for_a_network_that_finds_people_are_refused(
    write: Write, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(write("image")), str(photographs), "--boxes", "boxes.json"]) == 2
    assert "--boxes boxes.json: this network finds people by itself; leave the boxes out" in (
        capsys.readouterr().err
    )


def test_a_signal_ends_between_two_frames(
    write: Write,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pose_run import prediction

    draw = prediction.draw_poses

    def interrupting(*given: Any, **more: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return draw(*given, **more)

    monkeypatch.setattr(prediction, "draw_poses", interrupting)
    assert run([str(write()), str(film), "--output", str(tmp_path / "out")]) == 2
    assert "stopped after 1 of 4 frames; " in capsys.readouterr().err
    assert len(results(tmp_path / "out")) == 1


def test_handlers_of_signals_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_asked() as asked:
        assert not asked()
    assert signal.getsignal(signal.SIGINT) == before


def test_a_camera_ends_at_the_limit(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(_: int, *, limit: int | None) -> Any:
        def frames() -> Iterator[np.ndarray]:
            yield from [GREY] * (limit or 0)

        return 25.0, limit, frames

    monkeypatch.setattr("pose_run.sources.open_camera", opened)
    monkeypatch.chdir(tmp_path)
    assert run([str(write()), "0", "--frames", "2"]) == 0
    assert "2 frames, 2 poses" in capsys.readouterr().out


def test_help_loads_nothing_of_torch() -> None:
    statement = "import sys, pose_run, pose_run.command; assert not {'torch', 'posenas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", statement], check=True)
