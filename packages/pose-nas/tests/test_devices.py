"""What is set for a GPU, and how kernels are laid out for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.composing.building import compute_for, make
from posenas.contract.errors import PosenasError
from posenas.learning.optimizers import make_optimizers
from posenas.learning.settings import TrainingSettings
from posenas.networks.devices import (
    Compute,
    choose_compute,
    lay_channels_last,
    loading_processes,
    place,
    use_switches,
)
from posenas.networks.sharing import SharedWeights
from posenas.runs.checkpoint import load_checkpoint, save_checkpoint
from posenas.runs.recipe import ComponentChoice, Recipe, recipe_digest, recipe_from_tables, recipe_tables
from torch import Tensor, nn

CUDA = torch.device("cuda")


@pytest.fixture
def _switches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put torch's switches back afterwards."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.backends.cudnn.benchmark = benchmark
    torch.use_deterministic_algorithms(False)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def found() -> tuple[bool, bool, bool, bool]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.usefixtures("_switches")
def test_what_is_set_for_a_gpu() -> None:
    before = found()
    use_switches(Compute(torch.device("cpu"), None, deterministic=True))
    assert found() == before
    use_switches(Compute(CUDA, None, tf32=True))
    assert found() == (True, True, True, False)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    use_switches(Compute(CUDA, None, deterministic=True))
    assert found() == (False, False, False, True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.usefixtures("_switches")
def test_a_recipe_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    recipe = Recipe(space=ComponentChoice("fixed"), device="cuda", precision="tf32", deterministic=True)
    compute = compute_for(recipe, make("space", recipe.space))
    assert (compute.precision, compute.repeats) == ("tf32", True)
    assert found() == (True, True, False, True)


def test_which_computations_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PosenasError, match="precision 'tf32' is for CUDA devices; on a CPU use"):
        choose_compute("cpu", "tf32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not choose_compute("cuda", "32").repeats
    assert choose_compute("cuda", "32", deterministic=True).repeats
    assert choose_compute("cpu", "32").repeats


def test_recipes_from_before_keep_their_digest() -> None:
    assert "deterministic" not in recipe_tables(Recipe())
    chosen = recipe_from_tables({"deterministic": True})
    assert recipe_from_tables(recipe_tables(chosen)) == chosen
    assert recipe_digest(chosen) != recipe_digest(Recipe())
    with pytest.raises(PosenasError, match="deterministic = 'yes': expected true or false"):
        recipe_from_tables({"deterministic": "yes"})


def test_a_cpu_leaves_kernels_as_they_are() -> None:
    network = nn.Conv2d(3, 8, 3)
    assert place(network, torch.device("cpu")).weight.is_contiguous()


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))


def images() -> Tensor:
    drawn = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    return drawn.contiguous(memory_format=torch.channels_last)


def trained(file: Path, optimizer: Any, *, turned: bool) -> dict[str, Tensor]:
    """Take two steps, or the second one after the first of the file, and return the weights."""
    network = convolutions()
    if turned:
        lay_channels_last(network)
    optimizers = make_optimizers(network, TrainingSettings(optimizer=optimizer))
    begun = load_checkpoint(file, network=network, optimizers=optimizers).epoch
    for step in range(begun, 2):
        network(images()).square().mean().backward()
        for each in optimizers.values():
            each.step()
            each.zero_grad()
        if step == 0:
            save_checkpoint(file, network=network, optimizers=optimizers, epoch=1, seed=0)
    assert network.get_parameter("2.weight").is_contiguous() is not turned
    return network.state_dict()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_kernels_that_lie_channels_last_resume(tmp_path: Path, optimizer: str) -> None:
    plain = trained(tmp_path / "plain", optimizer, turned=False)
    turned = trained(tmp_path / "turned", optimizer, turned=True)
    resumed = trained(tmp_path / "turned", optimizer, turned=True)
    torch.testing.assert_close(resumed, turned, rtol=0, atol=0)
    torch.testing.assert_close(turned, plain)


def test_networks_of_shared_weights_lie_as_those_do() -> None:
    gradients = []
    for turned in (False, True):
        shared = SharedWeights(convolutions())
        if turned:
            lay_channels_last(shared)
        part = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3))
        network = shared.activate(part)
        weight, kept = network.get_parameter("2.weight"), shared.get_parameter("largest.2.weight")
        assert weight.is_contiguous() is not turned
        network(images()).square().mean().backward()
        assert kept.grad is not None
        assert kept.grad.stride() == kept.stride()
        gradients.append(kept.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("cores", "beside", "on_cpu", "on_gpu"),
    [(1, 1, 1, 1), (2, 1, 1, 1), (4, 1, 1, 3), (16, 1, 2, 8), (16, 4, 1, 3), (16, 16, 1, 1), (224, 2, 8, 8)],
)
def test_loading_processes_share_the_cores_with_what_trains(
    cores: int, beside: int, on_cpu: int, on_gpu: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(cores))
    assert loading_processes("auto", torch.device("cpu"), beside=beside) == on_cpu
    assert loading_processes("auto", CUDA, beside=beside) == on_gpu
    assert [loading_processes(number, CUDA, beside=beside) for number in (0, 12)] == [0, 12]
