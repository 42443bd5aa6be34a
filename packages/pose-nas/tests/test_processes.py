"""Two processes with half of each batch take the steps of one process with all of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.data.loader import _EpochOrder, _none_missing
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from posenas.networks.processes import ALONE, Processes
from posenas.networks.synchronised import SynchronisedNorms
from torch import distributed, multiprocessing, nn

SETTINGS = TrainingSettings(batch_size=6, learning_rate=0.05, clip_norm=1.0, optimizer="adam", accumulate=2)
SYNCHRONISED = replace(SETTINGS, batch_norm="synchronised", optimizer="sgd")
ALLOWED = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 0.02}
"""How far gradients of two processes may be from those of one, by the type of their images."""


def batch_of(images: torch.Tensor) -> Batch:
    nothing = torch.zeros(len(images), 1, 2)
    return Batch(images=images, keypoints=nothing, labelled=nothing[..., 0].bool())


@dataclass(frozen=True)
class Numbers:
    """A source of batches of random numbers, of which a process gets its share."""

    processes: Processes
    steps: int = 4

    def epoch(self, number: int) -> Iterator[Batch]:
        rows = torch.randn(self.steps, 5, 3, generator=torch.Generator().manual_seed(number)).double()
        for whole in rows:
            yield batch_of(whole[list(self.processes.share(range(5)))])


@dataclass(frozen=True)
class FirstLayerStep:
    """A step whose loss is a mean over the people; the second layer has no part in it."""

    def __call__(
        self, network: Any, batch: Batch, rng: Random, *, update: Any, progress: float
    ) -> dict[str, torch.Tensor]:
        del rng, update, progress
        loss = (network[0](batch.images).tanh().pow(2).sum(1) - 1).pow(2).mean()
        loss.backward()
        return {"loss": loss.detach()}


def trained(
    processes: Processes, folder: Path, settings: TrainingSettings = SETTINGS
) -> tuple[dict[str, Any], list[float], bool]:
    """Return the weights, the losses, and whether the unused layer has no gradient after a training."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4) if settings is SYNCHRONISED else nn.Identity())
    network = nn.Sequential(first, nn.Linear(4, 2)).double()
    losses: list[float] = []
    train(
        network,
        Numbers(processes),
        step=FirstLayerStep(),
        epochs=2,
        settings=settings,
        seed=1,
        checkpoint=folder / f"{settings.batch_norm}-{processes.count}.safetensors",
        watch=Watch(lambda *_: None, lambda _epoch, _epochs, told: losses.append(told["loss"])),
        processes=processes,
    )
    unused = all(each.grad is None for each in network[1].parameters())
    weights = {name: each.numpy() for name, each in network.state_dict().items()}
    return weights, losses, unused


def norm_gradients(processes: Processes, dtype: torch.dtype) -> torch.Tensor:
    """Return gradients through a batch norm of values around 100; refuse gradients of gradients."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2).to(torch.float64 if dtype == torch.float64 else torch.float32)
    values = (100 + torch.randn(5, 2, 3, 2).double())[list(processes.share(range(5)))]
    factor = torch.ones(2, 1, 1, dtype=norm.weight.dtype, requires_grad=True)
    synchronised = SynchronisedNorms(processes, people=len(values))
    with nullcontext() if processes.alone else synchronised:
        normalised = norm((values + factor * (values - 100).square()).to(dtype))
        assert normalised.dtype == dtype
        loss = (normalised.double().tanh() * (values - 100)).mean()
        if not processes.alone:
            with pytest.raises(PosenasError, match="differentiates a gradient again"):
                torch.autograd.grad(loss, factor, retain_graph=True, create_graph=True)
        loss.backward()
    return torch.cat([factor.grad.flatten(), norm.weight.grad, norm.bias.grad]).double()


def work(rank: int, port: int, folder: Path) -> None:
    """Train as one of two processes, and write what came of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    processes = Processes(rank, 2)
    assert processes.broadcast("first" if processes.first else "second") == "first"
    assert processes.gathered(rank) == [0, 1]
    for settings in (SETTINGS, SYNCHRONISED):
        weights, losses, unused = trained(processes, folder, settings)
        file = folder / f"{settings.batch_norm}-{rank}.npz"
        np.savez(file, losses=losses, unused=unused, **weights)
    gradients = {f"{dtype}": norm_gradients(processes, dtype).numpy() for dtype in ALLOWED}
    np.savez(folder / f"gradients-{rank}.npz", **gradients)
    processes.gathered(None)
    distributed.destroy_process_group()


def test_two_processes_take_the_steps_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, tmp_path), nprocs=2)
    for settings in (SETTINGS, SYNCHRONISED):
        weights, losses, unused = trained(ALONE, tmp_path, settings)
        assert unused
        for rank in range(2):
            with np.load(tmp_path / f"{settings.batch_norm}-{rank}.npz") as found:
                assert found["unused"]
                np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
                for name, expected in weights.items():
                    np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-10)
        assert (tmp_path / f"{settings.batch_norm}-2.safetensors").exists()
    for dtype, allowed in ALLOWED.items():
        parts = [np.load(tmp_path / f"gradients-{rank}.npz")[f"{dtype}"] for rank in range(2)]
        expected = norm_gradients(ALONE, dtype)
        np.testing.assert_allclose((3 * parts[0] + 2 * parts[1]) / 5, expected, rtol=0, atol=allowed)


def test_shares_make_up_the_batches() -> None:
    def read(processes: Processes) -> list[list[int]]:
        order = _EpochOrder(10, batch_size=5, seed=3, augmentation=None, processes=processes)
        return [key.positions for key in order.epoch(0)]

    whole, parts = read(ALONE), [read(Processes(rank, 2)) for rank in range(2)]
    assert [sorted(first + second) for first, second in zip(*parts, strict=True)] == [*map(sorted, whole)]


def test_a_batch_with_fewer_people_than_processes_is_refused() -> None:
    with pytest.raises(PosenasError, match="3 processes cannot share a batch of 2"):
        _EpochOrder(10, batch_size=2, seed=0, augmentation=None, processes=Processes(0, 3))


def test_a_neighbour_stands_for_a_share_that_cannot_be_read() -> None:
    first, second = batch_of(torch.zeros(1, 3)), batch_of(torch.ones(1, 3))
    found = list(_none_missing(iter([None, first, None, second])))
    assert [int(each.images[0, 0]) for each in found] == [0, 0, 0, 1]
