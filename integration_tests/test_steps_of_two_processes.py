"""Two processes with a part of a batch each have the gradients and losses of one process with all of it.

Batch norms are frozen, or synchronised: each process normalises by its own people otherwise. All keypoints
are labelled, since losses that are means over labelled keypoints are averaged over people.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from nas_cnf.steps import BilevelStep, SynchronousStep
from posenas.composing.compose import compose
from posenas.contract.batches import Batch
from posenas.contract.genotype import middle
from posenas.contract.problem import Learning
from posenas.learning.architecture import learn_values
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.training import SupervisedStep
from posenas.networks.pose_network import SharedPoseNetwork
from posenas.networks.processes import ALONE, Processes
from posenas.networks.real_values import restore
from posenas.networks.synchronised import SynchronisedNorms
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import Splits
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.functional import batch_norm

pytestmark = pytest.mark.slow

STEPS = ("supervised", "sandwich", "synchronous", "bilevel")
PEOPLE = (4, 5)
"""In a batch, or in each half of a bilevel step's: shares of 2 and 2, or of 3 and 2."""
KINDS = ((torch.float64, "frozen"), (torch.float32, "frozen"), (torch.float64, "synchronised"))
"""What is computed in, and how batch norms are."""
EXACT = {torch.float64: 1e-10, torch.float32: 1e-4}
"""The largest difference of gradients, as a share of the largest gradient."""


@dataclass(frozen=True)
class Case:
    """A step, and how it is taken."""

    step: str
    people: int
    dtype: torch.dtype
    norms: str

    def __str__(self) -> str:
        return f"{self.step}, {self.people} people, {self.dtype}, {self.norms}"


CASES = [Case(step, people, dtype, norms) for step in STEPS for people in PEOPLE for dtype, norms in KINDS]


def frozen(norm: nn.BatchNorm2d, values: Tensor) -> Tensor:
    """Batch norm as in evaluation, in any mode."""
    mean, variance = norm.running_mean, norm.running_var
    return batch_norm(values, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)


def no_shorter(values: Tensor) -> Tensor:
    """`Tensor.float`, with which heads compute in float32, but what is float64 stays so."""
    return values if values.dtype == torch.float64 else values.to(torch.float32)


def network_and_step(case: Case) -> tuple[Any, Any, Batch]:
    """Return what is trained, how, and a whole batch, of which a bilevel step has two."""
    elastic = case.step in ("supervised", "sandwich")
    tables = {
        "space": {"name": "ofa" if elastic else "cnf"},
        "strategy": {"name": "sandwich" if elastic else "first-order"},
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "dataset": {"name": "synthetic", "train_images": 12, "val_images": 2},
        "training": {"workers": 0, "batch_size": people_of(case)},
        "precision": "32",
    }
    made = compose(recipe_from_tables(tables))
    splits = Splits(made, warn=pytest.fail, advance=lambda *_: None)
    with splits.training("train", seed=0) as loader:
        batch = next(iter(loader.epoch(0)))
    longer = {name: getattr(batch, name).to(case.dtype) for name in ("images", "keypoints", "labelled")}
    batch = replace(batch, **longer | {"labelled": torch.ones_like(longer["labelled"])})
    torch.manual_seed(0)
    if case.step == "sandwich":
        shared = SharedPoseNetwork(made.build, made.holder()).to(case.dtype)
        return shared, SandwichStep(made.space, 2, "truth+teacher"), batch  # type: ignore[arg-type]
    genotype = middle(made.space.dimensions()) if not elastic else made.space.sample(Random(3))
    network = made.build(genotype).to(case.dtype)
    if elastic:
        return network, SupervisedStep(), batch
    restore(made.space, network, genotype)
    learn_values(made.space, network, Learning(learning_rate=0.1))
    space: Any = made.space
    step = SynchronousStep(space, 0.1) if case.step == "synchronous" else BilevelStep(space, 1, 0.0, 0.1)
    return network, step, batch


def people_of(case: Case) -> int:
    """Return how many people a step sees."""
    return case.people * (2 if case.step == "bilevel" else 1)


def rows_of(case: Case, processes: Processes) -> list[int]:
    """Return the places of a process's people in the whole batch, its part of each half after the other."""
    halves = range(0, people_of(case), case.people)
    return [first + place for first in halves for place in processes.share(range(case.people))]


def stepped(
    case: Case, processes: Processes
) -> tuple[dict[str, Tensor], dict[str, float], dict[str, Tensor]]:
    """Return a step's gradients and losses, averaged over the processes, and the buffers after it."""
    network, step, batch = network_and_step(case)
    network.train()
    rows = rows_of(case, processes)
    mine = replace(
        batch, **{key: each[rows] for key, each in vars(batch).items() if isinstance(each, Tensor)}
    )
    alone = processes.alone or case.norms == "frozen"
    with nullcontext() if alone else SynchronisedNorms(processes, people=len(rows)):
        losses = step(network, mine, Random(0), update=pytest.fail, progress=0.0)
    parameters = [each for each in network.parameters() if each.requires_grad]
    processes.average_gradients(parameters, people=len(rows))
    told = processes.means({key: float(each) for key, each in losses.items()}, people=len(rows))
    gradients = {key: each.grad for key, each in network.named_parameters() if each.grad is not None}
    return gradients, told, dict(network.named_buffers())


def all_stepped(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the gradients, the losses and the buffers of every case."""
    monkeypatch.setattr(Tensor, "float", no_shorter)
    found = {}
    for case in CASES:
        with monkeypatch.context() as patched:
            if case.norms == "frozen":
                patched.setattr(nn.BatchNorm2d, "forward", frozen)
            found[str(case)] = stepped(case, processes)
    return found


def work(rank: int, port: int, file: Path) -> None:
    """Step as one of two processes; the first writes what came of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    processes = Processes(rank, 2)
    found = all_stepped(processes, pytest.MonkeyPatch())
    if processes.first:
        torch.save(found, file)
    processes.gathered(None)
    distributed.destroy_process_group()


def largest_difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest difference of tensors, as a share of the largest value."""
    assert found.keys() == expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    return max(float((found[name] - each).abs().max()) for name, each in expected.items()) / largest


def test_two_processes_have_the_gradients_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, tmp_path / "found.pt"), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    expected = all_stepped(ALONE, monkeypatch)
    for case in CASES:
        gradients, losses, buffers = expected[str(case)]
        others, told, moved = found[str(case)]
        assert len(gradients) > 10
        assert told == pytest.approx(losses, rel=1e-5), case
        assert largest_difference(others, gradients) <= EXACT[case.dtype], case
        assert largest_difference(moved, buffers) <= EXACT[case.dtype], case
