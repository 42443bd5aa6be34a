"""Trainings that are cut into slices: a slice goes on where the one before it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.problem import Span, Weights
from posenas.contract.randomness import derive_seed
from posenas.runs.checkpoint import keep_checkpoint, seed_of
from posenas.runs.journal import effect_key
from posenas.searching.effects import checkpoint_of
from posenas.searching.resources import Resources


@dataclass(frozen=True)
class Origin:
    """What a training derives from.

    Attributes:
        seed: of all its random numbers; the same in every slice of a whole training.
        state: the checkpoint with which the slice before ended; None where there is no slice before.
    """

    seed: int
    state: Path | None = None


def check_slice(span: Span | None, *, epochs: int, init: Weights | None) -> None:
    """Check that a strategy asks for a slice that can be trained.

    Args:
        span: the place of the epochs in the whole; None where they are the whole.
        epochs: the number of epochs that are asked for.
        init: the weights to begin with.

    Raises:
        PosenasError: where the epochs are not in the whole, or nothing is known of those before them.
    """
    if span is None:
        return
    if span.begin < 0 or epochs < 1 or span.begin + epochs > span.of:
        raise PosenasError(
            f"a strategy asks for {epochs} epochs after epoch {span.begin} of a training of {span.of}"
        )
    if span.begin and (init is None or init.state is None):
        raise PosenasError(
            f"a training is to go on after epoch {span.begin} of {span.of}, and the state that it had then "
            "was not kept; a strategy passes the weights of the slice before as `init`"
        )


def slice_inputs(span: Span | None, init: Weights | None) -> dict[str, Any]:
    """Return what identifies a slice, beside the other inputs of its effect; nothing for a whole training."""
    if span is None:
        return {}
    return {"span": asdict(span)} | ({"state": init.state} if init is not None and span.begin else {})


def origin_of(
    resources: Resources, span: Span | None, init: Weights | None, *, name: str, inputs: Mapping[str, Any]
) -> Origin:
    """Return what a training derives from.

    The seed of the first slice is that of one call over the whole, and the state of a slice tells it to the
    next one.

    Args:
        resources: what the work is done with.
        span: the place of the epochs in the whole; None where they are the whole.
        init: the weights to begin with.
        name: of the training's effect.
        inputs: of the training's effect, without those of `slice_inputs`.
    """
    if span is not None and span.begin and init is not None and init.state is not None:
        resources.read(init.state)  # made again where it is lost
        state = resources.run.weights / init.state
        return Origin(seed_of(state), state)
    whole = inputs if span is None else {**inputs, "epochs": span.of}
    return Origin(derive_seed(resources.composition.recipe.seed, effect_key(name, whole)))


def kept_state(resources: Resources, span: Span, *, epochs: int, key: str) -> str | None:
    """Return the name of the file with a slice's state; None for the last slice, which keeps none.

    Args:
        resources: what the work is done with.
        span: the place of the epochs in the whole.
        epochs: how many were trained.
        key: of the training's effect, whose checkpoint is the state.
    """
    if span.begin + epochs == span.of:
        return None
    return keep_checkpoint(checkpoint_of(resources.run, key), resources.run.weights)
