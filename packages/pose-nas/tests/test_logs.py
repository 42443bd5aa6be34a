"""Logs of a run's figures elsewhere: TensorBoard's event files and MLflow."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.trial import Trial
from posenas.reporting import logs as logs_module
from posenas.reporting.logs import LOGS, check_logs, make_logs
from posenas.reporting.scalar_log import ScalarLog, flat_options
from posenas.runs.events import Events
from posenas.runs.recipe import recipe_from_tables

RECIPE = recipe_from_tables({"training": {"batch_size": 8}})
TRIALS = [
    Trial({"width": width}, "candidate", "rank", {"oks.AP": width / 10}, {"gmacs": 0.1, "parameters": 2e6})
    for width in (1, 2, 3)
]
ANSWER = Trial({"width": 3, "kind": "a"}, "final", "val", {"oks.AP": 0.5}, {"gmacs": 0.1, "parameters": 2e6})


class Kept:
    """A keeper in memory, which fails where a figure comes twice."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, int], float] = {}
        self.answers: list[Mapping[str, Any]] = []
        self.closed = 0

    def known(self) -> set[tuple[str, int]]:
        return set(self.figures)

    def add(self, figures: Mapping[str, float], *, step: int) -> None:
        for name, value in figures.items():
            assert (name, step) not in self.figures
            self.figures[name, step] = value

    def conclude(self, genotype: Mapping[str, Any], figures: Iterable[str]) -> None:
        assert "answer/oks.AP" in figures
        self.answers.append(genotype)

    def close(self) -> None:
        self.closed += 1


def refuse(text: str) -> None:
    raise AssertionError(f"nobody should be told: {text}")


def tell_run(log: object, run: Path, *, trials: int, begin: int = 1, finish: bool = False) -> None:
    """Tell a listener of a run in a new process, from an epoch of the first training on."""
    events = Events({"log": log}, complain=refuse)
    events.tell("run_started", run=run, recipe=RECIPE)
    for epoch in range(begin, 3):
        events.tell("epoch_finished", task="training", epoch=epoch, epochs=2, losses={"loss": 1 / epoch})
    for trial in TRIALS[:trials]:
        events.tell("trial_finished", trial=trial)
    events.tell("epoch_finished", task="training", epoch=1, epochs=1, losses={"loss": 0.25})
    if finish:
        events.tell("trial_finished", trial=ANSWER)
        events.tell("run_finished", run=run, trials=(*TRIALS, ANSWER))


def test_nothing_is_doubled_by_a_resumed_run(tmp_path: Path) -> None:
    kept = Kept()
    tell_run(ScalarLog(lambda _run, _recipe: kept), tmp_path, trials=2)
    for _ in range(2):
        tell_run(ScalarLog(lambda _run, _recipe: kept), tmp_path, trials=3, begin=2, finish=True)
    scores = {step: value for (name, step), value in kept.figures.items() if name == "trials/oks.AP"}
    assert scores == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.5}
    losses = {key: value for key, value in kept.figures.items() if key[0].endswith("loss")}
    assert losses == {
        ("training/loss", 1): 1.0,
        ("training/loss", 2): 0.5,
        ("training after trial 2/loss", 1): 0.25,
        ("training after trial 3/loss", 1): 0.25,
    }
    assert kept.figures["answer/oks.AP", 0] == 0.5
    assert (kept.answers, kept.closed) == ([ANSWER.genotype], 2)


def test_options_of_tables_have_whole_names() -> None:
    assert flat_options({"seed": 1, "training": {"final": {"epochs": 2}}}) == {
        "seed": 1,
        "training.final.epochs": 2,
    }


@pytest.mark.parametrize("name", LOGS)
def test_a_missing_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_module, "find_spec", lambda _name: None)
    with pytest.raises(PosenasError, match=rf"`pip install 'pose-nas\[{name}\]'`"):
        check_logs([name])


def test_an_unknown_log_is_refused() -> None:
    with pytest.raises(PosenasError, match="there is no such one; choose among mlflow, tensorboard"):
        check_logs(["paper"])


def installed(module: str) -> pytest.MarkDecorator:
    reason = f"pose-nas[{module}] is not installed; `python -m nox -s logs` brings it"
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=reason)


def log_a_killed_run(name: str, run: Path) -> None:
    (listener,) = make_logs([name]).values()
    tell_run(listener, run, trials=2)
    for _ in range(2):  # the second time it is finished, and resumed
        (listener,) = make_logs([name]).values()
        tell_run(listener, run, trials=3, begin=2, finish=True)


@installed("tensorboard")
def test_tensorboard_reads_what_a_run_logged(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_a_killed_run("tensorboard", tmp_path)
    held = EventAccumulator(str(tmp_path / "tensorboard"))
    held.Reload()
    scores = [(event.step, round(event.value, 6)) for event in held.Scalars("trials/oks.AP")]
    assert scores == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.5)]
    assert [event.step for event in held.Scalars("training/loss")] == [1, 2]
    assert [event.value for event in held.Scalars("answer/oks.AP")] == [0.5]
    begun = held.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"width" in begun
    assert b"kind" in begun


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A client of a new database, which the environment names."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def client() -> Any:
        from mlflow import MlflowClient

        return MlflowClient()

    return client


@installed("mlflow")
@pytest.mark.filterwarnings("default")  # of MLflow's own parts, which deprecate each other
def test_mlflow_holds_what_a_run_logged(tmp_path: Path, tracked: Callable[[], Any]) -> None:
    run = tmp_path / "first"
    run.mkdir()
    log_a_killed_run("mlflow", run)
    client = tracked()
    (found,) = client.search_runs([client.get_experiment_by_name("posenas").experiment_id])
    assert (found.info.run_name, found.info.status) == ("first", "FINISHED")
    assert found.data.params["training.batch_size"] == "8"
    assert found.data.params["genotype.width"] == "3"
    history = client.get_metric_history(found.info.run_id, "trials/oks.AP")
    assert sorted((each.step, each.value) for each in history) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.5)]
    assert [each.value for each in client.get_metric_history(found.info.run_id, "answer/oks.AP")] == [0.5]


@installed("mlflow")
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("tracked")
def test_another_mlflow_is_told_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "mlflow.json").write_text('{"run": "0123456789abcdef0123456789abcdef"}')
    complaints: list[str] = []
    events = Events(make_logs(["mlflow"]), complain=complaints.append)
    events.tell("run_started", run=tmp_path, recipe=RECIPE)
    events.tell("trial_finished", trial=TRIALS[0])
    (complaint,) = complaints
    assert "set MLFLOW_TRACKING_URI as before, or delete the file" in complaint
