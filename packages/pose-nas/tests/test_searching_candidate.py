"""Candidates trained by themselves: what a trial holds, what fails, and what is never done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Candidate, Weights
from posenas.contract.trial import Trial
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run, locked, open_journal
from posenas.searching import candidate as candidates
from posenas.searching.problem import JournaledProblem
from posenas.searching.resources import Resources, make_resources
from posenas.searching.scoring import validation_loss
from safetensors.torch import load

NETWORK = {"name": "mobilenetv2"}
OTHER = {"name": "simple-baseline-r50"}


@dataclass(frozen=True)
class Bench:
    """A composition that trains in a second, and a folder to do it in."""

    composition: Composition
    folder: Path

    def recipe(self) -> Recipe:
        return self.composition.recipe

    def trained(self, *candidates: Candidate, epochs: int = 2) -> list[Trial]:
        """As a run that is opened, works and is closed."""
        run = create_run(self.folder, self.composition.recipe)
        with locked(run):
            journal = open_journal(run, self.composition.recipe, provenance_of(self.composition), warn=print)
            events = Events({}, complain=print)
            with closing(JournaledProblem(self.composition, run, journal, events=events)) as problem:
                return list(problem.train_and_evaluate_many(candidates, epochs=epochs, stage="candidate"))


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    def make(name: str = "run", **training: Any) -> Bench:
        recipe = Recipe(
            space=ComponentChoice("fixed", {"width": 0.125}),
            strategy=ComponentChoice("random"),
            head=ComponentChoice("heatmap", {"input_size": [64, 64]}),
            dataset=ComponentChoice("synthetic", {"train_images": 24, "val_images": 8}),
            evaluation={"held_out": 0.3},
            training={"batch_size": 8, "workers": 0, "parallel": 1, **training},
            precision="32",
        )
        return Bench(compose(recipe), tmp_path / name)

    return make


def inherited(trial: Trial) -> Weights:
    assert trial.weights is not None
    return Weights(trial.weights, shared=False)


def test_the_loss_is_that_of_the_kept_weights_on_the_ranking_people(bench: Callable[..., Bench]) -> None:
    made = bench()
    (trial,) = made.trained(Candidate(NETWORK), epochs=3)
    assert (trial.stage, trial.split, trial.failure, trial.inherited) == ("candidate", "ranking", None, None)
    network = made.composition.build(NETWORK)
    network.load_state_dict(load((made.folder / "weights" / str(trial.weights)).read_bytes()))
    network.eval()
    run = create_run(made.folder, made.recipe())
    resources = make_resources(made.composition, run, warn=print, advance=print)
    _, crops = resources.splits.evaluated("ranking")
    losses = []
    with torch.no_grad():
        for batch in crops.batches(1, device=torch.device("cpu")):
            head: Any = network.head
            losses.append(
                (float(head.loss(network(batch.images), head.targets(batch))), batch.labelled.sum())
            )
    # One batch holds them all, so the loss is the mean over their keypoints.
    mean = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
    assert trial.loss == pytest.approx(float(mean), rel=1e-5)
    assert "oks.AP" in trial.metrics


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_the_validation_loss_does_not_depend_on_the_batch(tmp_path: Path, loss: str) -> None:
    losses = []
    for size in (64, 1, 3):
        recipe = Recipe(
            space=ComponentChoice("fixed", {"width": 0.125}),
            strategy=ComponentChoice("random"),
            head=ComponentChoice("heatmap", {"input_size": [64, 64], "loss": loss}),
            dataset=ComponentChoice("synthetic", {"train_images": 8, "val_images": 7, "max_people": 4}),
            evaluation={"batch_size": size},
            training={"workers": 0},
            precision="32",
        )
        composition = compose(recipe)
        run = create_run(tmp_path / str(size), composition.recipe)
        resources = make_resources(composition, run, warn=print, advance=lambda *_: None)
        torch.manual_seed(0)
        network = composition.build(NETWORK).eval()
        _, views = resources.splits.evaluated("val")
        losses.append(validation_loss(composition, network, views))
        if size == 64:
            (batch,) = views.batches(64, device=torch.device("cpu"))
            module: Any = network.head
            with torch.no_grad():
                alone = float(module.loss(network(batch.images), module.targets(batch)))
            assert losses[0] == alone, "of one batch it is the head's loss"
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_children_inherit_and_say_how_much(bench: Callable[..., Bench]) -> None:
    made = bench()
    (parent,) = made.trained(Candidate(NETWORK))
    same, other = made.trained(
        Candidate(NETWORK, inherited(parent)), Candidate(OTHER, inherited(parent)), epochs=1
    )
    assert same.inherited == 1.0
    assert other.inherited is not None
    assert 0.0 < other.inherited < 1.0
    assert same.loss is not None
    assert parent.loss is not None
    fresh = made.trained(Candidate(NETWORK), epochs=1)[0]
    assert fresh.loss is not None
    assert same.loss < fresh.loss


def test_neither_order_nor_company_changes_a_candidate(bench: Callable[..., Bench]) -> None:
    first = bench("first").trained(Candidate(NETWORK), Candidate(OTHER))
    second = bench("second").trained(Candidate(OTHER))
    third = bench("third").trained(Candidate(OTHER), Candidate(NETWORK))
    assert second == [first[1]]
    assert third == first[::-1]


def test_a_diverged_candidate_fails_alone(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, OTHER, lambda network: network.head.convolution.weight.data.fill_(float("nan")))
    failed, good = bench().trained(Candidate(OTHER), Candidate(NETWORK))
    assert failed.failure is not None
    assert "training diverged: loss is nan in epoch 1" in failed.failure
    assert (failed.metrics, failed.weights, failed.loss) == ({}, None, None)
    assert good.failure is None


def test_a_candidate_too_large_for_the_memory_fails_alone(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(_network: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 GiB")

    spoil(monkeypatch, OTHER, exhaust)
    made = bench()
    failed, good = made.trained(Candidate(OTHER), Candidate(NETWORK))
    assert failed.failure == "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB"
    assert good.failure is None
    assert made.trained(Candidate(OTHER), Candidate(NETWORK)) == [failed, good]


def test_a_reader_of_images_that_is_killed_is_no_fault_of_the_candidate(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(_network: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    spoil(monkeypatch, OTHER, kill)
    made = bench()
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        made.trained(Candidate(OTHER))
    assert not list(made.folder.glob("checkpoints/*.json"))


def spoil(
    monkeypatch: pytest.MonkeyPatch, genotype: Mapping[str, Any], change: Callable[[Any], object]
) -> None:
    fresh = candidates.fresh_network

    def spoiled(resources: Resources, wanted: Mapping[str, Any]) -> Any:
        network = fresh(resources, wanted)
        if wanted == genotype:
            change(network)
        return network

    monkeypatch.setattr(candidates, "fresh_network", spoiled)


def test_what_was_finished_is_not_trained_again(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a candidate was finished and before the journal had it, or after."""
    made = bench()
    wanted = [Candidate(NETWORK), Candidate(OTHER)]
    expected = bench("undisturbed").trained(*wanted)
    with monkeypatch.context() as patch:
        patch.setattr("posenas.runs.journal.Journal.append", stop_at("train and evaluate"))
        with pytest.raises(KeyboardInterrupt):
            made.trained(*wanted)
    assert len(list((made.folder / "checkpoints").glob("*.json"))) == 1
    with counted_trainings(monkeypatch) as trainings:
        assert made.trained(*wanted) == expected
    assert len(trainings) == 1
    with counted_trainings(monkeypatch) as trainings:
        assert made.trained(*wanted) == expected
    assert not trainings
    assert not list((made.folder / "checkpoints").iterdir())


def test_a_damaged_result_of_a_candidate_is_refused(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench()
    with monkeypatch.context() as patch:
        patch.setattr("posenas.runs.journal.Journal.append", stop_at("train and evaluate"))
        with pytest.raises(KeyboardInterrupt):
            made.trained(Candidate(NETWORK))
    (file,) = (made.folder / "checkpoints").glob("*.json")
    content = file.read_text()
    loss = json.loads(content)["loss"]
    for damaged in (content.replace(str(loss), str(loss / 2)), content[:40], "[]", ""):
        file.write_text(damaged)
        with pytest.raises(PosenasError, match=r"\.json: this candidate's result is damaged.*delete it"):
            made.trained(Candidate(NETWORK))
    file.unlink()
    (trial,) = made.trained(Candidate(NETWORK))
    assert trial.loss == loss


def stop_at(wanted: str) -> Callable[..., None]:
    from posenas.runs.journal import Journal

    append = Journal.append

    def stopping(journal: Journal, effect: str, key: str, **content: Any) -> None:
        if effect == wanted:
            raise KeyboardInterrupt
        append(journal, effect, key, **content)

    return stopping


class counted_trainings:  # noqa: N801
    """The trainings that begin inside the block."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._context = monkeypatch.context()
        self._count: list[int] = []

    def __enter__(self) -> list[int]:
        train = candidates.train_network

        def counting(*arguments: Any, **options: Any) -> Any:
            self._count.append(1)
            return train(*arguments, **options)

        self._context.__enter__().setattr(candidates, "train_network", counting)
        return self._count

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


def test_lost_weights_of_a_parent_are_trained_again(bench: Callable[..., Bench]) -> None:
    made = bench()
    run = create_run(made.folder, made.recipe())
    with locked(run):
        events = Events({}, complain=print)
        journal = open_journal(run, made.composition.recipe, provenance_of(made.composition), warn=print)
        problem = JournaledProblem(made.composition, run, journal, events=events)

        def trained(candidate: Candidate) -> Trial:
            trials: Iterator[Trial] = problem.train_and_evaluate_many(
                [candidate], epochs=1, stage="candidate"
            )
            return next(trials)

        parent = trained(Candidate(NETWORK))
        file = run.weights / str(parent.weights)
        content = file.read_bytes()
        problem.discard(inherited(parent))
        assert not file.exists()
        child = trained(Candidate(OTHER, inherited(parent)))
        assert child.failure is None
        assert file.read_bytes() == content
