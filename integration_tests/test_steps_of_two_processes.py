"""Two processes with half of a batch each have the gradients and losses of one process with all of it.

Batch norms are frozen: each process normalises by its own people otherwise. All keypoints are labelled, since
losses that are means over labelled keypoints are averaged over people.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
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
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import Splits
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.functional import batch_norm

pytestmark = pytest.mark.slow

PEOPLE = 4
STEPS = ("supervised", "sandwich", "synchronous", "bilevel")


def frozen(norm: nn.BatchNorm2d, values: Tensor) -> Tensor:
    """Batch norm as in evaluation, in any mode."""
    mean, variance = norm.running_mean, norm.running_var
    return batch_norm(values, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)


def no_shorter(values: Tensor) -> Tensor:
    """`Tensor.float`, with which heads compute in float32, but what is float64 stays so."""
    return values if values.dtype == torch.float64 else values.to(torch.float32)


def network_and_step(name: str, dtype: torch.dtype) -> tuple[Any, Any, Batch]:
    """Return what is trained, how, and a whole batch."""
    space = {"name": "ofa"} if name in ("supervised", "sandwich") else {"name": "cnf"}
    strategy = {"name": "sandwich" if name in ("supervised", "sandwich") else "first-order"}
    tables = {
        "space": space,
        "strategy": strategy,
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "dataset": {"name": "synthetic", "train_images": PEOPLE, "val_images": 2},
        "training": {"workers": 0, "batch_size": PEOPLE},
        "precision": "32",
    }
    made = compose(recipe_from_tables(tables))
    splits = Splits(made, warn=pytest.fail, advance=lambda *_: None)
    with splits.training("train", seed=0) as loader:
        batch = next(iter(loader.epoch(0)))
    longer = {name: getattr(batch, name).to(dtype) for name in ("images", "keypoints", "labelled")}
    batch = replace(batch, **longer | {"labelled": torch.ones_like(longer["labelled"])})
    torch.manual_seed(0)
    if name == "sandwich":
        shared = SharedPoseNetwork(made.build, made.holder()).to(dtype)
        return shared, SandwichStep(made.space, 2, "truth+teacher"), batch  # type: ignore[arg-type]
    genotype = middle(made.space.dimensions()) if name != "supervised" else made.space.sample(Random(3))
    network = made.build(genotype).to(dtype)
    if name == "supervised":
        return network, SupervisedStep(), batch
    restore(made.space, network, genotype)
    learn_values(made.space, network, Learning(learning_rate=0.1))
    space_of_steps: Any = made.space
    if name == "synchronous":
        return network, SynchronousStep(space_of_steps, 0.1), batch
    return network, BilevelStep(space_of_steps, 1, 0.0, 0.1), batch


def stepped(
    name: str, dtype: torch.dtype, processes: Processes
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Return the gradients and the losses of a step, averaged over the processes."""
    network, step, batch = network_and_step(name, dtype)
    network.train()
    rows = list(processes.share(range(PEOPLE)))
    mine = {key: each[rows] for key, each in vars(batch).items() if isinstance(each, Tensor)}
    losses = step(network, replace(batch, **mine), Random(0), update=pytest.fail, progress=0.0)
    parameters = [each for each in network.parameters() if each.requires_grad]
    processes.average_gradients(parameters, people=len(rows))
    told = processes.means({key: float(each) for key, each in losses.items()}, people=len(rows))
    gradients = {key: each.grad for key, each in network.named_parameters() if each.grad is not None}
    return gradients, told


def all_stepped(processes: Processes) -> dict[str, Any]:
    """Return the gradients and the losses of every step in both precisions."""
    nn.BatchNorm2d.forward, Tensor.float = frozen, no_shorter  # type: ignore[method-assign]
    return {
        f"{name} {dtype}": stepped(name, dtype, processes)
        for name in STEPS
        for dtype in (torch.float64, torch.float32)
    }


def work(rank: int, port: int, file: Path) -> None:
    """Step as one of two processes; the first writes what came of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    processes = Processes(rank, 2)
    found = all_stepped(processes)
    if processes.first:
        torch.save(found, file)
    processes.gathered(None)
    distributed.destroy_process_group()


def largest_difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest difference of gradients, as a share of the largest gradient."""
    assert found.keys() == expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    return max(float((found[name] - each).abs().max()) for name, each in expected.items()) / largest


def test_two_processes_have_the_gradients_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setattr(nn.BatchNorm2d, "forward", frozen)  # put back afterwards
    monkeypatch.setattr(Tensor, "float", no_shorter)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, tmp_path / "found.pt"), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    for name, (gradients, losses) in all_stepped(ALONE).items():
        others, told = found[name]
        assert len(gradients) > 10
        assert told == pytest.approx(losses, rel=1e-5), name
        allowed = 1e-10 if "float64" in name else 1e-4
        assert largest_difference(others, gradients) <= allowed, name
