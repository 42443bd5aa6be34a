"""Seven bad packages at once: all are named, the listing takes no time, and everything else works."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMALL, Answer, refusal

Posenas = Callable[..., Answer]

EVALUATOR = """
from dataclasses import dataclass
from posenas import Evaluation, Metric

@dataclass(frozen=True)
class Always:
    def metrics(self): return (Metric("one"),)
    def evaluate(self, predictions, truth): return Evaluation({"one": 1.0})
"""
SPACE = """
from dataclasses import dataclass
from posenas import Choice, Level, sample_uniform
from torch import nn

class Liar(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 4, 4)
        self.levels = (Level("features", stride=4, channels=9),)

    def forward(self, images): return {"features": self.layer(images)}

@dataclass(frozen=True)
class Lying:
    def dimensions(self): return {"width": Choice((1, 2))}
    def sample(self, rng): return sample_uniform(self.dimensions(), rng)
    def build(self, genotype): return Liar()
"""
LISTENER = """
import os
from posenas import hookimpl

@hookimpl
def run_started(run):
    global folder
    folder = run

@hookimpl
def trial_finished(trial):
    {act}
"""
WRITE = "path = folder / 'journal.jsonl'; path.write_text(path.read_text() + 'mine')"
SMALL_SEARCH = (*SMALL, "-o", "strategy.epochs=1", "-o", "strategy.candidates=2")


@pytest.fixture
def strangers(install: Callable[..., None]) -> None:
    for name, kind, source, more in (
        ("raises", "evaluator", EVALUATOR + "open('/nowhere/at/all')\n", {}),
        ("hangs", "evaluator", EVALUATOR + "import time\ntime.sleep(30)\n", {}),
        ("needs-another-core", "evaluator", EVALUATOR, {"requires": ("pose-nas>=99",)}),
        ("lies", "space", SPACE.replace("Lying", "Always"), {}),
        ("wanders", "evaluator", EVALUATOR + "import os\nos.chdir('/')\n", {}),
    ):
        module = f"bad_{name}".replace("-", "_")
        points = {f"posenas.{kind}": {name: f"{module}:Always"}}
        install(module, source, entry_points=points, **more)  # type: ignore[arg-type]
    install("bad_thief", EVALUATOR, entry_points={"posenas.evaluator": {"pck": "bad_thief:Always"}})
    for name, act in (("writer", WRITE), ("walker", "os.chdir('/')")):
        module = f"bad_{name}"
        install(module, LISTENER.format(act=act), entry_points={"posenas.hooks": {name: module}})


@pytest.mark.usefixtures("strangers")
def test_they_are_listed_at_once_and_refused_by_name(posenas: Posenas) -> None:
    began = time.process_time()
    rows = {(row["distribution"], row["name"]): row for row in posenas("plugins", "--json").json}
    assert time.process_time() - began < 3
    assert not {"bad_hangs", "bad_raises"} & set(sys.modules)
    listed = {name: rows[f"bad_{name}", name.replace("_", "-")]["status"] for name in ("raises", "hangs")}
    assert set(listed.values()) == {"ok"}
    assert rows["bad_needs_another_core", "needs-another-core"]["status"] == "outdated"
    assert rows["bad_thief", "pck"]["status"] == rows["pose-nas", "pck"]["status"] == "doubled"
    assert {row["status"] for key, row in rows.items() if not key[0].startswith("bad_")} == {"ok", "doubled"}
    for words, says in {
        (
            "show",
            "evaluator",
            "raises",
        ): "evaluator raises of bad_raises 1.0 cannot be imported: File",
        ("show", "evaluator", "needs-another-core"): "pip install --upgrade 'pose-nas>=99'",
        ("show", "evaluator", "pck"): "choose bad_thief:pck, or set POSENAS_DISABLE=pose-nas",
        (
            "compose",
            "--space",
            "lies",
            *SMALL,
        ): "space lies of bad_lies 1.0: level 'features' of",
    }.items():
        assert says in refusal(posenas(*words))
    assert posenas("show", "evaluator", "pose-nas:pck").status == 0


@pytest.mark.slow
@pytest.mark.usefixtures("strangers")
def test_a_run_among_them_ends_as_one_alone(
    posenas: Posenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("compose", *SMALL_SEARCH, "--evaluator", "wanders", "-o", "strategy.final_epochs=1")
    with monkeypatch.context() as patch:
        patch.setenv("POSENAS_DISABLE", "bad_writer,bad_walker")
        assert posenas(*words, "--run", "alone").status == 0
    answer = posenas(*words, "--run", "run")
    assert answer.status == 0, answer.err
    assert Path.cwd() == tmp_path
    complaint = "listener 'bad_writer: writer' changed files of the run in trial_finished and is left out"
    assert f"{complaint} from now on: journal.jsonl grew by 4 bytes" in " ".join(answer.err.split())
    for name in ("journal.jsonl", "trials.json", "best/weights.safetensors", "SHA256SUMS"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert posenas("resume", "run").status == 0
    assert posenas("report", "run").status == 0


@pytest.mark.slow
@pytest.mark.usefixtures("strangers")
def test_one_that_hangs_is_named_while_it_does(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from posenas.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "show", "evaluator", "hangs"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    assert line == "posenas: still importing evaluator hangs of bad_hangs 1.0, after 5 s\n"
