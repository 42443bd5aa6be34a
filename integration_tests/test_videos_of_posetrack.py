"""Searches for videos on real frames of PoseTrack 2018: those that follow one another, and lone ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_killed import compare, start

DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
FRAMES = DATA / "samples" / "posetrack18"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FRAMES.is_dir(), reason=f"no {FRAMES}; set POSENAS_TEST_DATA to real data"),
]

SEARCH = (
    "--space", "ofa-video", "--strategy", "sandwich", "--dataset", "posetrack18",
    "-o", "dataset.train=annotations/val", "-o", "dataset.val_share=0.3",
    "-o", "space.key_epochs=1", "-o", "strategy.epochs=1", "-o", "strategy.candidates=3",
    "-o", "strategy.final_epochs=1", "-o", "strategy.calibration_people=8",
    "-o", "head.input_size=64,64", "-o", "training.batch_size=4", "-o", "training.workers=0",
)  # fmt: skip


def as_videos(folder: Path, *, numbers: Sequence[int]) -> Path:
    """Write the photographs as videos, in which the same frame with the same people comes again.

    Args:
        folder: the new data set's root.
        numbers: of the labelled frames.
    """
    shutil.copytree(FRAMES / "images", folder / "images")
    (folder / "annotations" / "val").mkdir(parents=True)
    for file in (FRAMES / "annotations" / "val").glob("*.json"):
        content = json.loads(file.read_text())
        (image,), people = content["images"], content["annotations"]
        first = folder / image["file_name"]
        names = {number: str(Path(image["file_name"]).with_name(f"{number:06}.jpg")) for number in numbers}
        for name in names.values():
            if folder / name != first:
                shutil.copy(first, folder / name)
        content["images"] = [
            image | {"id": image["id"] + number, "file_name": name} for number, name in names.items()
        ]
        content["annotations"] = [
            each | {"id": each["id"] * 100 + number, "image_id": each["image_id"] + number}
            for number in numbers
            for each in people
        ]
        (folder / "annotations" / "val" / file.name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("evaluator", ["posetrack", "oks"])
def test_labelled_frames_train_and_evaluate_through_kills(tmp_path: Path, evaluator: str) -> None:
    root = as_videos(tmp_path / "data", numbers=range(5))
    search = [*SEARCH, "-o", f"dataset.root={root}", "--evaluator", evaluator]
    compare(tmp_path, search, kills=2, seed=0)
    trials = json.loads((tmp_path / "undisturbed" / "trials.json").read_text())
    assert [trial["split"] for trial in trials] == ["ranking"] * 3 + ["val"]
    assert not any(trial["failure"] for trial in trials)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((0, 1, 2, 3), ""),
        ((0, 4, 8, 12), "frames of clips are up to 4 apart in their videos"),
        ((0,), "none of 1 clips has a second frame: its key frame is shown 4 times and scored once"),
    ],
    ids=["neighbours", "every fourth", "one"],
)
def test_a_line_tells_where_labelled_frames_are_no_neighbours(
    tmp_path: Path, numbers: Sequence[int], told: str
) -> None:
    root = as_videos(tmp_path / "data", numbers=numbers)
    process = start(tmp_path, "compose", *SEARCH, "-o", f"dataset.root={root}", "--evaluator", "posetrack")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    lines = [line for line in err.splitlines() if "clips" in line and line.startswith("warning")]
    assert any(told in line for line in lines) if told else not lines
