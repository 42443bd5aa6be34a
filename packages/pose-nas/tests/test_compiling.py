"""Compiled trainings: which ones are, which of their batches, and what is told where it cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.composing.phases import PhaseSettings, check_plan
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import Candidate
from posenas.data.augment import Augmentation
from posenas.learning.compiling import check_compiler, compiled_step
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import SupervisedStep, Watch
from posenas.networks.devices import Compute
from posenas.networks.processes import Processes
from posenas.searching import training_effects
from posenas.searching.training_effects import Training, network_training
from safetensors.torch import load_file
from torch import Tensor
from toy_regression import StopError
from toy_search import SIZE, SMALL, WIDE, Still, composed, problem_in, resources_in

COMPILED = TrainingSettings(batch_size=4, workers=0, parallel=1, compile=True)
FINAL, CANDIDATES = PlannedTraining("final", 2), PlannedTraining("candidate", 3, 20)
SHARED = PlannedTraining("shared", 5)


class Counting:
    """A backend of `torch.compile` that runs operations as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs, self.calls = 0, 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: Any) -> Callable[..., Any]:
        self.graphs += 1

        def run(*inputs: Any) -> Any:
            self.calls += 1
            return graph.forward(*inputs)

        return run


def batch_of(people: int) -> Batch:
    generator = torch.Generator().manual_seed(people)
    images = torch.rand(people, 3, SIZE, SIZE, generator=generator)
    return Batch(images, images[:, :2, :2, 0] * SIZE, torch.ones(people, 2))


def learnt(step: Any, network: Any, batch: Batch) -> dict[str, Tensor]:
    """The loss and the gradients of a step; the network has none afterwards."""
    told: Mapping[str, Tensor] = step(network, batch, Random(0), update=pytest.fail, progress=0.0)
    found = {name: each.grad for name, each in network.named_parameters()}
    network.zero_grad()
    return {**told, **found}


def test_full_batches_run_compiled_and_smaller_ones_as_they_are() -> None:
    backend = Counting()
    network = composed().build(SMALL).train()
    names = list(network.state_dict())
    with compiled_step(network, 4, backend=backend) as step:
        for people, calls in ((3, 0), (4, 1), (4, 2), (1, 2), (4, 3)):
            batch = batch_of(people)
            expected, found = learnt(SupervisedStep(), network, batch), learnt(step, network, batch)
            assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
            assert backend.calls == calls
    assert backend.graphs == 1
    assert list(network.state_dict()) == names


def test_more_networks_than_torch_remembers_are_compiled() -> None:
    made = composed()
    for number in range(10):  # torch stops after 8 of one class
        backend = Counting()
        network = made.build(WIDE if number % 2 else SMALL).train()
        with compiled_step(network, 2, backend=backend) as step:
            learnt(step, network, batch_of(2))
        assert backend.calls == 1


def test_an_error_of_the_compiler_is_one_line_that_says_what_to_do() -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no C++\ncompiler here")

    network = composed().build(SMALL).train()
    with pytest.raises(PosenasError) as told, compiled_step(network, 2, backend=broken) as step:
        learnt(step, network, batch_of(2))
    assert "torch cannot compile this" in str(told.value)
    assert "no C++ compiler here; install" in str(told.value)
    assert str(told.value).endswith("begin a new run with training.compile=false")


def test_trainings_of_networks_alone_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    backend = Counting()

    def noted(network: Any, people: int) -> Any:
        asked.append(people)
        return compiled_step(network, people, backend=backend)

    monkeypatch.setattr(training_effects, "compiled_step", noted)
    plain = problem_in(tmp_path / "plain")
    problem = problem_in(tmp_path / "compiled", training=COMPILED)
    weights = problem.train(SMALL, epochs=2)
    assert (asked, backend.calls) == ([4], 6)
    assert weights == plain.train(SMALL, epochs=2), "the backend computes the same bits"
    (trial,) = problem.train_and_evaluate_many([Candidate(WIDE)], epochs=1, stage="candidate")
    assert trial.failure is None
    assert (asked, backend.calls) == ([4, 4], 8)
    problem.train_shared(Still(), epochs=1)
    assert len(asked) == 2
    own = {"final": PhaseSettings(TrainingSettings(batch_size=64, workers=0), Augmentation())}
    problem_in(tmp_path / "other", training=COMPILED, phases=own).train(SMALL, epochs=1)
    assert len(asked) == 2


def test_a_full_batch_of_a_process_is_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people: list[int] = []
    monkeypatch.setattr(training_effects, "compiled_step", lambda _network, share: people.append(share))
    for size, rank in ((5, 0), (5, 1), (64, 0)):
        settings = TrainingSettings(batch_size=size, workers=0, compile=True)
        watch: Any = None
        training = Training(
            SupervisedStep(), 1, "train", watch, "final", processes=Processes(rank=rank, count=2)
        )
        training_effects._step(resources_in(tmp_path, training=settings), torch.nn.Module(), training)
    assert people == [3, 2, 6]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU with g++")
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_compiled_training_that_is_killed_ends_the_same(tmp_path: Path, dtype: torch.dtype | None) -> None:
    settings = replace(COMPILED, ema_decay=0.5, accumulate=2, optimizer="sgd")

    def trained(name: str, *, compiled: bool = True, stop_at: int = 0) -> dict[str, Tensor]:
        def stop(done: int, _total: int) -> None:
            if done == stop_at:
                raise StopError

        watch = Watch(stop, lambda _number, _epochs, _losses: None)
        resources = resources_in(
            tmp_path / name,
            training=replace(settings, compile=compiled),
            compute=Compute(torch.device("cpu"), dtype),
        )
        training = Training(SupervisedStep(), 3, "train", watch, "final")
        effect = network_training(resources, SMALL, training, repeat=0)
        return load_file(resources.run.weights / effect.compute(effect.key))

    check_compiler(torch.device("cpu"))
    whole, plain = trained("whole"), trained("plain", compiled=False)
    with pytest.raises(StopError):
        trained("killed", stop_at=5)
    resumed = trained("killed")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    assert any(not torch.equal(plain[name], tensor) for name, tensor in whole.items())
    apart = {"rtol": 0.0, "atol": 1e-5 if dtype is None else 2e-2}
    assert all(torch.allclose(plain[name], tensor, **apart) for name, tensor in whole.items())


def test_what_would_never_be_compiled_is_refused() -> None:
    check = partial(check_plan, held_out=0.25)
    with pytest.raises(PosenasError, match=r"training\.compile has no effect: no network is trained alone"):
        list(check((SHARED,), COMPILED, {}))
    with pytest.raises(PosenasError, match=r"training\.compile has no effect"):
        list(check((SHARED, PlannedTraining("final", 0)), COMPILED, {}))
    assert not list(check((SHARED, FINAL), COMPILED, {}))
    assert not list(check((SHARED,), TrainingSettings(), {}))


def test_that_many_networks_are_compiled_is_told() -> None:
    (told,) = check_plan((CANDIDATES, FINAL), COMPILED, {}, held_out=0.25)
    assert told.startswith("training.compile: up to 20 networks are compiled one by one")
    assert told.endswith("training.candidate.compile=false leaves them out")
    left_out = {"candidate": PhaseSettings(TrainingSettings(), Augmentation())}
    assert not list(check_plan((CANDIDATES, FINAL), COMPILED, left_out, held_out=0.25))
