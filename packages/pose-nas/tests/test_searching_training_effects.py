"""Trainings as effects: what they are known by, that they are repeatable, and go on where they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.contract.components import Relaxed, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Learning, Weights
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import SupervisedStep, Watch
from posenas.runs.checkpoint import save_checkpoint
from posenas.runs.events import Events
from posenas.searching.effects import Effect, checkpoint_of
from posenas.searching.loading import fresh_network
from posenas.searching.relaxed_training import relaxed_training
from posenas.searching.resources import Resources
from posenas.searching.slices import Origin
from posenas.searching.training_effects import (
    Training,
    beginning,
    network_training,
    shared_training,
    train_network,
    watch_training,
)
from safetensors.torch import load_file, save_file
from torch import Tensor
from toy_search import SMALL, WIDE, Heard, MixedSpace, Still, Strategy, composed, refuse, resources_in

SILENT = Watch(step=lambda _done, _total: None, epoch=lambda _number, _epochs, _losses: None)
LEARNING = Learning(0.05, weight_decay=0.01)
SHARED, OWN = Weights("shared.safetensors", shared=True), Weights("own.safetensors", shared=False)


def alone(resources: Resources, *, genotype: Any = SMALL, repeat: int = 0, **changes: Any) -> Effect:
    options = {
        "step": SupervisedStep(),
        "epochs": 2,
        "on": "train",
        "watch": SILENT,
        "phase": "final",
        **changes,
    }
    return network_training(resources, genotype, Training(**options), repeat=repeat)


def relaxed(
    resources: Resources, *, start: Any = None, learning: Learning = LEARNING, **changes: Any
) -> Effect:
    options = {"step": Still(), "epochs": 2, "on": learning.on, "watch": SILENT, "phase": "final", **changes}
    return relaxed_training(resources, Training(**options), start=start, learning=learning, shared=False)


def mixed_in(folder: Path, **changes: Any) -> Resources:
    strategy = Strategy(None, (Relaxed, WeightSharing))
    return resources_in(folder, space=MixedSpace(), strategy=strategy, **changes)


def tensors_of(resources: Resources, effect: Effect) -> dict[str, Tensor]:
    """What the effect's weights file holds."""
    result = effect.compute(effect.key)
    return load_file(resources.run.weights / (result if isinstance(result, str) else result["weights"]))


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_keys_of_trainings_stay_as_they_are(tmp_path: Path) -> None:
    """Runs of earlier versions are resumed by these very inputs and keys."""
    resources = resources_in(tmp_path)
    effect = alone(resources)
    assert effect.name == "train"
    assert effect.inputs == {"network": SMALL, "epochs": 2, "on": "train", "init": None}
    assert effect.key == "1248fcb8f83b718a"
    effect = shared_training(resources, Training(Still(), 3, "fit", SILENT, "shared", SHARED))
    assert effect.name == "train"
    assert effect.inputs == {
        "network": "shared",
        "step": "Still()",
        "epochs": 3,
        "on": "fit",
        "init": "shared.safetensors",
    }
    effect = relaxed(mixed_in(tmp_path))
    assert effect.name == "train relaxed"
    assert {name: effect.inputs[name] for name in ("network", "start", "step", "epochs", "init")} == {
        "network": "relaxed",
        "start": {"width": 4, "alpha": [[0.0, 0.0]]},
        "step": "Still()",
        "epochs": 2,
        "init": None,
    }
    learning = effect.inputs["learning"]
    assert (learning["learning_rate"], learning["weight_decay"], learning["on"]) == (0.05, 0.01, "train")


def test_whatever_changes_a_training_changes_its_key(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    keys = [
        alone(resources, **changes).key
        for changes in (
            {},
            {"genotype": WIDE},
            {"epochs": 3},
            {"on": "fit"},
            {"init": OWN},
            {"repeat": 1},
            {"repeat": 2},
        )
    ]
    assert len(set(keys)) == len(keys)
    assert "repeat" not in alone(resources).inputs
    mixed = mixed_in(tmp_path)
    keys = [
        relaxed(mixed, **changes).key
        for changes in (
            {},
            {"epochs": 3},
            {"start": {"width": 2, "alpha": [[0.0, 1.0]]}},
            {"step": Rising(2)},
        )
    ]
    assert len(set(keys)) == len(keys)


def test_a_training_begins_with_weights_of_the_run_or_of_the_recipe_or_fresh_ones(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    assert beginning(resources, None) == {"init": None}
    assert beginning(resources, OWN) == {"init": "own.safetensors"}
    save_file(fresh_network(resources, WIDE).state_dict(), tmp_path / "given.safetensors")
    recipe = replace(composed().recipe, init=str(tmp_path / "given.safetensors"))
    given = resources_in(tmp_path, recipe=recipe)
    found = beginning(given, None)
    assert found.keys() == {"init", "initial"}
    assert len(found["initial"]) == 64
    assert beginning(given, OWN) == {"init": "own.safetensors"}, "a file of the run comes before the recipe's"


class Loose:
    def __call__(self, network: Any, batch: Any, *_: Any, **__: Any) -> Mapping[str, float]:
        raise NotImplementedError


def test_what_is_not_spelt_out_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    resources = mixed_in(tmp_path)
    with pytest.raises(PosenasError, match=r"step .*Loose is no frozen dataclass"):
        shared_training(resources, Training(Loose(), 1, "fit", SILENT, "shared"))
    with pytest.raises(PosenasError, match=r"step .*Loose is no frozen dataclass"):
        relaxed(resources, step=Loose())
    with pytest.raises(PosenasError, match=r"learning .* has Learning\.on"):
        relaxed(resources, learning=Learning(on=object()))  # type: ignore[arg-type]


def test_the_same_training_gives_the_same_weights_and_another_seed_or_repeat_others(tmp_path: Path) -> None:
    first = tensors_of(resources_in(tmp_path / "a"), alone(resources_in(tmp_path / "a")))
    torch.manual_seed(99)  # whatever came before does not count
    again = resources_in(tmp_path / "b")
    assert same(tensors_of(again, alone(again)), first)
    assert not same(tensors_of(again, alone(again, repeat=1)), first)
    seeded = resources_in(tmp_path / "c", recipe=replace(composed().recipe, seed=1))
    assert alone(seeded).key == alone(again).key, "the seed is the recipe's, which is fixed for a run"
    assert not same(tensors_of(seeded, alone(seeded)), first)


def test_a_training_learns(tmp_path: Path) -> None:
    settings = TrainingSettings(batch_size=4, workers=0, learning_rate=0.03)
    resources = resources_in(tmp_path, training=settings)
    losses: list[float] = []
    watch = Watch(step=lambda *_: None, epoch=lambda _number, _epochs, told: losses.append(told["loss"]))
    effect = alone(resources, epochs=20, watch=watch)
    effect.compute(effect.key)
    assert len(losses) == 20
    assert losses[-1] < 0.5 * losses[0]


class Stopped(BaseException):
    """As Ctrl-C would end a training."""


def test_a_stopped_training_goes_on_from_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_and_stop(path: Path, *, epoch: int, **content: Any) -> None:
        save_checkpoint(path, epoch=epoch, **content)
        if epoch == 2:
            raise Stopped

    undisturbed = resources_in(tmp_path / "undisturbed")
    expected = tensors_of(undisturbed, alone(undisturbed, epochs=4))
    resources = resources_in(tmp_path / "run")
    epochs: list[int] = []
    watch = Watch(step=lambda *_: None, epoch=lambda number, _epochs, _losses: epochs.append(number))
    effect = alone(resources, epochs=4, watch=watch)
    with monkeypatch.context() as patch:
        patch.setattr("posenas.learning.training.save_checkpoint", save_and_stop)
        with pytest.raises(Stopped):
            effect.compute(effect.key)
    assert checkpoint_of(resources.run, effect.key).exists()
    epochs.clear()
    assert same(tensors_of(resources, effect), expected)
    assert epochs == [3, 4]


def test_a_training_goes_on_with_shared_or_own_weights(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    still = shared_training(resources, Training(Still(), 1, "fit", SILENT, "shared"))
    shared = Weights(still.compute(still.key), shared=True)
    more = shared_training(resources, Training(Still(), 1, "fit", SILENT, "shared", shared))
    before, after = (load_file(resources.run.weights / file) for file in (shared.file, more.compute("other")))
    assert before.keys() == after.keys()
    weight = "shared.largest.backbone.convolution.weight"
    assert torch.allclose(before[weight], after[weight], rtol=1e-3), "decay alone moves them"
    assert not torch.equal(before[weight], after[weight])
    begun = alone(resources, init=shared, epochs=1)
    found = tensors_of(resources, begun)["backbone.convolution.weight"]
    assert (found - before[weight][:2]).abs().max() < 0.05
    own = Weights(begun.compute(begun.key), shared=False)
    further = tensors_of(resources, alone(resources, init=own, epochs=1))["backbone.convolution.weight"]
    assert (further - found).abs().max() < 0.05
    assert (
        further - tensors_of(resources, alone(resources))["backbone.convolution.weight"]
    ).abs().max() > 0.05


@dataclass(frozen=True)
class Rising:
    """A step whose gradient moves alpha's first value up and leaves the weights alone."""

    pull: float = 1.0

    def __call__(self, network: Any, batch: Any, *_: Any, **__: Any) -> Mapping[str, float]:
        (network(batch.images).sum() * 0 - self.pull * network.backbone.alpha[0, 0]).backward()
        return {"loss": 1.0}


def test_real_values_learn_and_their_course_is_told_beside_what_stays(tmp_path: Path) -> None:
    resources = mixed_in(tmp_path)
    effect = relaxed(resources, step=Rising(), start={"width": 2, "alpha": [[0.0, 3.0]]}, epochs=3)
    result = effect.compute(effect.key)
    course = result["course"]
    assert [genotype["width"] for genotype in course] == [2, 2, 2]
    firsts = [genotype["alpha"][0][0] for genotype in course]
    assert 0 < firsts[0] < firsts[1] < firsts[2]
    assert course[-1] == result["genotype"]
    saved = load_file(resources.run.weights / result["weights"])
    assert saved["backbone.alpha"].tolist() == result["genotype"]["alpha"]
    assert saved["backbone.convolution.weight"].shape[0] == 2
    again = mixed_in(tmp_path / "again")
    repeated = relaxed(again, step=Rising(), start={"width": 2, "alpha": [[0.0, 3.0]]}, epochs=3)
    assert repeated.compute(repeated.key) == result


def test_the_network_ends_with_the_weights_of_its_best_epoch(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    network = fresh_network(resources, SMALL)
    losses = iter((0.5, 0.2, 0.9))
    seen: list[Tensor] = []

    def validate(trained: Any) -> float:
        seen.append(trained.backbone.convolution.weight.detach().clone())
        return next(losses)

    training = Training(SupervisedStep(), 3, "fit", SILENT, "shared")
    assert train_network(resources, network, training, key="key", origin=Origin(0), validate=validate) == 0.2
    assert torch.equal(network.backbone.get_submodule("convolution").weight, seen[1])
    assert (
        train_network(
            resources, network, dataclasses.replace(training, epochs=1), key="other", origin=Origin(0)
        )
        is None
    )


def test_listeners_hear_of_every_batch_and_epoch(tmp_path: Path) -> None:
    heard = Heard()
    watch = watch_training(Events({"test": heard}, complain=refuse), "training toys")
    effect = alone(resources_in(tmp_path), watch=watch, on="fit")
    effect.compute(effect.key)
    assert heard.epochs == [("training toys", 1, 2), ("training toys", 2, 2)]
    steps = [(done, total) for _, done, total in heard.advances]
    assert steps == [(number, steps[0][1]) for number in range(1, len(steps) + 1)]
    assert len(steps) == steps[0][1]
