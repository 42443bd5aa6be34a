"""Locks of made-up runs, and what repetitions of them are said to be."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from posenas.cli import posenas as root_command
from posenas.contract.errors import PosenasError
from posenas.contract.samples import Sample
from posenas.contract.trial import Trial
from posenas.data.digests import images_digest
from posenas.data.images.file_image import FileImage
from posenas.reporting.comparison.repeats import Repeats, seed_folder, write_repeats
from posenas.reporting.reproduction.locking import counted_costs, lock_of
from posenas.reporting.reproduction.spread import expected_range
from posenas.reporting.reproduction.verdict import judge
from posenas.runs.checksums import write_results
from posenas.runs.journal import Journal
from posenas.runs.lock_file import Lock, Outcome, read_lock, write_lock
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import ACCEPTED, create_run, open_journal

RECIPE = Recipe(space=ComponentChoice("fixed", {"width": 0.5}), strategy=ComponentChoice("random"))
COMPUTED_ON = Provenance(
    {"annotations of train": "4 people, abc"}, {"torch": "2.13.0"}, {"threads": "1"}, {"numpy": "2.4.6"}
)


def made_up_run(
    path: Path, *, seed: int = 0, precision: float = 0.5, computed_on: Provenance = COMPUTED_ON
) -> Path:
    """Write a finished run whose one candidate and answer score so; its bytes follow from the score."""
    run = create_run(path, replace(RECIPE, seed=seed))
    weights, predictions = f"w{precision}.safetensors", f"p{precision}.json"
    costs = {"gmacs": 0.25, "parameters": 2e6, "latency_ms": 3.0 + precision}
    trial = Trial({"name": "a"}, "final", "val", {"oks.AP": precision}, costs, {}, weights, predictions)
    journal = open_journal(run, replace(RECIPE, seed=seed), computed_on, warn=print)
    journal.append("train", "1", inputs={"epochs": 2}, result=weights)
    journal.append("latency", "2", inputs={}, result={"latency_ms": 3.0 + precision})
    journal.append("evaluate", "3", inputs={}, result={"metrics": {}, "predictions": predictions})
    journal.append("evaluate", "4", inputs={"of": "a comparison"}, result={"metrics": {}})
    record = json.dumps(trial.as_dict()).encode()
    write_results(
        path,
        {
            "trials.json": b"[" + record + b"]",
            "best/trial.json": record,
            "best/weights.safetensors": str(precision).encode(),
            f"predictions/{predictions}": str(precision).encode(),
        },
    )
    return path


def ended(precision: float, *, seed: int = 0) -> Outcome:
    """Return the outcome of a run that scores so; its bytes follow from the score."""
    metrics, costs = {"oks.AP": precision}, {"gmacs": 0.25, "latency_ms": 3.0 + precision}
    steps = (f"train {precision}", f"evaluate {precision}")
    return Outcome(seed, "a", f"weights {precision}", f"predictions {precision}", steps, metrics, costs)


COUNTED = ("gmacs",)
LOCKED = (ended(0.55), ended(0.6, seed=1), ended(0.65, seed=2))


def test_a_lock_says_what_the_run_is_and_ended_with(tmp_path: Path) -> None:
    lock = lock_of(made_up_run(tmp_path / "run"))
    write_lock(tmp_path / "lock.toml", lock)
    again = read_lock(tmp_path / "lock.toml")
    assert again == lock == Lock(RECIPE, COMPUTED_ON, lock.outcomes)
    assert [step.split()[0] for step in lock.outcomes[0].steps] == ["train", "evaluate"]
    assert lock.outcomes[0].figures["oks.AP"] == 0.5


def test_runs_of_several_seeds_have_one_lock(tmp_path: Path) -> None:
    for seed in (0, 1):
        made_up_run(seed_folder(tmp_path, seed), seed=seed)
    made_up_run(seed_folder(tmp_path, 2), seed=2, computed_on=replace(COMPUTED_ON, code={"torch": "2.12.0"}))
    write_repeats(tmp_path, Repeats((0, 1), "oks.AP", {}))
    assert [each.seed for each in lock_of(tmp_path).outcomes] == [0, 1]
    write_repeats(tmp_path, Repeats((0, 1, 2), "oks.AP", {}))
    with pytest.raises(PosenasError, match=r"seed-2: differs from .*torch \(2.13.0, now 2.12.0\)"):
        lock_of(tmp_path)


def test_what_cannot_be_repeated_is_not_locked(tmp_path: Path) -> None:
    begun = create_run(tmp_path / "begun", RECIPE)
    open_journal(begun, RECIPE, COMPUTED_ON, warn=print)
    with pytest.raises(PosenasError, match="the search has not ended; `posenas resume"):
        lock_of(begun.path)
    path = made_up_run(tmp_path / "patched")
    Journal(path / "journal.jsonl").append(ACCEPTED, "5", inputs={}, result=COMPUTED_ON.as_dict())
    with pytest.raises(PosenasError, match=r"was not computed in one piece .*changes accepted"):
        lock_of(path)


@pytest.mark.parametrize("output", [None, "run of mine/recipe.toml"])
def test_a_file_that_is_there_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    made_up_run(Path("run of mine"))
    file = tmp_path / (output or "run of mine.lock.toml")
    file.write_text(before := "seed = 0\n" if output is None else file.read_text())
    arguments = ["lock", "run of mine", *(["--output", output] if output else [])]
    refused = CliRunner().invoke(root_command, arguments).exception
    assert isinstance(refused, PosenasError)
    assert str(refused) == f"{output or file}: exists already; choose another --output, or delete it"
    assert file.read_text() == before


def test_the_same_lock_again_is_told_with_a_command_to_paste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made_up_run(Path("run of mine"))
    first, again = (CliRunner().invoke(root_command, ["lock", "run of mine"]).output for _ in range(2))
    assert "of mine; `" in first
    assert again == first.replace(";", " (the file was there already, with the same content);")
    file = str(tmp_path / "run of mine.lock.toml")
    assert shlex.split(first.split("`")[1]) == ["posenas", "reproduce", file, "--output", "FOLDER"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("schema = 1", "schema = 2", "schema = 2: a lock of a newer posenas"),
        ("schema = 1\nseed", "schema = 9\nseed", r"\[recipe\]: schema = 9: a recipe of a newer posenas"),
        ("seed = 0\ngenotype", "genotype", "outcome.0.seed: Field required; write it anew"),
        ('weights = "weights 0.55"', "weights = 3", "outcome.0.weights: Input should be a valid string"),
        ("seed = 0\n", "seed = 5\n", r"\[recipe\] has seed = 5, and no \[\[outcome\]\] has that seed; write"),
        ("[recipe]", "[recipe", "is not valid TOML"),
    ],
)
def test_a_lock_that_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    file = tmp_path / "lock.toml"
    write_lock(file, Lock(RECIPE, COMPUTED_ON, LOCKED))
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(PosenasError, match=complaint):
        read_lock(file)


def test_the_same_run_again_has_equal_bytes_whatever_was_measured() -> None:
    again = replace(LOCKED[0], costs={**LOCKED[0].costs, "latency_ms": 9.0})
    found = judge(LOCKED[:1], [again], counted=COUNTED)
    assert (found.verdict, found.differing) == ("equal", ())
    assert [(figure.name, figure.here) for figure in found.moved] == [("latency_ms", 9.0)]


@pytest.mark.parametrize("locked", [LOCKED[:1], LOCKED])
@pytest.mark.parametrize(
    "edited",
    [
        {"metrics": {"oks.AP": 0.56}},
        {"metrics": {}},
        {"costs": {"gmacs": 0.26}},
        {"costs": {"gmacs.head": 0.1}},
    ],
)
def test_equal_bytes_with_other_figures_are_not_called_equal(
    locked: tuple[Outcome, ...], edited: dict[str, Any]
) -> None:
    found = judge((replace(locked[0], **edited), *locked[1:]), LOCKED[:1], counted=COUNTED)
    assert (found.verdict, found.differing) == ("neither", ())
    assert found.moved
    assert "the bytes are equal, but the figures are not those of the lock" in found.sentence()


def test_no_seed_in_common_is_no_comparison() -> None:
    with pytest.raises(PosenasError, match="nothing was compared: the lock has no outcome of seed 1"):
        judge(LOCKED[:1], LOCKED[1:2], counted=COUNTED)


def test_counted_costs_are_told_from_measured_ones() -> None:
    found = counted_costs()
    assert {"gmacs", "parameters"} <= set(found)
    assert not {"latency_ms", "onnx_latency_ms"} & set(found)


def test_without_a_spread_differences_are_told_and_never_called_within() -> None:
    found = judge(LOCKED[:1], [ended(0.56)], counted=COUNTED)
    assert found.verdict == "neither"
    assert "2 figures moved, and no spread is known" in found.sentence()
    assert found.differing == ("seed 0: other weights, predictions, steps from 1 of 2 on (train)",)
    assert [figure.name for figure in found.moved] == ["oks.AP", "latency_ms"]
    assert [figure.difference for figure in found.moved] == pytest.approx([0.01, 0.01])
    assert found.outside == found.moved


def test_other_bytes_with_equal_figures_are_told_as_that() -> None:
    found = judge(LOCKED[:1], [replace(LOCKED[0], weights="0", genotype="b")], counted=COUNTED)
    assert found.sentence() == "within: every figure is equal, though the bytes are not"
    assert found.differing == ("seed 0: other weights, winner (a, here b)",)


@pytest.mark.parametrize(("precision", "verdict"), [(0.69, "within"), (0.95, "neither"), (0.2, "neither")])
def test_the_spread_is_that_of_the_locked_seeds(precision: float, verdict: str) -> None:
    found = judge(LOCKED, [ended(precision)], counted=COUNTED)
    assert (found.verdict, found.spread) == (verdict, "the lock's 3 seeds")
    assert {figure.name for figure in found.moved} == {"oks.AP", "latency_ms"}
    assert bool(found.outside) == (verdict == "neither")


@pytest.mark.parametrize(("precision", "verdict"), [(0.69, "within"), (0.95, "neither")])
def test_the_spread_is_that_of_the_seeds_here_where_one_was_locked(precision: float, verdict: str) -> None:
    found = judge([ended(precision)], LOCKED, counted=COUNTED)
    assert (found.verdict, found.spread) == (verdict, "3 seeds here")
    assert {figure.seed for figure in found.moved} == {0}


def test_a_figure_that_is_gone_is_outside() -> None:
    found = judge(LOCKED, [replace(LOCKED[0], weights="0", metrics={})], counted=COUNTED)
    assert [(each.name, each.locked, each.here) for each in found.outside] == [("oks.AP", 0.55, None)]


def test_the_range_is_the_prediction_interval() -> None:
    two, three = expected_range([0.0, 2.0]), expected_range([1.0, 2.0, 3.0])
    assert two.high - 1 == pytest.approx(12.706 * 2**0.5 * 1.5**0.5)
    assert three.high - 2 == pytest.approx(4.303 * (4 / 3) ** 0.5)
    assert expected_range([0.1] * 3).holds(0.1)
    many = expected_range([0.0, 1.0] * 10)
    assert many.high - 0.5 == pytest.approx(2.093 * 0.512989 * 1.05**0.5, rel=2e-3)


def test_images_that_lie_elsewhere_keep_their_digest(tmp_path: Path) -> None:
    digests = []
    for folder, moved in (("a", ()), ("b", ((str(tmp_path / "b"), str(tmp_path / "a")),)), ("b", ())):
        image = tmp_path / folder / "1.jpg"
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(b"image")
        digests.append(images_digest([Sample(1, FileImage(image), 4, 4, ())], moved=moved))
    assert digests[0] == digests[1] != digests[2]
