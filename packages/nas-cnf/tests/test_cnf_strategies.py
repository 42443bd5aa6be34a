"""The gradient strategies, run on drawn people: what they answer, and that nothing is lost when stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_cnf.simplifiable import Simplifiable
from nas_cnf.strategies import FirstOrder, SecondOrder, Synchronous
from posenas import Composition, PosenasError, Relaxed, Trial, hookimpl
from posenas.composing.compose import compose
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.search import search
from safetensors.torch import load_file

SPACE = {"backbone": "fabric-1", "width": 0.125, "parts": 1, "channels": 2}
Compose = Callable[..., Composition]


@pytest.fixture
def composed() -> Compose:
    def make(strategy: str, **options: Any) -> Composition:
        return compose(
            Recipe(
                space=ComponentChoice("cnf", SPACE),
                strategy=ComponentChoice(strategy, options),
                head=ComponentChoice("vector", {"input_size": [64, 64]}),
                dataset=ComponentChoice("synthetic", {"train_images": 24, "val_images": 8}),
                training={"batch_size": 8, "workers": 0, "learning_rate": 1e-2},
                precision="32",
            )
        )

    return make


def run(composition: Composition, folder: Path, listener: object = object()) -> Trial:
    events = Events({"listener": listener}, complain=print)
    return search(composition, create_run(folder, composition.recipe), events=events).best


def values(genotype: Any) -> torch.Tensor:
    return torch.cat([torch.tensor(genotype[name]).flatten() for name in sorted(genotype)])


def test_synchronous_answers_with_the_architecture_that_it_learnt(composed: Compose, tmp_path: Path) -> None:
    best = run(composed("synchronous", epochs=3, architecture_rate=0.05), tmp_path / "run")
    assert (best.stage, best.split) == ("final", "val")
    moved = dict(best.genotype)
    moved["backbone.beta"] = moved["backbone.beta"][1:]  # the first cell's three sources are one map
    assert (values(moved) != 0).all()
    weights = load_file(tmp_path / "run" / "best" / "weights.safetensors")
    for name, value in best.genotype.items():
        assert torch.equal(weights[f"backbone.{name}"], torch.tensor(value))


@pytest.mark.parametrize("option", ["learnt", "fresh"])
def test_the_found_network_begins_with_what_the_option_says(
    composed: Compose, tmp_path: Path, option: str
) -> None:
    run(composed("synchronous", epochs=1, final_epochs=1, final_weights=option), tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    (learnt,) = [each["result"]["weights"] for each in records if each["effect"] == "train relaxed"]
    (last,) = [each["inputs"]["init"] for each in records if each["effect"] == "train"]
    assert last == (learnt if option == "learnt" else None)


def test_weights_of_a_training_that_is_not_made_are_refused() -> None:
    with pytest.raises(ValueError, match="with final_epochs=0 the found network is not trained again"):
        Synchronous(final_weights="fresh")
    assert [each.phase for each in Synchronous().trainings(None)] == ["shared"]  # type: ignore[arg-type]


def test_architecture_as_fast_as_the_weights_or_at_its_own_rate(composed: Compose, tmp_path: Path) -> None:
    moved = [
        values(run(composed("synchronous", epochs=2, **options), tmp_path / name).genotype).abs().max()
        for name, options in {"same": {}, "slow": {"architecture_rate": 1e-5}}.items()
    ]
    assert moved[0] > 1e-2
    assert 0 < moved[1] < 1e-3


def test_discrete_takes_one_choice_everywhere_and_trains_on_with_it(
    composed: Compose, tmp_path: Path
) -> None:
    composition = composed("synchronous", epochs=2, discrete=True, final_epochs=1)
    best = run(composition, tmp_path / "run")
    for rows in best.genotype.values():
        for row in torch.tensor(rows).softmax(1):
            (weight,) = {weight for weight in row.tolist() if weight}
            assert round(1 / weight, 3) in (1, 2, 3)  # one map may be several sources
    weights = load_file(tmp_path / "run" / "best" / "weights.safetensors")
    for name, value in best.genotype.items():
        assert torch.equal(weights[f"backbone.{name}"], torch.tensor(value))


@pytest.mark.parametrize("strategy", ["first-order", pytest.param("second-order", marks=pytest.mark.slow)])
def test_bilevel_strategies_learn_the_architecture_then_the_network_anew(
    composed: Compose, tmp_path: Path, strategy: str
) -> None:
    best = run(composed(strategy, epochs=2, final_epochs=1, architecture_rate=0.05), tmp_path / "run")
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    (learnt,) = [record for record in records if record["effect"] == "train relaxed"]
    assert learnt["inputs"]["learning"]["on"] == "halves"
    assert len(learnt["result"]["course"]) == 2
    assert learnt["result"]["genotype"] == dict(best.genotype)
    (anew,) = [record for record in records if record["effect"] == "train"]
    assert anew["inputs"]["init"] is None


@pytest.mark.parametrize("strategy", ["first-order", pytest.param("second-order", marks=pytest.mark.slow)])
def test_bilevel_strategies_say_what_leaving_out_changes(
    composed: Compose, tmp_path: Path, strategy: str
) -> None:
    run(composed(strategy, epochs=1, final_epochs=1, discrete=True), tmp_path / "run")
    (left_out,) = [record for record in records(tmp_path / "run") if record["effect"] == "leave out"]
    assert left_out["result"]["change"]["relative"] > 0
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert [trial["stage"] for trial in trials] == ["learnt", "final"]
    (anew,) = [record for record in records(tmp_path / "run") if record["effect"] == "train"]
    assert anew["inputs"]["init"] is None


@pytest.mark.slow
def test_sparsity_lowers_the_entropy(composed: Compose, tmp_path: Path) -> None:
    entropies = []
    for sparsity in (0.0, 3.0):
        options = {"epochs": 4, "architecture_rate": 0.05, "sparsity": sparsity}
        genotype = run(composed("synchronous", **options), tmp_path / str(sparsity)).genotype
        rows = [row for name in genotype for row in torch.tensor(genotype[name]).softmax(1)]
        entropies.append(sum(float(torch.special.entr(row).sum()) for row in rows))
    assert entropies[1] < entropies[0]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_synchronous_prunes_what_it_learnt_and_says_what_that_changes(
    composed: Compose, tmp_path: Path
) -> None:
    options = {"epochs": 2, "architecture_rate": 0.05, "prune": 0.2}
    composition = composed("synchronous", **options)
    best = run(composition, tmp_path / "run")
    (learnt,) = [record for record in records(tmp_path / "run") if record["effect"] == "train relaxed"]
    (left_out,) = [record for record in records(tmp_path / "run") if record["effect"] == "leave out"]
    assert best.genotype == composition.space.prune(learnt["result"]["genotype"], 0.2)  # type: ignore[attr-defined]
    assert 0 < left_out["result"]["change"]["relative"] < 1
    assert 0 < left_out["result"]["change"]["largest"] < 1  # scores are in [0, 1)
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert [trial["stage"] for trial in trials] == ["learnt", "final"]
    assert best.costs["parameters"] < trials[0]["costs"]["parameters"]
    assert best.costs["gmacs"] < trials[0]["costs"]["gmacs"]
    before, after = (
        load_file(tmp_path / "run" / "weights" / record["result"]["weights"]) for record in (learnt, left_out)
    )
    assert set(after) < set(before)


def test_what_learning_leaves_without_any_weight_is_left_out_as_it_is(
    composed: Compose, tmp_path: Path
) -> None:
    """So fast a rate drives some shares to an exact 0 in a few steps."""
    composition = composed("synchronous", epochs=3, architecture_rate=60.0)
    best = run(composition, tmp_path / "run")
    shares = torch.tensor(best.genotype["backbone.alpha"]).softmax(1)
    assert (shares == 0).any()
    assert "oks.AP" in best.metrics
    weights = load_file(tmp_path / "run" / "best" / "weights.safetensors")
    whole = composition.build(composition.space.ancestor()).state_dict()  # type: ignore[attr-defined]
    assert set(weights) < set(whole)


def test_lost_weights_of_a_pruned_network_are_made_again(composed: Compose, tmp_path: Path) -> None:
    composition = composed("synchronous", epochs=1, architecture_rate=0.05, prune=0.2)
    run(composition, tmp_path / "run")
    (left_out,) = [record for record in records(tmp_path / "run") if record["effect"] == "leave out"]
    lost = tmp_path / "run" / "weights" / left_out["result"]["weights"]
    content = lost.read_bytes()
    lost.unlink()
    (tmp_path / "run" / "best" / "weights.safetensors").unlink()
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if json.loads(line)["effect"] == "evaluate")
    journal.with_suffix(".head").unlink()
    journal.write_text("".join(line for number, line in enumerate(lines) if number < last))
    run(composition, tmp_path / "run")
    assert lost.read_bytes() == content


@pytest.mark.parametrize(
    "strategy",
    [
        "synchronous",
        pytest.param("first-order", marks=pytest.mark.slow),
        pytest.param("second-order", marks=pytest.mark.slow),
    ],
)
def test_fabrics_that_the_head_does_not_read_are_refused(composed: Compose, strategy: str) -> None:
    """A head for heat maps reads the last part alone; before anything is trained."""
    recipe = replace(
        composed(strategy).recipe,
        space=ComponentChoice("cnf", {**SPACE, "parts": 2}),
        head=ComponentChoice("heatmap", {"input_size": [64, 64]}),
    )
    with pytest.raises(PosenasError, match=r"depends on part1\.alpha, part1\.beta, so they cannot be learnt"):
        compose(recipe)


class StopAfter:
    """Stops a run as its first training ends so many epochs."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    @hookimpl
    def epoch_finished(self, epoch: int) -> None:
        if epoch == self._epochs:
            raise KeyboardInterrupt


def test_stopped_after_an_epoch_it_continues_to_the_same_bytes(composed: Compose, tmp_path: Path) -> None:
    composition = composed("synchronous", epochs=3)
    run(composition, tmp_path / "undisturbed")
    for epochs in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(composition, tmp_path / "stopped", StopAfter(epochs))
    run(composition, tmp_path / "stopped")
    for path in (tmp_path / "undisturbed").rglob("*"):
        if path.is_file():
            other = tmp_path / "stopped" / path.relative_to(tmp_path / "undisturbed")
            assert other.read_bytes() == path.read_bytes(), path
    assert not list((tmp_path / "stopped" / "checkpoints").iterdir())


def test_a_space_that_cannot_be_relaxed_is_refused_with_those_that_can() -> None:
    recipe = Recipe(space=ComponentChoice("fixed"), strategy=ComponentChoice("synchronous"))
    with pytest.raises(PosenasError, match=r"'synchronous' needs Relaxed.*spaces for it: [^;]*cnf"):
        compose(recipe)


@pytest.mark.parametrize("strategy", [Synchronous, FirstOrder, SecondOrder])
def test_only_what_is_simplified_must_be_simplifiable(strategy: Any) -> None:
    assert strategy().requires() == (Relaxed,)
    assert strategy(prune=0.1).requires() == strategy(discrete=True).requires() == (Relaxed, Simplifiable)
