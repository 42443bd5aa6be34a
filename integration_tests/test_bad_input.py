"""Wrong files and damaged runs: one clear line each, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from running import SMALL, SMALL_SEARCH, Answer

Posenas = Callable[..., Answer]
KEYPOINTS = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")


def one_line(answer: Answer) -> str:
    """The message of a command that ended with 2, which is one line."""
    assert answer.status == 2, answer
    (line,) = [line for line in answer.err.splitlines() if line.startswith(("posenas:", "Error:"))]
    assert "Traceback" not in answer.err
    return line


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def genotype(tmp_path: Path) -> Callable[..., Path]:
    """A file of the smallest genotype with some values changed, or left out where None."""

    def write(**changes: Any) -> Path:
        values = dict(ElasticSpace().smallest()) | {
            name.replace("__", "."): changes[name] for name in changes
        }
        path = tmp_path / "genotype.json"
        path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
        return path

    return write


def make_annotations(images: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    poses = rng.integers(15, 80, (images, len(KEYPOINTS), 3))
    poses[..., 2] = 2
    return {
        "images": [
            {"id": index, "file_name": f"{index}.jpg", "width": 96, "height": 128} for index in range(images)
        ],
        "annotations": [
            {
                "id": index + 1,
                "image_id": index,
                "category_id": 1,
                "bbox": [10, 10, 60, 100],
                "area": 5000.0,
                "keypoints": poses[index].ravel().tolist(),
            }
            for index in range(images)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(KEYPOINTS)}],
    }


def make_dataset(root: Path, content: dict[str, Any] | str) -> Path:
    (root / "images").mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    for split in ("train", "val"):
        (root / f"{split}.json").write_text(text)
    for index in range(12):
        image = np.full((128, 96, 3), 20 * index, np.uint8)
        cv2.imwrite(str(root / "images" / f"{index}.jpg"), image)
    return root


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stem__width": None}, "'stem.width' is missing"),
        ({"extra": 1}, "unknown dimension 'extra'"),
        ({"stage1__attention": 1}, "stage1.attention = 1 is not one of its values"),
        ({"stage1__depth": True}, "stage1.depth = True is not one of its values"),
        ({"stem__width": 16.0}, "stem.width = 16.0 is not one of its values"),
        ({"stem__width": [16]}, r"stem.width = [16] is not one of its values"),
        ({"stem__width": float("nan")}, "not a genotype's JSON file"),
    ],
)
def test_a_wrong_genotype(
    posenas: Posenas, genotype: Callable[..., Path], changes: dict[str, Any], says: str
) -> None:
    assert says in one_line(posenas("describe", genotype(**changes)))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("annotations", 3, "keypoints"), [1, 2, 2], "annotation 4: 3 keypoint values"),
        (("annotations", 3, "bbox"), [float("nan")] * 4, "annotation 4: its bbox and area must be finite"),
        (
            ("annotations", 3, "bbox"),
            [0, 0, float("inf"), 9],
            "annotation 4: its bbox and area must be finite",
        ),
        (("annotations", 3, "area"), -4, "annotation 4: its bbox and area must be finite"),
        (("annotations", 3, "bbox"), [1, 2, 3], "annotation 4: its bbox must be four numbers"),
        (("images", 3, "width"), 0, "image 3 is 0 x 128 pixels; mend its width and height"),
        (("images", 3, "id"), [3], "entry 3 of `images`: id must be a whole number or text"),
        (("images", 3, "id"), 3.5, "entry 3 of `images`: id must be a whole number or text"),
        (("images", 3, "id"), 2, "two images have the id 2"),
        (
            ("images", 3, "file_name"),
            None,
            "entry 3 of `images`: id must be a whole number or text and file_name text",
        ),
        (("images", 3, "width"), 10**400, "image 3 is 1000"),
        (("annotations", 3, "keypoints"), [10**400] * 15, "annotation 4: a keypoint is not a finite number"),
        (("annotations", 3, "keypoints"), [[1, 2]] * 5, "a list [x, y, v] for each keypoint"),
        (("annotations", 3, "bbox"), [10**400] * 4, "annotation 4: its bbox and area must be finite"),
        (("annotations", 3, "area"), 10**400, "annotation 4: its area must be finite"),
        (("annotations", 3, "area"), "wide", "annotation 4: its area must be a number"),
        (("annotations", 3, "iscrowd"), "perhaps", "annotation 4: its iscrowd must be 0 or 1, not 'perhaps'"),
        (("annotations", 3, "id"), {}, "annotation {}: its id must be a whole number or text"),
        (("annotations", 3, "category_id"), [[[]]] * 90, "its category_id must be a whole number or text"),
        (("annotations",), [], "no person is annotated"),
        (("categories", 0, "keypoints"), "abcde", "must be a list of names"),
    ],
)
def test_wrong_annotations(
    posenas: Posenas, tmp_path: Path, path: tuple[Any, ...], value: Any, says: str
) -> None:
    content = make_annotations()
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    root = make_dataset(tmp_path / "data", content)
    message = one_line(posenas("compose", "--dataset", "coco", "-o", f"dataset.root={root}", "--dry-run"))
    assert says in message
    assert str(root) in message
    assert len(message) <= 400


def test_a_number_of_thousands_of_digits(posenas: Posenas, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", '{"images": [' + "9" * 5000 + "]}")
    answer = posenas("compose", "--dataset", "coco", "-o", f"dataset.root={root}", "--dry-run")
    assert "holds a number of 5000 digits" in one_line(answer)


def test_annotations_nested_too_deep(posenas: Posenas, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", "[" * 100_000)
    answer = posenas("compose", "--dataset", "coco", "-o", f"dataset.root={root}", "--dry-run")
    assert "nested too deep" in one_line(answer)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (None, "No such file"),
        ({"a": 1}, "JSON list of boxes"),
        ([1], "entry 0 is not a box"),
        (
            [{"image_id": 0, "category_id": 1, "bbox": [0, 0, float("inf"), 1], "score": 1}],
            "entry 0 is not a box",
        ),
        (
            [{"image_id": 1.5, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}],
            "image_id 1.5 is no whole number",
        ),
        (
            [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10**400, 9], "score": 1}],
            "entry 0 is not a box",
        ),
        (
            [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": float("inf")}],
            "bbox and score must be finite",
        ),
        ([{"image_id": 77, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}], "none of its 1 boxes"),
    ],
)
def test_wrong_boxes_are_told_before_anything_is_trained(
    posenas: Posenas, tmp_path: Path, rows: Any, says: str
) -> None:
    boxes = tmp_path / "boxes.json"
    if rows is not None:
        boxes.write_text(json.dumps(rows))
    message = one_line(posenas("compose", *SMALL, "-o", f"evaluation.boxes={boxes}", "--run", "run"))
    assert says in message
    assert str(boxes) in message
    assert not (tmp_path / "run").exists()


def test_images_that_cannot_be_read(posenas: Posenas, tmp_path: Path, genotype: Callable[..., Path]) -> None:
    """Training goes on without one of twelve where a tenth may be missing, and stops where none may."""
    root = make_dataset(tmp_path / "data", make_annotations())
    (root / "images" / "3.jpg").write_bytes((root / "images" / "4.jpg").read_bytes()[:200])
    command = (
        "train",
        genotype(),
        "--dataset",
        "coco",
        "-o",
        f"dataset.root={root}",
        *SMALL[4:],
        "--epochs",
        "1",
    )
    message = one_line(posenas(*command, "-o", "training.max_unreadable=0", "--run", "strict"))
    assert f"{root / 'images' / '3.jpg'}: the file is cut off" in message
    lenient = posenas(*command, "-o", "training.max_unreadable=0.1", "--run", "lenient")
    assert lenient.status == 0, lenient.err
    assert f"warning: {root / 'images' / '3.jpg'}: the file is cut off" in lenient.err


def test_a_relative_folder_of_images_is_named_in_full(
    posenas: Posenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, genotype: Callable[..., Path]
) -> None:
    make_dataset(tmp_path / "data", make_annotations())
    command = ("train", genotype(), "--dataset", "coco", "-o", "dataset.root=data", *SMALL[4:])
    assert posenas(*command, "--epochs", "1", "--run", "run").status == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert f"dataset.root = {elsewhere / 'data'} is no folder" in one_line(posenas("resume", "../run"))
    monkeypatch.chdir(tmp_path)
    assert posenas("resume", "run").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compose", "--dry-run", "--save", "."), "cannot be written"),
        (("compose", "--dry-run", "--save", "genotype.json/x"), "cannot be written"),
        (("train", "genotype.json", *SMALL, "--run", "a" * 300), "File name too long"),
        (("train", "genotype.json", *SMALL, "--run", "genotype.json"), "exists and is not a run"),
        (("train", "genotype.json", "--strategy", "sandwich"), "posenas compose"),
        (("train", "genotype.json", *SMALL, "-o", "head.input_size=64000,64000"), "<= 4096"),
        (("compose", "--dry-run", "-o", "dataset.max_people=100000"), "<= 50"),
        (("compose", "--dry-run", "-o", "training.workers=100000"), "<= 256"),
        (("show", "training", "learning_rate"), "posenas show training"),
    ],
)
def test_wrong_arguments(
    posenas: Posenas, genotype: Callable[..., Path], arguments: tuple[str, ...], says: str
) -> None:
    genotype()
    assert says in one_line(posenas(*arguments))


def test_a_loss_that_is_no_number(posenas: Posenas, genotype: Callable[..., Path]) -> None:
    answer = posenas("train", genotype(), *SMALL, "-o", "training.learning_rate=1e30", "--run", "run")
    message = one_line(answer)
    assert "training diverged: loss is nan in epoch 1" in message
    assert "lower training.learning_rate" in message
    assert one_line(posenas("resume", "run")) == message


def raise_out_of_memory() -> None:
    """As torch does where a GPU's memory is full."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(2**50),
        lambda: np.empty(2**50),
        raise_out_of_memory,
    ],
    ids=["torch", "numpy", "cuda"],
)
def test_a_full_memory_is_one_line(
    posenas: Posenas, monkeypatch: pytest.MonkeyPatch, allocate: Callable[[], Any]
) -> None:
    monkeypatch.setattr("posenas.cli.posenas.main", lambda **_: allocate())
    message = one_line(posenas("predict"))
    assert message.startswith("posenas: out of memory (")
    assert "allocate" in message
    assert "--batch-size" in message


def test_an_error_of_torch_that_is_no_full_memory_is_a_bug(
    posenas: Posenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posenas.cli.posenas.main", lambda **_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        posenas("predict")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search, to copy."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("finished")
    code = "from posenas.cli import main; main()"
    command = [sys.executable, "-c", code, "compose", *SMALL_SEARCH, "--run", "run"]
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def largest_weights(run: Path) -> Path:
    """The super-network's file."""
    return max((run / "weights").iterdir(), key=lambda path: path.stat().st_size)


def forget_after(run: Path, records: int) -> None:
    journal = run / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:records]))
    (run / "journal.head").unlink()


def test_lost_weights_are_trained_again(posenas: Posenas, run: Path, finished: Path) -> None:
    forget_after(run, 3)
    largest_weights(run).unlink()
    answer = posenas("resume", "run")
    assert answer.status == 0, answer.err
    assert "is missing; training it again" in answer.err
    assert files(run) == files(finished)


def test_damaged_weights_are_not_used(posenas: Posenas, run: Path, finished: Path) -> None:
    """One changed bit is no failed trial, and no other result."""
    forget_after(run, 3)
    weights = largest_weights(run)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    message = one_line(posenas("resume", "run"))
    assert weights.name in message
    assert "delete it and resume" in message
    weights.unlink()
    assert posenas("resume", "run").status == 0
    assert files(run) == files(finished)


def test_a_torn_last_line_of_the_journal_is_done_again(posenas: Posenas, run: Path, finished: Path) -> None:
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    assert posenas("resume", "run").status == 0
    assert files(run) == files(finished)


def test_a_damaged_journal_is_named(posenas: Posenas, run: Path) -> None:
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[3:]]))
    assert "journal.jsonl, line 3" in one_line(posenas("resume", "run"))
    journal.write_bytes(b"".join(lines[1:]))
    assert "journal.jsonl, line 1" in one_line(posenas("resume", "run"))


def test_a_report_that_cannot_be_written_is_not_announced(posenas: Posenas, run: Path) -> None:
    shutil.rmtree(run / "report")
    (run / "report").write_text("a file in the way")
    answer = posenas("resume", "run", "--json")
    assert answer.status == 0
    assert answer.last_json["run"] == "run"
    assert "no report yet" in answer.err
    assert "cannot be written" in one_line(posenas("report", "run"))


def test_a_folder_that_cannot_be_locked(posenas: Posenas, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = run / "lock"
    written = Path.open

    def read_only(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if path.name == lock.name:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return written(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", read_only)
    assert f"{lock}: cannot be written (Read-only file system)" in one_line(posenas("resume", run))


def test_a_result_is_evaluated_on_its_own_keypoints_alone(
    posenas: Posenas, run: Path, tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "data", make_annotations())
    answer = posenas("evaluate", run, "--dataset", "coco", "-o", f"dataset.root={root}")
    message = one_line(answer)
    assert "predicts 17 keypoints (nose, left_eye" in message
    assert "has 5 keypoints (nose, left_shoulder" in message


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("Unable to allocate 91.6 GiB"), "out of memory: begin a new run with a lower"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of memory"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "reads images was killed"),
    ],
)
def test_want_of_memory(
    posenas: Posenas,
    genotype: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    says: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("posenas.searching.training_effects.train", fail)
    assert says in one_line(posenas("train", genotype(), *SMALL, "--run", "run"))


def test_a_metric_that_is_no_number_is_null_in_json(
    posenas: Posenas, tmp_path: Path, genotype: Callable[..., Path]
) -> None:
    """All people are of one size, so there is no figure for the others."""
    root = make_dataset(tmp_path / "data", make_annotations())
    data = ("--dataset", "coco", "-o", f"dataset.root={root}")
    assert posenas("train", genotype(), *data, *SMALL[4:], "--epochs", "1", "--run", "run").status == 0
    answer = posenas("evaluate", "run", "--json")
    assert "NaN" not in answer.out
    assert answer.last_json["metrics"]["oks.APL"] is None


@pytest.mark.parametrize(
    "assignment",
    [
        "strategy.epochs=" + "[" * 3000,
        "strategy.epochs=" + "[" * 300 + "]" * 300,
        "seed=" + "9" * 5000,
        "seed=1" + "0" * 400,
        "training.learning_rate=1e999",
        "augmentation.flip=nan",
        "dataset.sigmas=nan,1",
        "space.backbone=\x1b[31mred",
        "space.backbone=" + "x" * 100_000,
        "init=\udcff",
    ],
    ids=lambda text: text[:24],
)
def test_values_without_end_or_without_sense(posenas: Posenas, tmp_path: Path, assignment: str) -> None:
    message = one_line(posenas("compose", *SMALL, "-o", assignment, "--dry-run"))
    assert len(message) <= 400
    assert message.isprintable()
    table, _, rest = assignment.partition(".")
    key, _, value = (rest or table).partition("=")
    recipe = tmp_path / "recipe.toml"
    text = value if value[0] in "[190in" else json.dumps(value)
    recipe.write_text((f"[{table}]\n" if rest else "") + f"{key} = {text}\n", errors="replace")
    assert len(one_line(posenas("compose", *SMALL, "--recipe", recipe, "--dry-run"))) <= 400


def test_an_argument_with_a_zero_byte(posenas: Posenas) -> None:
    assert "zero byte" in one_line(posenas("compose", *SMALL, "--run", "a\0b"))


def test_control_characters_of_a_data_set_never_reach_the_terminal(posenas: Posenas, tmp_path: Path) -> None:
    content = make_annotations()
    content["images"][3]["file_name"] = "\x1b[31mx\x07.jpg"
    content["annotations"][3] |= {"id": "\x1b[2J", "keypoints": [1, 2]}
    root = make_dataset(tmp_path / "data", content)
    source = ("coco", "-o", f"dataset.root={root}")
    refused = one_line(posenas("data", "check", *source))
    assert r"\x1b[2J" in refused
    assert "\x1b" not in refused
    content["annotations"][3] |= {"keypoints": make_annotations()["annotations"][3]["keypoints"]}
    for split in ("train", "val"):
        (root / f"{split}.json").write_text(json.dumps(content))
    told = posenas("data", "check", *source)
    assert told.status == 0
    assert r"\x1b[31mx\x07.jpg" in told.out
    assert "\x1b" not in told.out
    exact = posenas("data", "check", *source, "--json")
    assert any("\x1b[31mx\x07.jpg" in finding for finding in exact.json["findings"])


def test_file_names_that_lead_elsewhere(posenas: Posenas, tmp_path: Path) -> None:
    content = make_annotations()
    content["images"][3]["file_name"] = "../../../../../../etc/hostname"
    content["images"][4]["file_name"] = "/dev/zero"
    root = make_dataset(tmp_path / "data", content)
    message = one_line(posenas("compose", "--dataset", "coco", "-o", f"dataset.root={root}", "--dry-run"))
    assert "2 of its 12 images are no files that may be read" in message
    assert "'../../../../../../etc/hostname' leaves the data set's folder" in message


def test_damaged_files_of_a_finished_run(posenas: Posenas, tmp_path: Path) -> None:
    assert posenas("compose", *SMALL_SEARCH, "--run", "run").status == 0
    run = tmp_path / "run"
    trials = json.loads((run / "trials.json").read_text())
    broken: dict[str, list[tuple[str, Any]]] = {
        "trials.json": [
            ("report", 7),
            ("report", [7]),
            ("report", [trials[0] | {"metrics": None}]),
            ("report", [trials[0] | {"genotype": []}]),
            ("report", [trials[0] | {"costs": {"gmacs": float("nan")}}]),
            ("report", [trials[0] | {"descent": {"generation": "x"}}]),
            ("report", [trials[0] | {"costs": {}}]),
        ],
        "best/keypoints.json": [("predict", 3), ("predict", ["nose", 3]), ("predict", [])],
        "best/genotype.json": [("describe", 3), ("describe", {"a": float("inf")})],
    }
    for name, damages in broken.items():
        whole = (run / name).read_bytes()
        for command, content in damages:
            (run / name).write_text(json.dumps(content))
            arguments = (command, run, tmp_path) if command == "predict" else (command, run)
            assert len(one_line(posenas(*arguments))) <= 400
        (run / name).write_bytes(whole)
    assert posenas("report", run).status == 0
