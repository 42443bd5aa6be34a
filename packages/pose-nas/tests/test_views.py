"""The kinds of view: one class each, chosen in one place, with the same methods."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import posenas
import pytest
import torch
from posenas.contract.batches import View
from posenas.contract.samples import Sample
from posenas.data.augment import Augmentation
from posenas.data.kinds_of_view import KINDS, views_of
from posenas.data.mosaic import ImageAugmentation
from posenas.data.normalising import normalisation_of
from posenas.data.views import Reading, Views
from toy_search import Colour, ToyDataset, refuse, sample

PERSON, IMAGE = View("person", 32, 32), View("image", 32, 32, stride=8)
CPU = torch.device("cpu")
KINDS_OF_VIEW = [views_of(PERSON), views_of(PERSON, frames=2), views_of(IMAGE)]
READING = Reading(ToyDataset().keypoints(), 0, refuse)
each_kind = pytest.mark.parametrize("views", KINDS_OF_VIEW, ids=lambda views: views.unit)


def filmed(number: int = 4, *, track: int | None = 1) -> list[Sample]:
    """The images of one video, with somebody in each but the last."""
    images = [replace(sample(index), video="a", frame=index) for index in range(1, number + 1)]
    shown = [
        replace(
            each,
            source=Colour(10 * each.id),
            people=tuple(replace(person, track=track) for person in each.people),
        )
        for each in images
    ]
    return [*shown[:-1], replace(shown[-1], people=())]


def test_each_kind_counts_what_it_shows() -> None:
    assert [(views.count(filmed()), views.unit) for views in KINDS_OF_VIEW] == [
        (3, "people"),
        (2, "clips"),
        (4, "images"),
    ]


@each_kind
def test_a_kind_shows_in_an_evaluation_what_it_counts(views: Views) -> None:
    samples, told = filmed(), list[str]()
    evaluated = views.evaluated(samples, replace(READING, warn=told.append))
    (batch,) = evaluated.batches(views.batch_of(8), device=CPU)
    assert len(batch.images) == views.count(samples) * (2 if views.unit == "clips" else 1)
    assert (batch.boxes is not None) == views.finds_people


@each_kind
def test_drawn_views_are_some_of_all_in_their_order(views: Views) -> None:
    samples, reading = filmed(13), replace(READING, warn=lambda _: None)
    (every,) = views.evaluated(samples, reading).batches(100, device=CPU)
    (some,) = views.drawn(samples, reading, number=3, rng=Random(0)).batches(100, device=CPU)
    greys, drawn = (batch.images.mean((1, 2, 3)).tolist() for batch in (every, some))
    assert len(drawn) == 3 * (2 if views.unit == "clips" else 1)
    assert [grey for grey in greys if grey in drawn] == drawn


@each_kind
def test_a_kind_loads_batches_of_what_it_counts(views: Views) -> None:
    augmentation = ImageAugmentation(mosaic=0) if views.finds_people else Augmentation()
    settings = {
        "keypoints": READING.keypoints,
        "augmentation": augmentation,
        "seed": 0,
        "batch_size": 2,
        "workers": 0,
        "device": CPU,
        "on_unreadable": lambda _: None,
    }
    loader = views.loader(filmed(), settings)
    assert loader.steps == views.count(filmed()) // 2


def test_people_that_share_a_track_are_told_with_an_example() -> None:
    samples, told = filmed(), list[str]()
    doubled = [replace(each, people=each.people * 2) for each in samples]
    views_of(PERSON, frames=2).evaluated(doubled, replace(READING, warn=told.append))
    (line,) = (text for text in told if "track of somebody else" in text)
    assert line.startswith(
        "3 people have the track of somebody else in their image, such as track 1 in image"
    )


def test_every_kind_that_a_head_may_ask_for_has_a_usual_normalisation() -> None:
    for kind in KINDS:
        assert normalisation_of(View(kind, 32, 32)).mean  # type: ignore[arg-type]


def test_kinds_are_told_apart_by_their_class_alone() -> None:
    comparison = re.compile(r"\bkind (==|!=|in|not in) \W*(person|image|clip)\b")
    files = Path(posenas.__file__).parent.rglob("*.py")
    assert not [file.name for file in files if comparison.search(file.read_text())]
