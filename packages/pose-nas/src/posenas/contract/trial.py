"""Trials: evaluated (or failed) genotypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from posenas.contract.genotype import Genotype, genotype_id
from posenas.contract.records import check_record


@dataclass(frozen=True)
class Descent:
    """Where an evolved network comes from.

    Attributes:
        generation: 0 is the ancestor's.
        parent: id of the genotype that was mutated and whose weights were inherited; None for the ancestor.
        fitness: the lower the fitter; None where the trial failed.
    """

    generation: int
    parent: str | None
    fitness: float | None


@dataclass(frozen=True)
class Ablation:
    """What the same network scores without one step of its decoding.

    Attributes:
        metrics: without the step, by qualified name.
        rates: for each keypoint that is labelled at all, how many the step replaced in all predicted poses,
            over how many are labelled; may exceed 1. Empty where the step does not replace keypoints.
    """

    metrics: Mapping[str, float]
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One genotype with what it scored and what it costs.

    Attributes:
        genotype: what was tried.
        stage: what the display calls this part of the search, such as `candidate`. A free word: nothing
            depends on it. The answer of a search is its last trial, whatever its stage is called.
        split: the people it was scored on.
        metrics: by qualified name, such as `oks.AP`; empty where the trial failed.
        costs: by name, such as `gmacs`.
        by_keypoint: one figure in [0, 1] for each keypoint.
        weights: name of the weights file in the run.
        predictions: name of the predictions file in the run, where they were kept.
        failure: why there are no metrics, else None.
        loss: the least one on `split` after any epoch of its training, whose weights these are; None where
            no epoch was chosen.
        inherited: share of its parameters whose values were another network's when its training began; None
            where all were fresh.
        descent: of an evolved network.
        ablations: by the names of the steps of the decoding, where the head tells them apart; of networks
            scored with their final weights.
        learnt: whether this is the network as an architecture was learnt in it, of which the answer is made.
            It is no candidate.
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
    loss: float | None = None
    inherited: float | None = None
    descent: Descent | None = None
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    learnt: bool = False

    @property
    def id(self) -> str:
        return genotype_id(self.genotype)

    @property
    def fitness(self) -> float | None:
        """Of an evolved network; the lower the fitter."""
        return None if self.descent is None else self.descent.fitness

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
            "loss": self.loss,
            "inherited": self.inherited,
            "descent": None if self.descent is None else asdict(self.descent),
            "ablations": {step: asdict(ablation) for step, ablation in self.ablations.items()},
            **({"learnt": True} if self.learnt else {}),
        }


def trial_from_dict(record: Mapping[str, Any]) -> Trial:
    """What `as_dict` gave, back. Raises TypeError or ValueError where it is not that."""
    check_record(Trial, record)
    descent = record.get("descent")
    return Trial(
        **{
            **record,
            "descent": None if descent is None else Descent(**descent),
            "ablations": ablations_from_dict(record.get("ablations", {})),
        }
    )


def ablations_from_dict(record: Mapping[str, Any]) -> Mapping[str, Ablation]:
    """By step, from plain data. Raises TypeError where it is not that."""
    return {step: Ablation(**ablation) for step, ablation in dict(record).items()}
