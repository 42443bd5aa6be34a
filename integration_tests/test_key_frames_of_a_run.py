"""A search for videos whose key frames are looked at by the network of another run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from posenas.runs.journal import Journal
from running import Answer, refusal
from safetensors.torch import load_file

Posenas = Callable[..., Answer]

SMALL = (
    "-o", "dataset.train_images=32", "-o", "dataset.val_images=8", "-o", "dataset.frames=4",
    "-o", "strategy.epochs=1", "-o", "strategy.final_epochs=1", "-o", "strategy.candidates=2",
    "-o", "strategy.calibration_people=8", "-o", "head.input_size=64,64", "-o", "training.batch_size=4",
    "-o", "training.workers=0",
)  # fmt: skip
VIDEO = ("compose", "--space", "ofa-video", "--strategy", "sandwich", *SMALL)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-o", "space.key_run=nowhere"), "nowhere: not the folder of a finished run; give one of space ofa"),
        (("-o", "evaluation.boxes=boxes.json"), "a detector's boxes do not follow people"),
        (("-o", "strategy.final_weights=fresh"), "the network of key frames is frozen"),
        (("--limit", "latency_ms<=5"), "latency is measured of networks of single images alone"),
    ],
)
def test_what_videos_cannot_have_is_one_line(posenas: Posenas, words: tuple[str, ...], expected: str) -> None:
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 1}
    Path("boxes.json").write_text(json.dumps([box]))
    assert expected in refusal(posenas(*VIDEO, *words, "--dry-run"))


@pytest.mark.slow
def test_the_network_of_a_run_is_frozen_and_a_stopped_search_goes_on_from_any_folder(
    posenas: Posenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = ("compose", "--space", "ofa", "--strategy", "sandwich", *SMALL, "--run", "images")
    assert posenas(*images, "--limit", "gmacs<=0.01").status == 0
    with monkeypatch.context() as patch:
        append = Journal.append

        def append_or_stop(journal: Journal, effect: str, key: str, **content: object) -> None:
            if effect == "evaluate":
                raise KeyboardInterrupt
            append(journal, effect, key, **content)  # type: ignore[arg-type]

        patch.setattr(Journal, "append", append_or_stop)
        stopped = posenas(*VIDEO, "-o", "space.key_run=images", "--run", "video")
    assert stopped.status == 2, stopped.err
    here = Path.cwd()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert posenas("resume", str(here / "video")).status == 0
    key_frame = load_file(here / "images" / "best" / "weights.safetensors")
    found = load_file(here / "video" / "best" / "weights.safetensors")
    compared = 0
    for name, tensor in key_frame.items():
        half, _, rest = name.partition(".")
        place = f"{half}.frames.0.{'backbone.' if half == 'backbone' else ''}{rest}"
        if not name.endswith("num_batches_tracked"):
            assert tensor.equal(found[place]), name
            compared += 1
    assert compared > 50
    genotype = json.loads((here / "images" / "best" / "trial.json").read_text())["genotype"]
    searched = json.loads((here / "video" / "best" / "trial.json").read_text())["genotype"]
    assert searched["frame1.stage1.width"] <= genotype["stage1.width"]
    other = posenas(*VIDEO, "-o", f"space.key_run={here / 'images'}", "-o", "head.sigma=2", "--run", "other")
    assert "its network has head.sigma=1.0, and this run 2.0" in other.err.splitlines()[-1]
