"""Trials: evaluated (or failed) genotypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posenas.genotype import Genotype, genotype_id


@dataclass(frozen=True)
class Trial:
    """One genotype with what it scored and what it costs.

    Attributes:
        genotype: what was tried.
        stage: where in the search, such as `candidate` or `final`.
        split: the people it was scored on.
        metrics: by qualified name, such as `oks.AP`; empty where the trial failed.
        costs: by name, such as `gmacs`.
        by_keypoint: one figure in [0, 1] for each keypoint.
        weights: name of the weights file in the run.
        predictions: name of the predictions file in the run, where they were kept.
        failure: why there are no metrics, else None.
    """

    genotype: Genotype
    stage: str
    split: str
    metrics: Mapping[str, float]
    costs: Mapping[str, float]
    by_keypoint: Mapping[str, float] = field(default_factory=dict)
    weights: str | None = None
    predictions: str | None = None
    failure: str | None = None

    @property
    def id(self) -> str:
        return genotype_id(self.genotype)

    def as_dict(self) -> dict[str, Any]:
        return {
            "genotype": dict(self.genotype),
            "stage": self.stage,
            "split": self.split,
            "metrics": dict(self.metrics),
            "costs": dict(self.costs),
            "by_keypoint": dict(self.by_keypoint),
            "weights": self.weights,
            "predictions": self.predictions,
            "failure": self.failure,
        }
