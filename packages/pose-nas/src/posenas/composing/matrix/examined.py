"""Every installed component of a kind, made with its default options and asked for what it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from posenas.composing.building import levels_of
from posenas.composing.checks.conformity import (
    blamed,
    check_choices,
    check_genotypes,
    check_methods,
    check_requirements,
    check_view,
)
from posenas.composing.checks.datasets import check_splits
from posenas.composing.loading import load_class
from posenas.composing.matrix.patience import within
from posenas.composing.options import alternatives, changed, make_component
from posenas.composing.plugins import Owner, Plugin, find_plugins
from posenas.contract.components import Dataset, Head, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.contract.problem import Strategy


@dataclass(frozen=True)
class Offer:
    """A space, with the levels that its networks offer to heads."""

    space: SearchSpace
    levels: Sequence[Level]


@dataclass(frozen=True)
class Known:
    """A keypoint set of a dataset, and the option with which the dataset has it; "" by default."""

    keypoints: KeypointSet
    option: str = ""


def examined(kind: str, *, patience: float) -> dict[str, Any]:
    """Return what each installed component answers, by name; its PosenasError where it does not.

    A space answers with an `Offer`, a dataset with its `Known` keypoint sets, others with themselves. Where
    two distributions offer one name, it stands after the distribution's, as in `nas-evo:evo`.

    Args:
        kind: space, strategy, head or dataset.
        patience: seconds that each component may take.
    """
    answers: dict[str, Any] = {}
    for plugin in find_plugins((kind,)):
        if plugin.status == "disabled":
            continue
        name = _name(plugin)
        try:
            answers[name] = within(patience, partial(_ask, plugin, Owner(kind, name)))
        except PosenasError as error:
            answers[name] = error
    return answers


def _name(plugin: Plugin) -> str:
    return f"{plugin.distribution}:{plugin.name}" if plugin.status == "doubled" else plugin.name


def _ask(plugin: Plugin, owner: Owner) -> Any:
    """Return what a component answers.

    Args:
        plugin: offers it. That another one has its name is no fault here.
        owner: the plugin under the name by which it is chosen.
    """
    usable = replace(plugin, status="ok", problem="") if plugin.status == "doubled" else plugin
    with blamed(owner, "making it with its default options"):
        component = make_component(load_class(usable), {}, where=f"{owner.kind} {owner.name}")
    check_methods(plugin.kind, component, owner=owner)
    return _QUESTIONS[plugin.kind](component, owner)


def _of_space(space: SearchSpace, owner: Owner) -> Offer:
    check_genotypes(space, owner=owner)
    with blamed(owner, "build"):
        return Offer(space, levels_of(space))


def _of_head(head: Head, owner: Owner) -> Head:
    check_view(head, owner=owner)
    check_choices(head, owner=owner)
    return head


def _of_strategy(strategy: Strategy, owner: Owner) -> Strategy:
    check_requirements(strategy, owner=owner)
    return strategy


def _of_dataset(dataset: Dataset, owner: Owner) -> list[Known]:
    """Return the keypoint sets that the dataset has by default and with another option.

    There is none where its files tell.
    """
    with blamed(owner, "keypoints"):
        try:
            dataset.keypoints()
        except PosenasError:
            return []  # there are no files, for no option names them
    known = [Known(check_splits(dataset, owner=owner))]
    for option, value in alternatives(dataset):
        keypoints = changed(dataset, option, value).keypoints()
        if all(keypoints.names != each.keypoints.names for each in known):
            known.append(Known(keypoints, f"dataset.{option}={value}"))
    return known


_QUESTIONS: Mapping[str, Callable[[Any, Owner], Any]] = {
    "space": _of_space,
    "head": _of_head,
    "strategy": _of_strategy,
    "dataset": _of_dataset,
}
