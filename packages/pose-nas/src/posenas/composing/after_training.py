"""The options that may be changed when a trained network is used: none that its weights depend on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posenas.composing.building import make
from posenas.composing.options import describe_options, option_values
from posenas.contract.components import Head
from posenas.contract.errors import PosenasError
from posenas.data.kinds_of_view import views_of
from posenas.runs.recipe import Recipe


def check_changes(run: Path, *, trained: Recipe, used: Recipe) -> None:
    """Compare the space, head and normalisation of a run's training with those that it is to be used with.

    Args:
        run: the run's folder, for the error.
        trained: the recipe that it was trained with.
        used: the recipe that it is to be used with.

    Raises:
        PosenasError: if another component is named, or an option differs that is not marked with
            `posenas.composing.options.AFTER_TRAINING`; the line says what can be changed.
    """
    if used.normalisation != trained.normalisation:
        raise PosenasError(
            f"table [normalisation]: {run} was trained with its own, which its weights depend on; train a "
            f"new network, or change {_free(trained)}, the dataset or the evaluator"
        )
    for kind in ("space", "head"):
        for name, before, after in _changes(kind, trained, used):
            raise PosenasError(
                f"{kind}.{name}={_text(after)}: {run} was trained with {_text(before)}, which its weights "
                f"depend on; train a new network, or change {_free(trained)}, the dataset or the evaluator"
            )


def _changes(kind: str, trained: Recipe, used: Recipe) -> Iterator[tuple[str, Any, Any]]:
    """Yield the names of what is changed and must not be, with the values before and after."""
    before, after = getattr(trained, kind), getattr(used, kind)
    if before.name != after.name:
        yield "name", before.name, after.name
        return
    if before.options == after.options:
        return
    old, new = make(kind, before), make(kind, after)
    values = option_values(old), option_values(new)
    for option in describe_options(type(old)):
        pair = tuple(each[option.name] for each in values)
        if pair[0] != pair[1] and not option.after_training:
            yield option.name, *pair


def _free(trained: Recipe) -> str:
    """Return the options that can be changed and have an effect.

    An example is `evaluation.scales, .flip_test, head.limit`.
    """
    head: Head = make("head", trained.head)
    by_itself = views_of(head.view()).finds_people
    own = ("scales", "rectangular") if by_itself else ("boxes", "box_threshold", "oks_nms")
    free: dict[str, tuple[str, ...]] = {"evaluation": (*own, "flip_test")}
    for kind in ("space", "head"):
        options = describe_options(type(make(kind, getattr(trained, kind))))
        free[kind] = tuple(option.name for option in options if option.after_training)
    return ", ".join(f"{table}.{', .'.join(names)}" for table, names in free.items() if names)


def _text(value: object) -> str:
    """Return a value as on the command line; long ones are cut."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= 60 else f"{text[:57]}..."
