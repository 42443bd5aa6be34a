"""The settings of every training of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt


@dataclass(frozen=True)
class TrainingSettings:
    """The `[training]` table of a recipe; the learning rate is for every training of the run."""

    batch_size: Annotated[int, "people in a batch, or whole images", Ge(1)] = 16
    accumulate: Annotated[int, "batches whose gradients make one step", Ge(1)] = 1
    learning_rate: Annotated[float, "the highest learning rate", Gt(0)] = 3e-3
    reference_batch: Annotated[
        int,
        "people in a step that learning_rate is meant for, scaled to the real number; 0 does not scale",
        Ge(0),
    ] = 0
    optimizer: Annotated[Literal["adamw", "adam"], "adam adds weight_decay x weight to the gradient"] = (
        "adamw"
    )
    weight_decay: Annotated[float, "weight decay, on weights with more than one axis", Ge(0)] = 0.01
    decay_depthwise: Annotated[bool, "whether weight decay is on depthwise kernels too"] = True
    schedule: Annotated[Literal["cosine", "step"], "cosine to zero, or a tenth at 80 % and again at 92 %"] = (
        "cosine"
    )
    warm_up: Annotated[float, "share of the steps in which the learning rate rises", Ge(0), Lt(1)] = 0.05
    warm_up_from: Annotated[
        float, "share of the learning rate at which it begins to rise; 0 is nearly none", Ge(0), Le(1)
    ] = 0.0
    clip_norm: Annotated[float, "largest norm of the gradient; 0 does not limit it", Ge(0)] = 0.0
    workers: Annotated[
        int, "processes that load and warp images; 0 does it in the main one", Ge(0), Le(256)
    ] = 1
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
