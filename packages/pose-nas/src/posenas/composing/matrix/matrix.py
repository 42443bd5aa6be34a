"""Which spaces, strategies, heads and keypoint sets work together, of all that is installed; and why not.

Everything has its default options and is asked what composing asks. Nothing is trained, and no network has
values. A plugin that raises, or does not answer, is refused with that as its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from posenas.composing.checks.conformity import blamed
from posenas.composing.checks.fitting import module_for, reads, strategy_remedy, unmet, unread
from posenas.composing.checks.remedies import Change, Parts, first_remedy
from posenas.composing.joined import join
from posenas.composing.matrix.examined import Known, Offer, examined
from posenas.composing.matrix.patience import within
from posenas.composing.plugins import Owner
from posenas.contract.components import Head, HeadModule
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.problem import Strategy

_Key: TypeAlias = tuple[str, str, str]
"""The names of a space, a head and a keypoint set."""

PATIENCE = 15.0
"""Seconds that a component may take for all its answers."""


@dataclass(frozen=True)
class Note:
    """A reason why components do not work together as they are.

    Attributes:
        of: the kinds of those that do not: `space`, `strategy`, `head` and `keypoints`.
        reason: the words of composing, without advice.
        option: the option with which they work; None if none was found.
    """

    of: tuple[str, ...]
    reason: str
    option: Change | None = None


@dataclass(frozen=True)
class Cell:
    """One space, strategy, head and keypoint set, by their names, and the notes on them."""

    space: str
    strategy: str
    head: str
    keypoints: str
    notes: tuple[Note, ...] = ()

    @property
    def works(self) -> bool:
        """Whether the four work together, if need be with the options of the notes."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Note, ...]:
        """The notes for which no option helps."""
        return tuple(note for note in self.notes if note.option is None)


@dataclass(frozen=True)
class Matrix:
    """What works together.

    Attributes:
        cells: one for each space, strategy, head and keypoint set.
        views: what each head that can be used looks at, person or image, by its name.
        datasets: by name, the keypoint sets of each dataset; empty where only the dataset's files tell, or
            why it cannot be used.
    """

    cells: tuple[Cell, ...]
    views: Mapping[str, str]
    datasets: Mapping[str, tuple[Known, ...] | str]


@dataclass(frozen=True)
class _Pair:
    """A space and a head for a keypoint set, with the options that they need.

    Attributes:
        parts: the two with these options; None where nothing makes them fit.
        module: the head's for the keypoint set.
    """

    notes: tuple[Note, ...]
    parts: Parts | None = None
    module: HeadModule | None = None


def find_matrix(patience: float = PATIENCE) -> Matrix:
    """Return what works together of all that is installed.

    Args:
        patience: seconds that each component may take for all its answers.
    """
    spaces, heads, strategies, datasets = (
        examined(kind, patience=patience) for kind in ("space", "head", "strategy", "dataset")
    )
    known = [each for answer in datasets.values() if isinstance(answer, list) for each in answer]
    sets = {each.name: each for each in (COCO_17, COCO_WHOLEBODY_133, *(each.keypoints for each in known))}
    pairs: dict[_Key, _Pair] = {}
    for name, head in heads.items():
        keys = [(space, name, each) for space in spaces for each in sets]
        try:
            pairs |= within(patience, partial(_pairs, keys, spaces, head, sets=sets))
        except PosenasError as error:
            pairs |= dict.fromkeys(keys, _Pair((_fault("head", name, error),)))
    cells: list[Cell] = []
    for name, strategy in strategies.items():
        try:
            cells += within(patience, partial(_cells, name, strategy, pairs, sets=sets))
        except PosenasError as error:
            note = _fault("strategy", name, error)
            cells += [Cell(space, name, head, each, (note,)) for space, head, each in pairs]
    return Matrix(
        tuple(cells),
        {name: head.view().kind for name, head in heads.items() if not isinstance(head, PosenasError)},
        {name: tuple(each) if isinstance(each, list) else str(each) for name, each in datasets.items()},
    )


def _fault(kind: str, name: str, error: PosenasError) -> Note:
    owner = str(Owner(kind, name))
    return Note((kind,), str(error) if str(error).startswith(owner) else f"{owner}: {error}")


def _pairs(
    keys: Sequence[_Key],
    spaces: Mapping[str, Any],
    head: Head | PosenasError,
    *,
    sets: Mapping[str, KeypointSet],
) -> dict[_Key, _Pair]:
    """Return how a head fits the spaces, for each keypoint set.

    Args:
        keys: names of space, head and keypoint set.
        spaces: an `Offer` or an error by name.
        head: the head of all keys, or why there is none.
        sets: the keypoint sets by name.
    """
    found: dict[_Key, _Pair] = {}
    levels: dict[str, _Pair] = {}
    for key in keys:
        space, name, keypoints = key
        offer = spaces[space]
        if isinstance(offer, PosenasError):
            found[key] = _Pair((_fault("space", space, offer),))
        elif isinstance(head, PosenasError):
            found[key] = _Pair((_fault("head", name, head),))
        else:
            if space not in levels:
                levels[space] = _reading(offer, head, Owner("head", name))
            found[key] = _finding(levels[space], sets[keypoints], Owner("head", name))
    return found


def _reading(offer: Offer, head: Head, owner: Owner) -> _Pair:
    """Return whether a head reads a space's levels, or with which option."""
    parts = Parts(offer.space, offer.levels, head)
    with blamed(owner, "select"):
        reason = unread(offer.levels, head)
    if not reason:
        return _Pair((), parts)
    option = first_remedy(parts, ("head", "space"), reads)
    return _Pair(
        (Note(("space", "head"), reason, option),), replace(parts, **option.made) if option else None
    )


def _finding(pair: _Pair, keypoints: KeypointSet, owner: Owner) -> _Pair:
    """Return whether a head that reads a space's levels finds a keypoint set too."""
    if pair.parts is None:
        return pair
    try:
        with blamed(owner, "build"):
            return replace(pair, module=_module(pair.parts, keypoints))
    except PosenasError as error:
        option = first_remedy(pair.parts, ("head",), lambda parts: bool(_module(parts, keypoints)))
        notes = (*pair.notes, Note(("head", "keypoints"), str(error), option))
    if option is None:
        return _Pair(notes)
    parts = replace(pair.parts, **option.made)
    return _Pair(notes, parts, _module(parts, keypoints))


def _module(parts: Parts, keypoints: KeypointSet) -> HeadModule:
    space = join(parts.space, parts.head)
    return module_for(parts.levels, space, parts.head, keypoints=keypoints)


def _cells(
    name: str,
    strategy: Strategy | PosenasError,
    pairs: Mapping[_Key, _Pair],
    *,
    sets: Mapping[str, KeypointSet],
) -> list[Cell]:
    """Return the cells of a strategy.

    Args:
        name: the strategy's.
        strategy: the strategy itself, or why there is none.
        pairs: spaces and heads by names.
        sets: the keypoint sets by name.
    """
    cells = []
    known: dict[tuple[str, str, type], tuple[Note, ...]] = {}
    for (space, head, keypoints), pair in pairs.items():
        notes = pair.notes
        if isinstance(strategy, PosenasError):
            notes = (*notes, _fault("strategy", name, strategy))
        elif pair.parts is not None:
            key = space, head, type(pair.module)
            if key not in known:
                parts = replace(pair.parts, strategy=strategy)
                known[key] = tuple(_searching(parts, pair.module, sets[keypoints], Owner("strategy", name)))
            notes = (*notes, *known[key])
        cells.append(Cell(space, name, head, keypoints, notes))
    return cells


def _searching(
    parts: Parts, module: HeadModule | None, keypoints: KeypointSet, owner: Owner
) -> Iterator[Note]:
    """Yield what keeps a strategy from searching; nothing where it can.

    Args:
        parts: the strategy, and a space and a head that fit.
        module: the head's.
        keypoints: what the head finds.
        owner: the strategy's plugin.
    """
    assert parts.strategy is not None
    assert module is not None
    with blamed(owner, "check_space"):
        found = unmet(parts.strategy, join(parts.space, parts.head), lambda: module)
    if found.reason:
        yield Note(("space", "strategy", "head"), found.reason, strategy_remedy(parts, found, keypoints))
