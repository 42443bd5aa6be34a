"""Trainings that a strategy cuts into slices give the weights of one call over the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from posenas.composing.compose import Composition, compose
from posenas.composing.computed_on import provenance_of
from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule, Relaxed, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Beginning, Learning, Relaxation, Span, Update, Weights
from posenas.data.batch_parts import part
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax
from posenas.reporting.comparison.origins import PastTraining, training_of
from posenas.runs.events import Events, hookimpl
from posenas.runs.journal import Journal
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run, open_journal
from posenas.searching.problem import JournaledProblem
from safetensors.torch import load_file
from toy_search import MixedSpace

LEARNING = Learning(0.1, 0.01, betas=(0.5, 0.99), frozen=("head.convolution.bias",))


SPACE = MixedSpace()


@dataclass(frozen=True)
class Alternating:
    """The weights by the first half of a batch, then the architecture by the second."""

    def __call__(
        self, network: Any, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, float]:
        assert 0.0 <= progress < 1.0
        largest = network.shared.holder if isinstance(network, SharedPoseNetwork) else network
        alpha = relax(SPACE, largest)["alpha"]
        losses = {}
        half = len(batch.images) // 2
        for group, views in (
            ("weights", part(batch, 0, half)),
            ("architecture", part(batch, half, 2 * half)),
        ):
            active = network
            if isinstance(network, SharedPoseNetwork):
                active = network.activate({"width": rng.choice((2, 4)), "alpha": alpha.tolist()})
            head = cast(HeadModule, active.head)
            targets = head.targets(views)
            loss = head.loss(active(views.images, targets), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            if group == "weights":
                alpha.grad = None
            update(group)
            losses[group] = float(loss.detach())
        return losses


@dataclass(frozen=True)
class Shared:
    """A random network of the space in each step."""

    def __call__(
        self,
        network: SharedPoseNetwork,
        batch: Batch,
        rng: Random,
        *,
        update: Update,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> Mapping[str, float]:
        active: PoseNetwork = network.activate(SPACE.sample(rng))
        head = cast(HeadModule, active.head)
        targets = head.targets(batch)
        loss = head.loss(active(batch.images, targets), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": float(loss.detach())}


@pytest.fixture(scope="module")
def composition() -> Composition:
    tables = {
        "dataset": {"name": "synthetic", "train_images": 10, "val_images": 2},
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "strategy": {"name": "random"},
        "space": {"name": "fixed", "width": 0.125},
        "training": {"batch_size": 4, "workers": 0, "warm_up": 0.3},
        "precision": "32",
    }
    strategy = cast(Any, SimpleNamespace(requires=lambda: (WeightSharing, Relaxed)))
    return replace(compose(recipe_from_tables(tables)), space=SPACE, strategy=strategy)


class StopAt:
    """Stops a search after so many epochs in all."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    @hookimpl
    def epoch_finished(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@contextmanager
def problem_in(
    folder: Path, composition: Composition, listener: object = object()
) -> Iterator[JournaledProblem]:
    run = create_run(folder, composition.recipe)
    journal = open_journal(run, composition.recipe, provenance_of(composition), warn=print)
    yield JournaledProblem(composition, run, journal, events=Events({"listener": listener}, complain=print))


Train = Callable[..., Weights | Relaxation]
TRAININGS: dict[str, Train] = {
    "shared": lambda problem, **options: problem.train_shared(Shared(), **options),
    "network": lambda problem, **options: problem.train({"width": 2, "alpha": [[1.0, 0.0]]}, **options),
    "relaxed": lambda problem, **options: problem.train_relaxed(Alternating(), learning=LEARNING, **options),
    "shared relaxed": lambda problem, **options: problem.train_relaxed(
        Alternating(), learning=LEARNING, shared=True, **options
    ),
}


def weights_of(made: Weights | Relaxation) -> Weights:
    return made.weights if isinstance(made, Relaxation) else made


def train_slices(problem: JournaledProblem, train: Train, *, discard: bool = True) -> list[Any]:
    """Four epochs as one, two and one."""
    made: list[Any] = []
    for begin, epochs in ((0, 1), (1, 2), (3, 1)):
        before = weights_of(made[-1]) if made else None
        made.append(train(problem, epochs=epochs, init=before, span=Span(begin, 4)))
        if before and discard:
            problem.discard(before)
    return made


@pytest.mark.parametrize("name", TRAININGS)
def test_slices_give_the_weights_of_the_whole(composition: Composition, tmp_path: Path, name: str) -> None:
    train = TRAININGS[name]
    with problem_in(tmp_path / "whole", composition) as problem:
        whole = train(problem, epochs=4)
    with problem_in(tmp_path / "slices", composition) as problem:
        slices = train_slices(problem, train)
    last = weights_of(slices[-1])
    assert last == weights_of(whole)  # the file's name is the hash of its content
    files = {path.name for path in (tmp_path / "slices" / "weights").iterdir()}
    assert files == {last.file}
    if isinstance(whole, Relaxation):
        assert whole.genotype == slices[-1].genotype
        assert whole.course == tuple(each for part in slices for each in part.course)
        assert whole.genotype["alpha"] != [[0.0, 0.0]]
        assert whole.genotype["width"] == 4
        assert last.shared == (name == "shared relaxed")
        tensors = load_file(tmp_path / "slices" / "weights" / last.file)
        assert [float(each.abs().max()) > 0 for key, each in tensors.items() if ".bias" in key] == [
            True,
            False,
        ]


@pytest.mark.parametrize("name", ["shared", "relaxed"])
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_stopped_and_resumed_slices_give_them_too(
    composition: Composition, tmp_path: Path, name: str, epochs: int
) -> None:
    with problem_in(tmp_path / "whole", composition) as problem:
        whole = TRAININGS[name](problem, epochs=4)
    with (
        pytest.raises(KeyboardInterrupt),
        problem_in(tmp_path / "slices", composition, StopAt(epochs)) as problem,
    ):
        train_slices(problem, TRAININGS[name])
    with problem_in(tmp_path / "slices", composition) as problem:
        slices = train_slices(problem, TRAININGS[name])
    assert weights_of(slices[-1]) == weights_of(whole)
    assert not list((tmp_path / "slices" / "checkpoints").iterdir())


def test_a_lost_state_is_made_again(composition: Composition, tmp_path: Path) -> None:
    with problem_in(tmp_path / "run", composition) as problem:
        first = problem.train_shared(Shared(), epochs=1, span=Span(0, 3))
        second = problem.train_shared(Shared(), epochs=1, init=first, span=Span(1, 3))
        problem.discard(first)
        problem.discard(second)
        assert not list((tmp_path / "run" / "weights").iterdir())
        last = problem.train_shared(Shared(), epochs=1, init=second, span=Span(2, 3))
    assert (tmp_path / "run" / "weights" / last.file).exists()
    with problem_in(tmp_path / "whole", composition) as problem:
        assert problem.train_shared(Shared(), epochs=3) == last


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epochs": 3, "span": Span(0, 2)}, "asks for 3 epochs after epoch 0 of a training of 2"),
        (
            {"epochs": 1, "span": Span(1, 2)},
            "after epoch 1 of 2, and the state that it had then was not kept",
        ),
        (
            {"epochs": 1, "span": Span(1, 2), "init": Weights("a", shared=True)},
            "after epoch 1 of 2, and the state that it had then was not kept",
        ),
    ],
)
def test_a_slice_that_is_none_is_refused(
    composition: Composition, tmp_path: Path, options: Any, says: str
) -> None:
    with problem_in(tmp_path / "run", composition) as problem, pytest.raises(PosenasError, match=says):
        problem.train_shared(Shared(), **options)


def test_other_weights_than_those_of_a_slice_are_refused_where_values_learn(
    composition: Composition, tmp_path: Path
) -> None:
    with (
        problem_in(tmp_path / "run", composition) as problem,
        pytest.raises(PosenasError, match="`init` is for later slices alone"),
    ):
        problem.train_relaxed(Alternating(), epochs=1, learning=Learning(), init=Weights("a", shared=False))


@dataclass(frozen=True)
class Old:
    """A step as steps were before groups and progress."""

    def __call__(self, network: Any, batch: Batch, rng: Random) -> Mapping[str, float]: ...


@pytest.mark.parametrize("name", ["shared", "relaxed"])
def test_a_step_of_another_signature_is_refused_in_one_line(
    composition: Composition, tmp_path: Path, name: str
) -> None:
    with problem_in(tmp_path / "run", composition) as problem:
        trainings: dict[str, Callable[[], Any]] = {
            "shared": lambda: problem.train_shared(cast(Any, Old()), epochs=1),
            "relaxed": lambda: problem.train_relaxed(cast(Any, Old()), epochs=1, learning=Learning()),
        }
        with pytest.raises(PosenasError) as refused:
            trainings[name]()
    assert str(refused.value) == (
        f"step {__name__}.Old: __call__(network, batch, rng) should be "
        "__call__(network, batch, rng, *, update, progress); tell its authors"
    )


def test_a_comparison_is_told_of_the_whole_training(composition: Composition, tmp_path: Path) -> None:
    with problem_in(tmp_path / "run", composition) as problem:
        first = problem.train_shared(Shared(), epochs=1, on="train", span=Span(0, 2))
        shared = problem.train_shared(Shared(), epochs=1, on="train", init=first, span=Span(1, 2))
        network = problem.train({"width": 2, "alpha": [[1.0, 0.0]]}, epochs=3, init=shared)
    journal = Journal(tmp_path / "run" / "journal.jsonl")
    assert training_of(journal, shared.file) == PastTraining("shared", 2, Beginning.FRESH, "train")
    assert training_of(journal, network.file).init == Weights(shared.file, shared=True)
