"""A judge of files: the same network, people and evaluator for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from posenas.composing.building import make, qualified
from posenas.contract.components import Evaluator
from posenas.data.views import EvaluatedViews
from posenas.exporting.people import Crowd
from posenas.exporting.proof import Proof, prove
from posenas.exporting.runtime import ExportedNetwork
from posenas.exporting.speed import measure_speed
from posenas.prediction.trained import TrainedNetwork


@dataclass(frozen=True)
class Judge:
    """A judge that compares files with torch on the same people.

    Attributes:
        trained: the network, on the CPU and in float32.
        crowd: the people.
        views: those of the crowd.
        tolerance: pixels of the view that a keypoint may lie elsewhere.
    """

    trained: TrainedNetwork
    crowd: Crowd
    views: EvaluatedViews
    tolerance: float

    def proof(self, exported: ExportedNetwork) -> Proof:
        """Return how far the file's poses are from torch's."""
        metric = self._evaluator.metrics()[0]
        return prove(
            self.trained,
            exported,
            self.crowd,
            views=self.views,
            evaluator=self._evaluator,
            metric=qualified(self.trained.recipe, metric.name),
            tolerance=self.tolerance,
        )

    def speed(self, exported: ExportedNetwork) -> dict[str, Any]:
        """Return the milliseconds of one view by torch and by the file."""
        batch = next(iter(self.views.batches(1, device=torch.device("cpu"))))
        return measure_speed(self.trained, exported, batch)

    @cached_property
    def _evaluator(self) -> Evaluator:
        made: Evaluator = make("evaluator", self.trained.recipe.evaluator)
        return made
