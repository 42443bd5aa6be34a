"""`posenas watch`: the news of a working run, and what is seen of a run from outside."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from posenas.cli import posenas as root_command, watch_command
from posenas.contract.errors import PosenasError
from posenas.contract.trial import Trial
from posenas.reporting.news_writer import NewsWriter
from posenas.reporting.watching import Watched, best_first, changes, look
from posenas.runs.checksums import write_results
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.news import EpochNews, News, TaskNews, news_file, read_news, write_news
from posenas.runs.recipe import recipe_digest, recipe_from_tables
from posenas.runs.run import Run, create_run
from posenas.runs.trial_log import TRIAL_LOG, TrialLog

RECIPE = recipe_from_tables({"limits": ["gmacs<=0.3"]})
GONE = 2**22 + 1
"""No process has this id: Linux gives none above 2**22."""


def trial(number: int, score: float | None, *, stage: str = "candidate") -> Trial:
    return Trial(
        {"width": number},
        stage,
        "rank",
        {} if score is None else {"oks.AP": score},
        {"gmacs": 0.1 * number, "parameters": 2e6},
        failure="out of memory" if score is None else None,
    )


TRIALS = [trial(1, 0.25), trial(2, 0.75), trial(3, None)]


def begun(path: Path, *trials: Trial) -> Run:
    run = create_run(path, RECIPE)
    Journal(run.journal_file).append("run", "run", inputs={"recipe": recipe_digest(RECIPE)}, result={})
    with TrialLog(path / TRIAL_LOG) as log:
        for each in trials:
            log.add(each)
    return run


def news(**changed: object) -> News:
    machine = os.uname().nodename
    return replace(News(os.getpid(), machine, 1000.0), **changed)  # type: ignore[arg-type]


def seen(run: Run, *, now: float = 1001.0, before: Watched | None = None) -> Watched:
    return look(run, RECIPE, now=now, before=before)


def watch(*arguments: str) -> Result:
    return CliRunner().invoke(root_command, ["watch", *arguments])


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_news_are_read_as_they_were_written(tmp_path: Path) -> None:
    told = news(
        tasks=(TaskNews("training", 3, 9, 1, 4.0),),
        epochs=(EpochNews("training", 1, 2, {"loss": 0.5}),),
        warnings=("odd",),
        seconds_left=60.0,
    )
    write_news(tmp_path / "now.json", told)
    assert read_news(tmp_path / "now.json") == told
    assert told.tasks[0].seconds_left == 12.0
    assert [file.name for file in tmp_path.iterdir()] == ["now.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"process": 1}', "{"])
def test_a_damaged_file_of_news_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "now.json").write_text(content)
    with pytest.raises(PosenasError, match=r"now.json: is not what a working run writes; delete it"):
        read_news(tmp_path / "now.json")


def test_the_writer_tells_the_newest_state_at_most_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    writer = NewsWriter(clock=clock)
    writer.advanced("reading", 1, 2)
    assert not list(tmp_path.iterdir())  # no run has begun
    writer.run_started(tmp_path)
    for step in range(1, 4):
        clock.seconds += 0.4
        writer.advanced("training", step, 9)
    told = read_news(news_file(tmp_path))
    assert told is not None
    assert told.process == os.getpid()
    assert [(task.task, task.done) for task in told.tasks] == [("reading", 1), ("training", 3)]
    writer.epoch_finished("training", 1, 2, {"loss": 0.5})
    writer.warned("odd")
    assert read_news(news_file(tmp_path)) == told
    clock.seconds += 1
    writer.advanced("training", 9, 9)
    later = read_news(news_file(tmp_path))
    assert later is not None
    assert (later.tasks[1:], later.warnings) == ((), ("odd",))
    assert later.epochs == (EpochNews("training", 1, 2, {"loss": 0.5}),)
    writer.close()
    assert not list(tmp_path.iterdir())


def test_news_that_cannot_be_written_are_told_once_and_harm_nothing(tmp_path: Path) -> None:
    complaints: list[str] = []
    events = Events({"news": NewsWriter()}, complain=complaints.append)
    for _ in range(2):
        events.tell("run_started", run=tmp_path / "gone", recipe=RECIPE)
    assert len(complaints) == 1
    assert "cannot be written" in complaints[0]


def test_the_state_follows_the_process(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", RECIPE)
    assert seen(run).state == "the run has not begun yet"
    begun(run.path)
    assert seen(run).state == f"no process works on it: `posenas resume {run.path}` continues it"
    write_news(news_file(run.path), news())
    assert (seen(run).state, seen(run).silence) == (f"process {os.getpid()} works on it", "")
    assert seen(run, now=1090.0).silence == "no news for 90 s"
    write_news(news_file(run.path), news(machine="far", process=GONE))
    assert seen(run).state == f"process {GONE} on far works on it"
    write_news(news_file(run.path), news(process=GONE))
    assert f"process {GONE} has ended without an answer" in seen(run).state


def test_looking_changes_nothing_and_reads_trials_where_they_changed(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", *TRIALS[:1])
    with (run.path / TRIAL_LOG).open("ab") as file:
        file.write(b'{"torn')
    held = {path: path.read_bytes() for path in run.path.iterdir()}
    first = seen(run)
    assert [each.id for each in first.results.trials] == [TRIALS[0].id]
    assert seen(run, before=first).results is first.results
    assert {path: path.read_bytes() for path in run.path.iterdir()} == held
    begun(run.path / "other", *TRIALS)
    (run.path / TRIAL_LOG).write_bytes((run.path / "other" / TRIAL_LOG).read_bytes())
    assert len(seen(run, before=first).results.trials) == 3


def test_the_best_come_first(tmp_path: Path) -> None:
    found = seen(begun(tmp_path / "run", *TRIALS)).results
    assert [each.genotype["width"] for each in best_first(found)] == [2, 1]


def test_each_change_is_one_line(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", *TRIALS[:1])
    first = seen(run)
    assert [line.split()[0] for line in changes(None, first)] == ["candidate", f"{run.path}:"]
    assert list(changes(first, seen(run, before=first))) == []
    broken = EpochNews("training", 1, 2, {"loss": float("nan")})
    write_news(
        news_file(run.path),
        news(epochs=(broken,), warnings=("odd",), tasks=(TaskNews("scoring", 1, 2, 1, 0.0),)),
    )
    second = seen(run, before=first)
    assert list(changes(first, second)) == [
        "training: epoch 1 of 2, loss nan",
        "warning: odd",
        "scoring: 1 of 2",
        f"{run.path}: process {os.getpid()} works on it",
    ]
    assert list(changes(second, seen(run, before=second))) == []


def test_once_prints_the_state_with_the_best_trials(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", *TRIALS)
    write_news(
        news_file(run.path),
        news(
            tasks=(TaskNews("training candidate 4", 3, 9, 1, 4.0),),
            epochs=(EpochNews("training candidate 4", 1, 2, {"loss": 0.5}),),
            warnings=("an image is missing",),
            seconds_left=7200.0,
        ),
    )
    done = watch(str(run.path), "--once")
    assert done.exit_code == 0
    for words in (
        f"process {os.getpid()} works on it; no news for",
        "maximises oks.AP; limits: gmacs<=0.3",
        "training candidate 4",
        "3 of 9",
        "12 s left",
        "about 2 h 0 min",
        "epoch 1 of 2, loss 0.500",
        "3 trials, 1 failed",
        "warning: an image is missing",
    ):
        assert words in done.output.replace(str(run.path), "").replace("\n", " ")
    assert done.output.index(TRIALS[1].id) < done.output.index(TRIALS[0].id)
    assert TRIALS[2].id not in done.output


def finish(run: Run) -> None:
    answer = trial(2, 0.5, stage="final")
    written = [json.dumps(each.as_dict()) for each in (*TRIALS, answer)]
    write_results(
        run.path,
        {"trials.json": f"[{','.join(written)}]".encode(), "best/trial.json": written[-1].encode()},
    )
    (run.path / TRIAL_LOG).unlink()


def pausing(then: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something in place of the first pause between two looks; a second one is too many."""
    rest = iter([then])
    monkeypatch.setattr(watch_command.time, "sleep", lambda _seconds: next(rest)())


def test_it_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path / "run", *TRIALS)
    write_news(news_file(run.path), news())
    pausing(lambda: finish(run), monkeypatch)
    done = watch(str(run.path))
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].startswith("the run has ended; its answer: final")
    assert "the run has ended; its answer" in watch(str(run.path)).output  # at once, of a finished run


def test_it_ends_when_the_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path / "run", *TRIALS)
    write_news(news_file(run.path), news())
    pausing(lambda: news_file(run.path).unlink(), monkeypatch)
    last = watch(str(run.path)).output.splitlines()[-1]
    assert last == f"the run has stopped: `posenas resume {run.path}` continues it"


@pytest.mark.parametrize(
    ("left", "state"),
    [(news(process=GONE), f"process {GONE} has ended without an answer"), (None, "no process works on it")],
)
def test_it_ends_at_once_where_nobody_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: News | None, state: str
) -> None:
    run = begun(tmp_path / "run", *TRIALS)
    if left is not None:
        write_news(news_file(run.path), left)
    monkeypatch.delattr(watch_command.time, "sleep")
    done = watch(str(run.path))
    assert done.exit_code == 0
    *_, last_state, end = done.output.splitlines()
    assert last_state == f"{run.path}: {state}: `posenas resume {run.path}` continues it"
    assert end == f"the run has stopped: `posenas resume {run.path}` continues it"


def test_it_waits_for_a_run_that_has_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(tmp_path / "run", RECIPE)
    pausing(lambda: finish(begun(run.path, *TRIALS)), monkeypatch)
    assert watch(str(run.path)).output.splitlines()[-1].startswith("the run has ended; its answer: final")


def test_ctrl_c_ends_the_watching_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path / "run", *TRIALS)
    write_news(news_file(run.path), news())
    pausing(lambda: signal.raise_signal(signal.SIGINT), monkeypatch)
    done = watch(str(run.path))
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "no longer watching; the run is left as it is"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    refused = watch(str(tmp_path), "--once").exception
    assert isinstance(refused, PosenasError)
    assert "no run here" in str(refused)
