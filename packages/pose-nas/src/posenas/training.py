"""The training loop: checkpointed every epoch, the same bits whether it was interrupted or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, Protocol, cast

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from posenas.batches import Batch
from posenas.checkpoint import load_checkpoint, save_checkpoint
from posenas.errors import PosenasError
from posenas.network import PoseNetwork
from posenas.protocols import HeadModule
from posenas.randomness import derive_rng, derive_seed


@dataclass(frozen=True)
class TrainingSettings:
    """The `[training]` table of a recipe; the learning rate is for every training of the run."""

    batch_size: Annotated[int, "people in a step", Ge(1)] = 16
    learning_rate: Annotated[float, "AdamW's, at its highest", Gt(0)] = 3e-3
    weight_decay: Annotated[float, "AdamW's, on weights with more than one axis", Ge(0)] = 0.01
    schedule: Annotated[Literal["cosine", "step"], "cosine to zero, or a tenth at 80 % and again at 92 %"] = (
        "cosine"
    )
    warm_up: Annotated[
        float, "share of the steps in which the learning rate rises from zero", Ge(0), Lt(1)
    ] = 0.05
    clip_norm: Annotated[float, "the gradient's norm is cut to this; 0 leaves it", Ge(0)] = 0.0
    workers: Annotated[
        int, "processes that load and warp images; 0 does it in the main one", Ge(0), Le(256)
    ] = 1
    cache: Annotated[int, "MiB of decoded images that each loading process keeps", Ge(0)] = 768
    max_unreadable: Annotated[float, "share of unreadable images above which the run stops", Ge(0), Lt(1)] = (
        0.05
    )


class Step(Protocol):
    """One training step's losses; leaves the gradients in the network. Its repr() is part of what a
    training is known by, so it is a frozen dataclass."""

    def __call__(self, network: Any, batch: Batch, rng: Random) -> Mapping[str, float]: ...


class EpochSource(Protocol):
    """Batches of an epoch by its number, the same ones each time it is asked."""

    @property
    def steps(self) -> int: ...

    def epoch(self, number: int) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class SupervisedStep:
    """Plain training of one network against the truth."""

    def __call__(self, network: PoseNetwork, batch: Batch, rng: Random) -> Mapping[str, float]:  # noqa: ARG002
        head = cast(HeadModule, network.head)
        loss = head.loss(network(batch.images), head.targets(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": float(loss.detach())}


class DivergedError(PosenasError):
    """A loss is no longer a number."""


@dataclass(frozen=True)
class Watch:
    """What a training tells while it goes on: after every step, and after every epoch."""

    step: Callable[[int, int], None]
    epoch: Callable[[int, int, Mapping[str, float]], None]


def train(
    network: nn.Module,
    source: EpochSource,
    *,
    step: Step,
    epochs: int,
    settings: TrainingSettings,
    seed: int,
    checkpoint: Path,
    watch: Watch,
) -> None:
    """Trains in place, from the checkpoint where there is one.

    Everything random in an epoch derives from the seed and the epoch's number, so a checkpoint needs no
    generator states and an epoch that was killed midway is simply done again.

    Raises:
        DivergedError: where a loss is not finite; the last epoch's checkpoint stays.
    """
    network.train()
    optimizer = make_optimizer(network, settings)
    done = load_checkpoint(checkpoint, network=network, optimizer=optimizer)
    total = epochs * source.steps
    for epoch in range(done, epochs):
        torch.manual_seed(derive_seed(seed, "torch", epoch))
        rng = derive_rng(seed, "step", epoch)
        sums: dict[str, float] = {}
        for index, batch in enumerate(source.epoch(epoch)):
            position = epoch * source.steps + index
            _set_learning_rate(optimizer, settings.learning_rate * schedule(position / total, settings))
            losses = step(network, batch, rng)
            _check_finite(losses, epoch=epoch, step=index)
            if settings.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value / source.steps
            watch.step(position + 1, total)
        save_checkpoint(checkpoint, network=network, optimizer=optimizer, epoch=epoch + 1)
        watch.epoch(epoch + 1, epochs, sums)


def make_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation are not decayed."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in network.parameters():
        (free if parameter.numel() == parameter.shape[0] else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.learning_rate, fused=True
    )


def schedule(progress: float, settings: TrainingSettings) -> float:
    """The learning rate's factor at a progress in [0, 1)."""
    if progress < settings.warm_up:
        return (progress + 1e-3) / (settings.warm_up + 1e-3)
    if settings.schedule == "step":
        return 1.0 if progress < 0.80 else 0.1 if progress < 0.92 else 0.01
    return 0.5 * (1.0 + math.cos(math.pi * (progress - settings.warm_up) / (1.0 - settings.warm_up)))


def _set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _check_finite(losses: Mapping[str, float], *, epoch: int, step: int) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"training diverged: {name} is {value} in epoch {epoch + 1}, step {step + 1}; "
                "start a new run with a lower training.learning_rate, or with training.clip_norm=1"
            )
