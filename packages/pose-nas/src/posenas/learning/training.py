"""The training loop: checkpointed every epoch, the same bits whether it was interrupted or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule
from posenas.contract.errors import PosenasError
from posenas.contract.goals import Objective
from posenas.contract.problem import Span, Step, Update
from posenas.contract.randomness import derive_rng, derive_seed
from posenas.data.loader import BatchLoader
from posenas.learning.architecture import Architecture
from posenas.learning.averaging import MovingAverage
from posenas.learning.mean_losses import MeanLosses, check_finite
from posenas.learning.optimizers import make_optimizers
from posenas.learning.schedule import learning_rate
from posenas.learning.settings import TrainingSettings, check_lengths
from posenas.learning.updates import Updates
from posenas.networks.loss_scale import LossScale
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.processes import ALONE, Processes
from posenas.networks.synchronised import SynchronisedNorms
from posenas.runs.checkpoint import BestEpoch, load_checkpoint, save_checkpoint

Passes: TypeAlias = Callable[[Tensor, Any], Any]
"""What gives a network's outputs for (N, 3, H, W) images and the targets that its head encoded of them."""

_AVERAGE, _LOSS_SCALE = "average.", "loss_scale."


@dataclass(frozen=True)
class SupervisedStep:
    """Plain training of one network against the truth."""

    def __call__(
        self,
        network: PoseNetwork,
        batch: Batch,
        rng: Random,  # noqa: ARG002
        *,
        update: Update,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> Mapping[str, Tensor]:
        """Add the gradients of the head's loss, and return the loss; for the arguments see `Step`."""
        return supervise(network, batch, passes=network)


def supervise(network: PoseNetwork, batch: Batch, *, passes: Passes) -> Mapping[str, Tensor]:
    """Add the gradients of the head's loss on a batch, and return the loss.

    Args:
        network: the one in training.
        batch: what it learns from.
        passes: gives the network's outputs for images and targets: itself, or what does the same.
    """
    head = cast(HeadModule, network.head)
    targets = head.targets(batch)
    loss = head.loss(passes(batch.images, targets), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    return {"loss": loss.detach()}


@dataclass(frozen=True)
class Watch:
    """What a training tells while it goes on.

    Attributes:
        step: told after every batch how many of the whole training's batches are done, and of how many.
        epoch: told after every epoch its number from 1, how many there are in the whole, and the mean losses.
    """

    step: Callable[[int, int], None]
    epoch: Callable[[int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Notes:
    """What a training notes after each epoch.

    Attributes:
        take: gives the note, as plain data.
        taken: the notes of all finished epochs of the whole training, those before a kill too.
    """

    take: Callable[[], Any]
    taken: list[Any] = field(default_factory=list)


def train(
    network: nn.Module,
    source: BatchLoader,
    *,
    step: Step,
    epochs: int,
    settings: TrainingSettings,
    seed: int,
    checkpoint: Path,
    watch: Watch,
    validate: Callable[[nn.Module], float] | None = None,
    objective: Objective | None = None,
    architecture: Architecture | None = None,
    notes: Notes | None = None,
    span: Span | None = None,
    state: Path | None = None,
    loss_scale: LossScale | None = None,
    processes: Processes = ALONE,
) -> float | None:
    """Train a network in place, from the checkpoint where there is one.

    Everything random in an epoch derives from the seed and the epoch's number, so a checkpoint needs no
    generator states and an epoch that was killed midway is simply done again. For the same reason a training
    in slices gives the bits of one that was never cut.

    Args:
        network: the network, on the device to train on.
        source: the batches of each epoch.
        step: how each batch trains the network.
        epochs: how many epochs this call trains.
        settings: the optimiser, the learning rate and its schedule.
        seed: the same in every slice of a whole training.
        checkpoint: a file that is written after every epoch.
        watch: told what goes on.
        validate: the network's loss on other people, asked after each epoch without gradients and with the
            network in evaluation mode. The network ends with the weights and buffers of the epoch in
            which it was least, the first of several.
        objective: what `validate` gives instead of a loss: a score of which the best epoch has the best one.
            It may be NaN, which no other is worse than.
        architecture: those of the network's parameters that learn in a way of their own.
        notes: what is noted after each epoch, and kept in the checkpoint.
        span: the place of these epochs in the whole training; None where they are the whole.
        state: the checkpoint of the slice before, with which a later slice begins.
        loss_scale: of a network that computes in fp16; begins anew with the training.
        processes: that train the network together. Each gets its share of the batches from its source, and
            process 0 alone writes the checkpoint and validates.

    Returns:
        The least validation loss, or the best score; None where nothing was validated.

    Raises:
        DivergedError: where a loss is not finite, told within 50 steps; the last epoch's checkpoint stays.
        PosenasError: where the state is not that of the epoch with which the span begins.
    """
    network.train()
    span = span or Span(0, epochs)
    _check_lengths(settings, source, span.of)
    optimizers = make_optimizers(network, settings, architecture)
    resumed = checkpoint.exists()
    begun = load_checkpoint(
        checkpoint if resumed or state is None else state,
        network=network,
        optimizers=optimizers,
        validated=validate is not None,
    )
    if not resumed and begun.epoch != span.begin:
        raise PosenasError(
            f"the state of a training is that after epoch {begun.epoch} of {span.of}, and it is to go on "
            f"after epoch {span.begin}; begin with the weights of the slice before"
        )
    _check_together(processes, begun.epoch, checkpoint)
    best = begun.best
    if notes:
        notes.taken[:] = begun.notes
    average = _average(network, settings, architecture, _part(begun.state, _AVERAGE))
    if loss_scale:
        loss_scale.restore(_part(begun.state, _LOSS_SCALE))
    training = _Training(
        network, optimizers, source, step, span.of, settings, seed, watch, average, loss_scale, processes
    )
    for epoch in range(begun.epoch, span.begin + epochs):
        losses = training.epoch(epoch)
        processes.take_first(network.state_dict().values())
        if validate and processes.first:
            with average.shown() if average else nullcontext():
                figure = _validated(network, validate, losses, objective, place=f"epoch {epoch + 1}")
                if best is None or figure < best.loss:
                    best = BestEpoch.of(network, figure, replaced=best)
        if notes:
            notes.taken.append(notes.take())
        if processes.first:
            save_checkpoint(
                checkpoint,
                network=network,
                optimizers=optimizers,
                epoch=epoch + 1,
                seed=seed,
                best=best,
                notes=notes.taken if notes else (),
                state=training.tensors(),
            )
        watch.epoch(epoch + 1, span.of, losses)
    if best is not None:
        network.load_state_dict(best.weights)
        return -best.loss if objective and objective.maximize else best.loss
    if average:
        average.exchange()
    return None


@dataclass(frozen=True)
class _Training:
    """What stays the same from epoch to epoch; `epochs` are those of the whole training."""

    network: nn.Module
    optimizers: Mapping[str, torch.optim.Optimizer]
    source: BatchLoader
    step: Step
    epochs: int
    settings: TrainingSettings
    seed: int
    watch: Watch
    average: MovingAverage | None
    loss_scale: LossScale | None
    processes: Processes

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds beside network and optimisers."""
        kept = {_AVERAGE: self.average, _LOSS_SCALE: self.loss_scale}
        return {
            prefix + name: tensor
            for prefix, each in kept.items()
            if each is not None
            for name, tensor in each.tensors().items()
        }

    def epoch(self, number: int) -> dict[str, float]:
        """Train for one epoch, and return the mean of each loss over its batches."""
        torch.manual_seed(derive_seed(self.seed, "torch", number))
        rng = derive_rng(self.seed, "step", number)
        steps, accumulate = self.source.steps, self.settings.accumulate
        updates = Updates(
            self.network,
            self.optimizers,
            clip_norm=self.settings.clip_norm,
            moved=self.average.update if self.average else None,
            loss_scale=self.loss_scale,
            processes=self.processes,
        )
        people = 0
        with MeanLosses(number + 1, steps=steps) as losses:
            for index, batch in enumerate(self.source.epoch(number)):
                self._set_rates(number, index // accumulate)
                updates.begin(len(batch.images))
                people += len(batch.images)
                progress = (number * steps + index) / (self.epochs * steps)
                with self._norms(len(batch.images)):
                    told = self.step(self.network, batch, rng, update=updates.update, progress=progress)
                losses.add(told)
                updates.end(due=(index + 1) % accumulate == 0)
                self.watch.step(number * steps + index + 1, self.epochs * steps)
            updates.move_rest()
        return self.processes.means(losses.means, people=people)

    def _norms(self, people: int) -> AbstractContextManager[object]:
        """Return the context of a batch with so many people, in which batch norms see whom they should."""
        if self.processes.alone or self.settings.batch_norm == "process":
            return nullcontext()
        return SynchronisedNorms(self.processes, people=people)

    def _set_rates(self, epoch: int, update: int) -> None:
        updates = math.ceil(self.source.steps / self.settings.accumulate)
        steps = self.epochs * updates
        progress = (epoch * updates + update) / steps
        rate = learning_rate(progress, self.settings, epochs=self.epochs, steps=steps)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                fixed = group.get("fixed_rate")
                group["lr"] = rate if fixed is None else fixed


def _check_together(processes: Processes, epoch: int, checkpoint: Path) -> None:
    """Wait until every process has read the checkpoint; refuse to go on from different ones."""
    epochs = processes.gathered(epoch)
    if len(set(epochs)) > 1:
        raise PosenasError(
            f"{checkpoint}: the processes find it after different epochs ({', '.join(map(str, epochs))}); "
            "the run's folder must be on a disk that all of them share"
        )


def _check_lengths(settings: TrainingSettings, source: BatchLoader, epochs: int) -> None:
    """Refuse milestones and a warm-up that do not fit into the training."""
    check_lengths(settings, epochs, where="table [training]")
    steps = epochs * math.ceil(source.steps / settings.accumulate)
    if settings.warm_up_steps >= steps:
        raise PosenasError(
            f"training.warm_up_steps is {settings.warm_up_steps}, and this training has {steps} steps; "
            "lower it"
        )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def _average(
    network: nn.Module,
    settings: TrainingSettings,
    architecture: Architecture | None,
    state: Mapping[str, Tensor],
) -> MovingAverage | None:
    """Return the moving average of the weights as a checkpoint has it; None where there is to be none.

    Args:
        network: the one in training.
        settings: say how the average moves.
        architecture: parameters that are not averaged: they say which network it is.
        state: of the checkpoint; empty at the beginning.
    """
    if not settings.ema_decay:
        return None
    left_out = architecture.parameters if architecture else ()
    average = MovingAverage(network, decay=settings.ema_decay, ramp=settings.ema_ramp, left_out=left_out)
    if state:
        average.restore(state)
    return average


def _validated(
    network: nn.Module,
    validate: Callable[[nn.Module], float],
    told: dict[str, float],
    objective: Objective | None,
    *,
    place: str,
) -> float:
    """Validate the network, and return a figure that is the smaller the better it is.

    Args:
        network: stays in training mode.
        validate: gives a loss, or a score where there is an objective.
        told: gets what the display shows.
        objective: the score's name and direction.
        place: names the epoch, for errors.
    """
    network.eval()
    with torch.no_grad():
        figure = float(validate(network))
    network.train()
    if objective is None:
        check_finite("validation", figure, place=place)
        told["validation"] = figure
        return figure
    if math.isnan(figure):
        return math.inf
    told[objective.name] = figure
    return -figure if objective.maximize else figure
