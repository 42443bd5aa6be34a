"""Strategies that depart from their journal, and strangers who write into a run."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.composing.plugins import Owner
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial
from posenas.networks.devices import Compute
from posenas.reporting.report.journaled import read_journaled
from posenas.runs.checkpoint import save_weights
from posenas.runs.events import Events, hookimpl
from posenas.runs.journal import Journal, effect_key
from posenas.runs.provenance import Provenance
from posenas.runs.remade import REMADE, read_remade
from posenas.runs.run import ACCEPTED, BEGUN, Run, create_run
from posenas.searching import search, training_effects
from posenas.searching.effects import Effect
from posenas.searching.retracing import Retracing
from posenas.searching.search import Outcome
from toy_search import FAST, SMALL, Heard, Strategy, ToyLatency, composed

Search = Callable[[Problem], Iterator[Trial]]


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toys are no plugins, so nobody asks for their versions."""
    monkeypatch.setattr(search, "provenance_of", lambda _composition, **_: Provenance({}, {}, {}))


def searched(folder: Path, strategy: Search, *listeners: object, **changes: Any) -> tuple[Outcome, list[str]]:
    """What a new or resumed search ends with, and the complaints about its listeners."""
    composition = composed(strategy=Strategy(strategy), **changes)
    complaints: list[str] = []
    named = {f"ears-{number}": each for number, each in enumerate(listeners)}
    events = Events({"test": Heard(), **named}, complain=complaints.append)
    return search.search(composition, create_run(folder, composition.recipe), events=events), complaints


class Killed(BaseException):
    """As a kill would end a search, at a known instant."""


def trying(*widths: int, killed: bool = False, **final: Any) -> Search:
    """A search that tries these widths in their order and answers with the last one."""

    def tried(problem: Problem) -> Iterator[Trial]:
        for width in widths:
            weights = problem.train({"width": width}, epochs=1, on="fit")
            yield from problem.evaluate_many([{"width": width}], weights, stage="some", calibration_people=0)
        if killed:
            raise Killed
        genotype = {"width": widths[-1]}
        yield problem.evaluate(genotype, problem.train(genotype, epochs=1, **final), stage="final")

    return tried


def lines(run: Path) -> int:
    return (run / "journal.jsonl").read_text().count("\n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a search that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "provenance_of", lambda _composition, **_: Provenance({}, {}, {}))
        searched(folder, trying(2, 4))
    return folder


def test_every_departure_is_refused_by_name_and_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Killed):
        searched(run, trying(2, 4, killed=True))
    before = (run / "journal.jsonl").read_bytes()
    monkeypatch.setattr("posenas.searching.training_effects.train", lambda *_, **__: pytest.fail("trained"))
    other = {
        trying(3, 4): "step 1 was train (width 2), and now train (width 3) is asked for",
        trying(4, 2): "step 1 was train (width 2), and now train (width 4) is asked for",
        trying(2, 3): "step 3 was train (width 4), and now train (width 3) is asked for",
        trying(2): "step 3 was train (width 4, on 'fit'), and now train (width 2, on 'train') is asked for",
    }
    for strategy, says in other.items():
        with pytest.raises(PosenasError) as told:
            searched(run, strategy)
        message = str(told.value)
        assert message.startswith("strategy random of pose-nas 0.2.0 departs from its journal: ")
        assert says in message
        assert message.endswith("`posenas compose --recipe " + f"{run}/recipe.toml`")
        assert (run / "journal.jsonl").read_bytes() == before


def test_a_search_that_reads_a_global_generator_is_refused_and_one_that_does_not_goes_on(
    tmp_path: Path,
) -> None:
    def drawing(rng: Callable[[Problem], random.Random], *, killed: bool) -> Search:
        def search_with(problem: Problem) -> Iterator[Trial]:
            widths = [rng(problem).choice((2, 3, 4)) for _ in range(4)]
            yield from trying(*dict.fromkeys(widths), killed=killed)(problem)

        return search_with

    honest, careless = (lambda problem: problem.rng("widths")), (lambda _problem: random)
    random.seed(1)
    for rng in (honest, careless):
        with pytest.raises(Killed):
            searched(tmp_path / str(rng is honest), drawing(rng, killed=True))  # type: ignore[arg-type]
    random.seed(4)
    assert searched(tmp_path / "True", drawing(honest, killed=False))[0].best
    with pytest.raises(PosenasError, match="departs from its journal"):
        searched(tmp_path / "False", drawing(careless, killed=False))  # type: ignore[arg-type]


def test_a_search_that_ends_earlier_than_before_is_refused(tmp_path: Path) -> None:
    def hasty(problem: Problem) -> Iterator[Trial]:
        weights = problem.train(SMALL, epochs=1, on="fit")
        yield from problem.evaluate_many([SMALL], weights, stage="some", calibration_people=0)

    with pytest.raises(Killed):
        searched(tmp_path, trying(2, 4, killed=True))
    with pytest.raises(
        PosenasError, match=r"step 3 was train \(width 4, epochs 1\), and now the search ends;"
    ):
        searched(tmp_path, hasty)


def test_a_finished_run_with_more_steps_of_a_comparison_is_resumed(tmp_path: Path) -> None:
    first, _ = searched(tmp_path, trying(2, 4))
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("evaluate", effect_key("evaluate", {"of": "comparison"}), inputs={}, result={})
    assert searched(tmp_path, trying(2, 4))[0] == first


def test_after_accepted_changes_other_steps_may_be_asked_for() -> None:
    def effect(name: str) -> Effect:
        return Effect(name, {}, lambda _key: None)

    begun = {"effect": BEGUN, "key": BEGUN, "inputs": {}, "result": {}}
    accepted = {**begun, "effect": ACCEPTED, "key": "accepted"}
    old, new = ({"effect": each, "key": effect(each).key, "inputs": {}} for each in ("old", "new"))

    def asked(records: list[Any], *names: str) -> None:
        retracing = Retracing(Run(Path("run")), records, strategy=Owner("strategy", "toy"), measured=())
        for name in names:
            retracing.check(effect(name))

    asked([begun, old, accepted], "another", "old")
    asked([begun, old, accepted, new], "new", "another")
    asked([begun, old, accepted, new], "old", "new", "old")
    with pytest.raises(PosenasError, match="strategy toy departs from its journal: step 2 was new, and now"):
        asked([begun, old, accepted, new], "another")


def test_a_note_of_weights_in_the_place_of_lost_ones_is_no_step() -> None:
    effects = [Effect(name, {}, lambda _key: None) for name in ("first", "second")]
    records = [{"effect": each.name, "key": each.key, "inputs": {}} for each in effects]
    noted = {"effect": REMADE, "key": "noted", "inputs": {}, "result": {}}
    for place in range(3):
        line = [*records[:place], noted, *records[place:]]
        retracing = Retracing(Run(Path("run")), line, strategy=Owner("strategy", "toy"), measured=())
        for each in effects:
            retracing.check(each)
        retracing.check_end()


def warm(*, killed: bool = False) -> Search:
    """A search whose answer begins with the weights that its candidate had."""

    def tried(problem: Problem) -> Iterator[Trial]:
        weights = problem.train(SMALL, epochs=1, on="fit")
        yield from problem.evaluate_many([SMALL], weights, stage="some", calibration_people=0)
        if killed:
            raise Killed
        yield problem.evaluate(SMALL, problem.train(SMALL, epochs=1, init=weights), stage="final")

    return tried


def test_a_search_goes_on_with_other_weights_where_a_device_makes_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = iter((0.0, 0.5, 0.0))

    def noisy(folder: Path, network: torch.nn.Module) -> str:
        with torch.no_grad():
            next(network.parameters()).add_(next(noise))
        return save_weights(folder, network)

    monkeypatch.setattr(training_effects, "save_weights", noisy)
    monkeypatch.setattr(Compute, "repeats", property(lambda _compute: False))
    run, heard = tmp_path / "run", Heard()
    with pytest.raises(Killed):
        searched(run, warm(killed=True))
    (lost,) = (run / "weights").iterdir()
    lost.unlink()
    outcome, _ = searched(run, warm(), heard)
    (told,) = read_remade(Journal(run / "journal.jsonl").records)
    assert (told.file, told.effect, told.steps) == (lost.name, "train", 2)
    assert [text for text in heard.warnings if "gave other weights on this device" in text]
    assert outcome.trials[0].weights == lost.name
    size = lines(run)
    assert searched(run, warm())[0] == outcome
    assert lines(run) == size, "nothing is done again"
    journaled, problems = read_journaled(Run(run))
    assert (list(journaled.remade), list(problems)) == ([told], [])


def test_a_figure_that_is_measured_on_another_device_is_no_departure(tmp_path: Path) -> None:
    class Elsewhere(ToyLatency):
        def identity(self) -> dict[str, Any]:
            return {"device": "another"}

    def drawn(*, killed: bool) -> Search:
        return lambda problem: trying(problem.draw(1)[0]["width"], killed=killed)(problem)

    with pytest.raises(Killed):
        searched(tmp_path, drawn(killed=True), latency=ToyLatency(), limits=(FAST,))
    measured = Elsewhere()
    assert searched(tmp_path, drawn(killed=False), latency=measured, limits=(FAST,))[0].best
    assert measured.measured


@dataclass
class Meddler:
    """A listener that does something once, when the first trial is finished."""

    do: Callable[[Path], object]
    run: Path = field(default=Path())
    calls: int = 0

    @hookimpl
    def run_started(self, run: Path) -> None:
        self.run = run

    @hookimpl
    def trial_finished(self) -> None:
        self.calls += 1
        self.do(self.run)


def add_line(run: Path) -> None:
    with (run / "journal.jsonl").open("a") as file:
        file.write("mine\n")


def change_a_letter(run: Path) -> None:
    path = run / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"width", b"depth", 1))


MEDDLING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a line more": (add_line, "journal.jsonl grew by 5 bytes"),
    "cut": (lambda run: os.truncate(run / "journal.jsonl", 9), "journal.jsonl shrank by "),
    "a letter": (change_a_letter, "journal.jsonl was changed"),
    "deleted": (lambda run: (run / "journal.jsonl").unlink(), "journal.jsonl was deleted"),
    "the recipe": (lambda run: (run / "recipe.toml").write_text("seed = 5\n"), "recipe.toml shrank by "),
    "everything": (shutil.rmtree, "journal.jsonl was deleted, recipe.toml was deleted"),
    "another directory": (lambda _run: os.chdir("/"), ""),
}


@pytest.mark.parametrize("name", MEDDLING)
def test_a_listener_cannot_harm_a_run(
    name: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    do, says = MEDDLING[name]
    meddler, after = Meddler(do), Meddler(lambda _run: None)
    _, complaints = searched(Path("run"), trying(2, 4), meddler, after)
    assert Path.cwd() == tmp_path
    assert (meddler.calls, after.calls) == (1 if says else 3, 3)
    assert len(complaints) == bool(says)
    for complaint in complaints:
        assert complaint.startswith("listener 'ears-0' changed files of the run in trial_finished and is ")
        assert says in complaint
    for file in ("journal.jsonl", "journal.head", "recipe.toml", "trials.json", "best/weights.safetensors"):
        assert Path("run", file).read_bytes() == (whole / file).read_bytes()
    assert lines(Path("run")) == 7


@pytest.mark.parametrize("trial", [0, 2])
def test_somebody_else_in_the_journal_ends_the_run_without_a_loss(
    whole: Path, tmp_path: Path, trial: int
) -> None:
    run = tmp_path / "run"

    def meddling(problem: Problem) -> Iterator[Trial]:
        for number, each in enumerate(trying(2, 4)(problem)):
            yield each
            if number == trial:
                add_line(run)

    with pytest.raises(PosenasError) as told:
        searched(run, meddling)
    assert str(told.value) == (
        f"{run}: somebody else wrote there while strategy random of pose-nas 0.2.0 ran: "
        "journal.jsonl grew by 5 bytes, all of that is put back; stop that, then "
        f"`posenas resume {run}`: nothing is lost"
    )
    assert lines(run) == (1 + 3 if trial == 0 else 1 + 6)
    searched(run, trying(2, 4))
    for file in ("journal.jsonl", "trials.json"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()


def test_a_file_that_was_only_touched_is_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("train", "k", inputs={}, result=1)
    os.utime(tmp_path / "journal.jsonl", (1, 1))
    assert journal.file.change() == ""
    add_line(tmp_path)
    assert journal.file.change() == "grew by 5 bytes"
