"""The settings of every training of a run, or of one of its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from posenas.contract.errors import PosenasError

WHOLE_RUN = ("workers", "cache", "parallel", "max_unreadable")
"""The settings that no phase may have otherwise: they say how a run loads its images."""


@dataclass(frozen=True)
class TrainingSettings:
    """The `[training]` table of a recipe, which holds for every training of the run; in the tables
    `[training.shared]`, `[training.candidate]` and `[training.final]` stands what differs in a phase."""

    batch_size: Annotated[int, "people in a batch, or whole images", Ge(1)] = 16
    accumulate: Annotated[int, "batches whose gradients make one step", Ge(1)] = 1
    learning_rate: Annotated[float, "the highest learning rate", Gt(0)] = 3e-3
    reference_batch: Annotated[
        int,
        "people in a step that learning_rate is meant for, scaled to the real number; 0 does not scale",
        Ge(0),
    ] = 0
    optimizer: Annotated[
        Literal["adamw", "adam", "sgd", "rmsprop"], "all but adamw add weight_decay x weight to the gradient"
    ] = "adamw"
    momentum: Annotated[float, "of sgd and rmsprop", Ge(0), Lt(1)] = 0.9
    nesterov: Annotated[bool, "Nesterov's momentum, of sgd"] = False
    betas: Annotated[tuple[float, float], "how slowly adam and adamw forget gradients, and their squares"] = (
        0.9,
        0.999,
    )
    weight_decay: Annotated[float, "weight decay, on weights with more than one axis", Ge(0)] = 0.01
    decay_depthwise: Annotated[bool, "whether weight decay is on depthwise kernels too"] = True
    schedule: Annotated[
        Literal["cosine", "step", "constant"],
        "the learning rate after the warm-up: a cosine to zero, steps down at the milestones, or no change",
    ] = "cosine"
    milestones: Annotated[
        tuple[float, ...], "where schedule step goes down: shares of the training, or from 1 on epochs"
    ] = (0.8, 0.92)
    decay_factor: Annotated[float, "factor of the learning rate at each milestone", Gt(0), Lt(1)] = 0.1
    least_rate: Annotated[
        float, "share of learning_rate at which a cosine ends, and below which no step goes", Ge(0), Lt(1)
    ] = 0.0
    warm_up: Annotated[
        float, "share of the steps in which the learning rate rises, or from 1 on epochs", Ge(0)
    ] = 0.05
    warm_up_steps: Annotated[int, "steps in which the learning rate rises; then leave out warm_up", Ge(0)] = 0
    warm_up_from: Annotated[
        float, "share of the learning rate at which it begins to rise; 0 is nearly none", Ge(0), Le(1)
    ] = 0.0
    ema_decay: Annotated[
        float,
        "share of the weights' moving average that stays in each step; 0 takes the weights themselves",
        Ge(0),
        Lt(1),
    ] = 0.0
    ema_ramp: Annotated[
        int,
        "steps over which that share rises: ema_decay x (1 - exp(-step / ema_ramp)); 0 has it at once",
        Ge(0),
    ] = 0
    keep: Annotated[
        Literal["last", "best"],
        "the epoch whose weights are kept: the last, or the best by the first objective on the ranking "
        "people; with last, candidates that are trained side by side keep that of the least loss",
    ] = "last"
    batch_norm: Annotated[
        Literal["process", "synchronised"],
        "where several processes train together: batch norms see the people of their process, or of all",
    ] = "process"
    clip_norm: Annotated[float, "largest norm of the gradient; 0 does not limit it", Ge(0)] = 0.0
    compile: Annotated[
        bool,
        "whether torch compiles networks that are trained alone, each anew: 164 s of a CPU for a ResNet-50",
    ] = False
    workers: Annotated[
        Annotated[int, Ge(0), Le(256)] | Literal["auto"],
        "processes that load and warp the images of one training; 0 does it in the main one; auto takes on a "
        "GPU the cores of this machine, shared by what trains at the same time, less one and up to 8, and on "
        "a CPU one for every 8 cores",
    ] = "auto"
    cache: Annotated[int, "MiB of decoded images that each loading process keeps", Ge(0)] = 768
    parallel: Annotated[
        int,
        "candidates trained alone at the same time, each by a process with one thread; 0 takes a process for "
        "each GPU, or on a CPU for each core up to 4",
        Ge(0),
        Le(256),
    ] = 0
    max_unreadable: Annotated[float, "share of unreadable images above which the run stops", Ge(0), Lt(1)] = (
        0.05
    )

    def __post_init__(self) -> None:
        if self.warm_up and self.warm_up_steps:
            raise ValueError(
                f"warm_up is {self.warm_up:g} and warm_up_steps is {self.warm_up_steps}; set warm_up=0, or "
                "leave out warm_up_steps"
            )
        if self.optimizer == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0; set nesterov=false, or raise momentum")
        if self.compile and self.batch_norm == "synchronised":
            raise ValueError(
                "compile is true and batch_norm is synchronised, which is not compiled; set compile=false"
            )
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {_listed(self.betas)}; each must be 0 or more, and below 1")
        if not self.milestones or min(self.milestones) <= 0 or _falls(self.milestones):
            raise ValueError(f"milestones are {_listed(self.milestones)}; they must be above 0 and increase")

    def idle(self) -> dict[str, str]:
        """Return the settings that were changed and have no effect beside the others, with the reasons."""
        adaptive = self.optimizer in ("adam", "adamw")
        reasons = {
            "momentum": f"optimizer {self.optimizer} has betas" if adaptive else "",
            "nesterov": f"optimizer {self.optimizer} has no such momentum" if self.optimizer != "sgd" else "",
            "betas": "" if adaptive else f"optimizer {self.optimizer} has none",
            "milestones": self._but_for("step"),
            "decay_factor": self._but_for("step"),
            "least_rate": self._but_for("cosine", "step"),
            "ema_ramp": "" if self.ema_decay else "ema_decay is 0",
        }
        defaults = {field.name: field.default for field in fields(self)}
        return {
            name: reason
            for name, reason in reasons.items()
            if reason and getattr(self, name) != defaults[name]
        }

    def _but_for(self, *schedules: str) -> str:
        return "" if self.schedule in schedules else f"schedule {self.schedule} has none"


def share_of(length: float, epochs: int) -> float:
    """Return a part of a training as a share of it: what is below 1 is one already, the rest are epochs."""
    return length if length < 1 else length / epochs


def check_lengths(settings: TrainingSettings, epochs: int, *, where: str) -> None:
    """Refuse milestones and a warm-up that do not fit into a training.

    Args:
        settings: of the training.
        epochs: of the whole training.
        where: names the table of the settings, for the error.

    Raises:
        PosenasError: where one lies beyond the last epoch, or the milestones do not increase.
    """
    if share_of(settings.warm_up, epochs) >= 1:
        raise PosenasError(
            f"{where}: warm_up is {settings.warm_up:g} epochs, and this training has {epochs}; lower it, or "
            "give a share below 1"
        )
    if settings.schedule != "step":
        return
    shares = [share_of(each, epochs) for each in settings.milestones]
    if shares[-1] >= 1 or _falls(shares):
        raise PosenasError(
            f"{where}: milestones are {_listed(settings.milestones)}, and this training has {epochs} epochs; "
            "they must increase and lie before its end"
        )


def _falls(numbers: Sequence[float]) -> bool:
    """Return whether a number is no greater than the one before it."""
    return any(later <= earlier for earlier, later in pairwise(numbers))


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
