"""What makes a search unlikely to learn or to rank, told in one line each before it begins."""

from __future__ import annotations

import math
from collections.abc import Iterator

from posenas.composing.composition import Composition
from posenas.composing.options import option_values
from posenas.learning.inference import MANY_RANKING, RANKING_SHARE
from posenas.searching.outlook import Outlook

_FEWEST_STEPS = 50
"""Steps below which a network hardly leaves its fresh weights: Adam moves none by more than the learning
rate in a step. The smallest recipe, on 45 photographs, has 120 for its super-network."""
_SHARE_OF_VIEWS = 0.1
"""The share of a published training's views below which a network is far from what was published."""
_MANY_PASSES = 100
"""Passes from which on more of them do not stand for more people."""
_SHARE_OF_PIXELS = 0.5
_DEVIATION = 0.5
"""The largest standard deviation that one person's score, from 0 to 1, can have."""


def doubts(composition: Composition, outlook: Outlook) -> list[str]:
    """Return notes on few steps or views, few ranking people and a small view, with figures and options.

    Trainings that begin with initial weights are not judged by their length.
    """
    found = [*_small_view(composition), *_few_ranking(outlook)]
    if composition.recipe.init:
        return found
    return [*found, *_few_steps(composition, outlook), *_few_views(composition, outlook)]


def _small_view(composition: Composition) -> Iterator[str]:
    made, view = composition.made_for, composition.view
    size = None if made is None else made.head.get("input_size")
    if size is None:
        return
    share = view.height * view.width / (size[0] * size[1])
    if share <= _SHARE_OF_PIXELS:
        yield (
            f"a view of {view.height}x{view.width} has {share:.0%} of the pixels that space "
            f"{composition.recipe.space.name} is made for; head.input_size={size[0]},{size[1]} has them all"
        )


def _few_ranking(outlook: Outlook) -> Iterator[str]:
    people = outlook.ranking
    if (outlook.candidates or 0) < 2 or people >= min(RANKING_SHARE * outlook.views, MANY_RANKING):
        return
    more = min(MANY_RANKING, outlook.views // 10)
    yield (
        f"candidates are ranked on {people:,} of {outlook.views:,} {outlook.unit}: chance moves a score by "
        f"up to {_error(people):.3f} (standard error); evaluation.ranking_people={more} makes it "
        f"{_error(more):.3f}"
    )


def _error(people: int) -> float:
    return _DEVIATION / math.sqrt(people)


def _few_steps(composition: Composition, outlook: Outlook) -> Iterator[str]:
    for each in outlook.trainings or ():
        if each.phase != "candidate" and each.steps < _FEWEST_STEPS:
            yield (
                f"phase {each.phase} has {each.steps} steps ({each.epochs} x {each.views:,} {outlook.unit}), "
                f"and in fewer than {_FEWEST_STEPS} hardly anything is learnt; raise {_epochs(composition)}, "
                "or lower training.batch_size"
            )


def _few_views(composition: Composition, outlook: Outlook) -> Iterator[str]:
    made = composition.made_for
    if made is None or not made.views or outlook.trainings is None:
        return
    judged = [each for each in outlook.trainings if each.phase != "candidate"]
    views = sum(each.epochs * each.views for each in judged)
    share = views / made.views
    if share < _SHARE_OF_VIEWS:
        many = sum(each.epochs for each in judged) >= _MANY_PASSES
        recipe = f"; {made.recipe} trains as published" if made.recipe else ""
        longer = f"raise {_epochs(composition)}{recipe}"
        helps = (
            f"so few {outlook.unit} need published weights to begin with (--init FILE)" if many else longer
        )
        yield (
            f"the trainings show {views:,} views of {outlook.unit}, {share:.1%} of the {made.views:,} that "
            f"published networks of space {composition.recipe.space.name} saw: scores will be far lower; "
            f"{helps}"
        )


def _epochs(composition: Composition) -> str:
    """Return the strategy's options that say how long trainings are."""
    names = [name for name in option_values(composition.strategy) if name.endswith("epochs")]
    return ", ".join(f"strategy.{name}" for name in names) or "the strategy's epochs"
