"""The training loop: checkpointed every epoch, the same bits whether it was interrupted or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol, cast

import torch
from torch import nn

from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Step
from posenas.contract.randomness import derive_rng, derive_seed
from posenas.learning.optimizers import Architecture, make_optimizer, scale_gradients
from posenas.learning.schedule import learning_rate
from posenas.learning.settings import TrainingSettings
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.checkpoint import BestEpoch, load_checkpoint, save_checkpoint

__all__ = [
    "DivergedError",
    "EpochSource",
    "SupervisedStep",
    "Watch",
    "make_optimizer",
    "train",
]


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
        targets = head.targets(batch)
        loss = head.loss(network(batch.images, targets), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": float(loss.detach())}


class DivergedError(PosenasError):
    """A loss is no longer a number."""


@dataclass(frozen=True)
class Watch:
    """What a training tells while it goes on: after every batch, and after every epoch."""

    step: Callable[[int, int], None]
    epoch: Callable[[int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Notes:
    """What a training notes after each epoch.

    Attributes:
        take: gives the note, as plain data.
        taken: the notes of all finished epochs, those before a kill too.
    """

    take: Callable[[], Any]
    taken: list[Any] = field(default_factory=list)


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
    validate: Callable[[nn.Module], float] | None = None,
    architecture: Architecture | None = None,
    notes: Notes | None = None,
) -> float | None:
    """Trains in place, from the checkpoint where there is one.

    Everything random in an epoch derives from the seed and the epoch's number, so a checkpoint needs no
    generator states and an epoch that was killed midway is simply done again.

    Args:
        validate: the network's loss on other people, asked after each epoch without gradients and with the
            network in evaluation mode. The network ends with the weights and buffers of the epoch in
            which it was least, the first of several.
        architecture: those of the network's parameters that learn in a way of their own.
        notes: what is noted after each epoch, and kept in the checkpoint.

    Returns:
        The least validation loss; None where nothing was validated.

    Raises:
        DivergedError: where a loss is not finite; the last epoch's checkpoint stays.
    """
    network.train()
    optimizer = make_optimizer(network, settings, architecture)
    begun = load_checkpoint(checkpoint, network=network, optimizer=optimizer, validated=validate is not None)
    done, best = begun.epoch, begun.best
    if notes:
        notes.taken[:] = begun.notes
    training = _Training(network, optimizer, source, step, epochs, settings, seed, watch)
    for epoch in range(done, epochs):
        losses = training.epoch(epoch)
        if validate:
            losses["validation"] = loss = _validation_loss(network, validate)
            _check_finite({"validation": loss}, place=f"epoch {epoch + 1}")
            if best is None or loss < best.loss:
                best = BestEpoch.of(network, loss, replaced=best)
        if notes:
            notes.taken.append(notes.take())
        save_checkpoint(
            checkpoint,
            network=network,
            optimizer=optimizer,
            epoch=epoch + 1,
            best=best,
            notes=notes.taken if notes else (),
        )
        watch.epoch(epoch + 1, epochs, losses)
    if best is None:
        return None
    network.load_state_dict(best.weights)
    return best.loss


@dataclass(frozen=True)
class _Training:
    """What stays the same from epoch to epoch."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    source: EpochSource
    step: Step
    epochs: int
    settings: TrainingSettings
    seed: int
    watch: Watch

    def epoch(self, number: int) -> dict[str, float]:
        """Trains for one epoch; the mean of each loss over its batches.

        Between two steps the gradients are kept as (sum of people x gradient) / people of the last batch, so
        that each batch may just add its own, and those of equal batches need no scaling until the step.
        """
        torch.manual_seed(derive_seed(self.seed, "torch", number))
        rng = derive_rng(self.seed, "step", number)
        steps, accumulate = self.source.steps, self.settings.accumulate
        means: dict[str, float] = {}
        people = last = index = 0
        for index, batch in enumerate(self.source.epoch(number)):
            size = len(batch.images)
            if people:
                scale_gradients(self.network, last / size)
            losses = self.step(self.network, batch, rng)
            _check_finite(losses, place=f"epoch {number + 1}, step {index + 1}")
            people, last = people + size, size
            if (index + 1) % accumulate == 0:
                self._update(number, index // accumulate, share=last / people)
                people = 0
            for name, value in losses.items():
                means[name] = means.get(name, 0.0) + value / steps
            self.watch.step(number * steps + index + 1, self.epochs * steps)
        if people:
            self._update(number, index // accumulate, share=last / people)
        return means

    def _update(self, epoch: int, update: int, *, share: float) -> None:
        """The optimiser's step; `share` makes a mean of the gradients that have been added up."""
        updates = math.ceil(self.source.steps / self.settings.accumulate)
        progress = (epoch * updates + update) / (self.epochs * updates)
        for group in self.optimizer.param_groups:
            fixed = group.get("fixed_rate")
            group["lr"] = learning_rate(progress, self.settings) if fixed is None else fixed
        scale_gradients(self.network, share)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)


def _validation_loss(network: nn.Module, validate: Callable[[nn.Module], float]) -> float:
    network.eval()
    with torch.no_grad():
        loss = validate(network)
    network.train()
    return float(loss)


def _check_finite(losses: Mapping[str, float], *, place: str) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"training diverged: {name} is {value} in {place}; "
                "start a new run with a lower training.learning_rate, or with training.clip_norm=1"
            )
