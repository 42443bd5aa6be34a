"""Two processes with half of each batch take the steps of one process with all of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
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
from torch import distributed, multiprocessing, nn

SETTINGS = TrainingSettings(batch_size=6, learning_rate=0.05, clip_norm=1.0, optimizer="adam", accumulate=2)


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


def trained(processes: Processes, folder: Path) -> tuple[dict[str, Any], list[float], bool]:
    """Return the weights, the losses, and whether the unused layer has no gradient after a training."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    losses: list[float] = []
    train(
        network,
        Numbers(processes),
        step=FirstLayerStep(),
        epochs=2,
        settings=SETTINGS,
        seed=1,
        checkpoint=folder / f"of-{processes.count}.safetensors",
        watch=Watch(lambda *_: None, lambda _epoch, _epochs, told: losses.append(told["loss"])),
        processes=processes,
    )
    unused = all(each.grad is None for each in network[1].parameters())
    weights = {name: each.numpy() for name, each in network.state_dict().items()}
    return weights, losses, unused


def work(rank: int, port: int, folder: Path) -> None:
    """Train as one of two processes, and write what came of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    processes = Processes(rank, 2)
    assert processes.broadcast("first" if processes.first else "second") == "first"
    assert processes.gathered(rank) == [0, 1]
    weights, losses, unused = trained(processes, folder)
    np.savez(folder / f"rank-{rank}.npz", losses=losses, unused=unused, **weights)
    processes.gathered(None)
    distributed.destroy_process_group()


def test_two_processes_take_the_steps_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, tmp_path), nprocs=2)
    weights, losses, unused = trained(ALONE, tmp_path)
    assert unused
    for rank in range(2):
        with np.load(tmp_path / f"rank-{rank}.npz") as found:
            assert found["unused"]
            np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
            for name, expected in weights.items():
                np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-10)
    assert (tmp_path / "of-2.safetensors").exists()


def test_shares_make_up_the_batches() -> None:
    whole = [positions for _, positions in _EpochOrder(10, batch_size=5, seed=3, processes=ALONE)]
    parts = [
        [positions for _, positions in _EpochOrder(10, batch_size=5, seed=3, processes=Processes(rank, 2))]
        for rank in range(2)
    ]
    assert [sorted(first + second) for first, second in zip(*parts, strict=True)] == [*map(sorted, whole)]


def test_a_batch_with_fewer_people_than_processes_is_refused() -> None:
    with pytest.raises(PosenasError, match="3 processes cannot share a batch of 2"):
        _EpochOrder(10, batch_size=2, seed=0, processes=Processes(0, 3))


def test_a_neighbour_stands_for_a_share_that_cannot_be_read() -> None:
    first, second = batch_of(torch.zeros(1, 3)), batch_of(torch.ones(1, 3))
    found = list(_none_missing(iter([None, first, None, second])))
    assert [int(each.images[0, 0]) for each in found] == [0, 0, 0, 1]
