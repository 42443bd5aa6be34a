"""Trials: evaluated (or failed) genotypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, canonical_json, genotype_id
from posenas.contract.migrations import SCHEMA, TRIAL
from posenas.contract.records import check_record


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
        learnt: whether this is the whole network that was learnt, of which the answer is a part. It is there
            to be compared with the answer, and is no candidate.
        ranking: the figure by which the strategy ranks its candidates in place of the objective, by its name,
            such as `fitness`; the lower the better. Empty where the objective ranks them, and where the trial
            failed.
        notes: plain JSON data by names of one's own. A strategy notes here what it knows about the trial, and
            reads it back for its section of the report. The core notes `ablations`, where a head tells the
            steps of its decoding apart, `example_poses`, which a candidate predicted of a few people, and
            `by_frame` of a network for clips: for the key frame and each frame after it how many `people` are
            looked at and the first objective's `score` over them, None where there is none. In files each
            note stands beside the fields, so it cannot have the name of one.
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
    learnt: bool = False
    ranking: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = sorted(self.notes.keys() & {*_FIELDS, SCHEMA})
        if taken:
            raise PosenasError(f"a trial's note {taken[0]!r} has the name of one of its fields; rename it")
        try:
            canonical_json(dict(self.notes))
        except (TypeError, ValueError) as error:
            raise PosenasError(f"a trial's notes are not plain JSON data: {error}") from error

    @property
    def id(self) -> str:
        """The genotype's id: ten hexadecimal digits."""
        return genotype_id(self.genotype)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for a file: the format's version, the fields, and the notes beside them."""
        record = {
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
            **({"learnt": True} if self.learnt else {}),
            **({"ranking": dict(self.ranking)} if self.ranking else {}),
            **self.notes,
        }
        return TRIAL.written(record)


_FIELDS = frozenset(each.name for each in fields(Trial))


def trial_from_dict(record: Mapping[str, Any]) -> Trial:
    """Return the trial that `as_dict` gave this data of, now or in an older posenas; other keys are notes.

    Raises:
        TypeError: where the data are not a trial's.
        ValueError: where they are a newer posenas's.
    """
    check_record(Trial, record)
    data = TRIAL.read(record)
    known = {name: value for name, value in data.items() if name in _FIELDS}
    return Trial(**known, notes={name: value for name, value in data.items() if name not in _FIELDS})
