"""The people that an exported file is compared with torch on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posenas.composing.building import make
from posenas.contract.batches import View
from posenas.contract.components import Dataset, Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.normalisation import UNIT
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.kinds_of_view import views_of
from posenas.data.person_crop import person_crops
from posenas.data.views import EvaluatedViews, Reading
from posenas.prediction.trained import TrainedNetwork
from posenas.runs.recipe import ComponentChoice


@dataclass(frozen=True)
class Crowd:
    """Images with people that a network can look at, and where they are from.

    Attributes:
        source: in words, such as "val of synthetic".
        labelled: whether the people are labelled in the network's keypoints, so that poses can be scored.
    """

    source: str
    samples: Sequence[Sample]
    keypoints: KeypointSet
    labelled: bool

    def views(self, view: View, *, warn: Callable[[str], None]) -> EvaluatedViews:
        """Return the views of the people, from 0 to 1 and without any normalisation.

        Args:
            view: what the network looks at.
            warn: told of images that cannot be read.
        """
        reading = Reading(self.keypoints, workers=0, warn=warn)
        return views_of(replace(view, normalisation=UNIT)).evaluated(self.samples, reading)

    def score(self, evaluator: Evaluator, predictions: Predictions) -> float | None:
        """Return the evaluator's first metric; None if the people have other labels, or nobody counts."""
        if not self.labelled:
            return None
        name = evaluator.metrics()[0].name
        truth = GroundTruth(self.keypoints, self.samples)
        figure = evaluator.evaluate(predictions, truth).metrics[name]
        return figure if math.isfinite(figure) else None


def crowd_of(trained: TrainedNetwork, split: str, *, people: int, warn: Callable[[str], None]) -> Crowd:
    """Return people of the network's own dataset, or built-in ones if those cannot be read.

    Args:
        trained: its recipe names the dataset.
        split: `train` or `val`.
        people: at least so many, if there are.
        warn: told why the dataset's own people are not taken.
    """
    choice = trained.recipe.dataset
    try:
        dataset: Dataset = make("dataset", choice)
        if dataset.keypoints().names != trained.keypoints.names:
            raise PosenasError(f"dataset {choice.name}: its keypoints are not the network's")
        samples = _some(dataset.split(split), people)
        return Crowd(f"{split} of {choice.name}", samples, trained.keypoints, labelled=True)
    except (PosenasError, OSError) as error:
        warn(f"{error}; built-in people take their place")
    return built_in(trained.keypoints, split, people=people)


def built_in(keypoints: KeypointSet, split: str, *, people: int) -> Crowd:
    """Return built-in people; with other keypoints than the network's they are not labelled.

    Args:
        keypoints: the network's.
        split: `train` or `val`.
        people: at least so many.
    """
    points = 133 if keypoints.names == COCO_WHOLEBODY_133.names else 17
    options: dict[str, Any] = {"points": points, f"{split}_images": people}
    dataset: Dataset = make("dataset", ComponentChoice("synthetic", options))
    labelled = dataset.keypoints().names == keypoints.names
    samples = _some(dataset.split(split), people)
    shown = samples if labelled else [_relabelled(sample, len(keypoints)) for sample in samples]
    return Crowd(f"{split} of synthetic", shown, keypoints, labelled)


def _some(samples: Sequence[Sample], people: int) -> list[Sample]:
    """Return images with at least so many labelled people, evenly over the split, as far as it has them."""
    shown = [sample for sample in samples if person_crops([sample])]
    if not shown:
        raise PosenasError("nobody is labelled in the split")
    step = max(1, len(person_crops(shown)) // people)
    while step > 1 and len(person_crops(shown[::step])) < people:
        step -= 1
    return shown[::step]


def _relabelled(sample: Sample, keypoints: int) -> Sample:
    """Return a sample whose people have this many keypoints: views are of people with labels."""

    def centred(person: Person) -> Person:
        x, y, width, height = person.box
        centre = np.array([x + width / 2, y + height / 2, 2.0])
        return replace(person, keypoints=np.tile(centre, (keypoints, 1)), regions={})

    return replace(sample, people=tuple(centred(person) for person in sample.people))
