"""How a trial of a finished run came about, read from the run's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.problem import Beginning, Weights
from posenas.contract.trial import Trial
from posenas.runs.journal import Journal


@dataclass(frozen=True)
class PastTraining:
    """What a training began with: `network` is a genotype, or `shared`."""

    network: Mapping[str, Any] | str
    epochs: int
    init: Weights | Beginning
    on: str

    @property
    def shared(self) -> bool:
        """Whether it trained a super-network."""
        return self.network == "shared"


def training_of(journal: Journal, file: str | None) -> PastTraining:
    """Return the training that gave these weights; of one in slices, the whole.

    Raises:
        PosenasError: where the journal holds none.
    """
    for record in journal.records:
        if record.get("effect") == "train" and _weights_of(record["result"]) == file:
            inputs = record["inputs"]
            init, span = inputs["init"], inputs.get("span")
            if span and span["begin"]:
                return training_of(journal, init)
            other = Beginning.INITIAL if "initial" in inputs else Beginning.FRESH
            start = other if init is None else Weights(init, training_of(journal, init).shared)
            return PastTraining(
                inputs["network"], span["of"] if span else inputs["epochs"], start, inputs["on"]
            )
    raise PosenasError(f"the run's journal holds no training of the weights {file}")


def is_relaxed(journal: Journal, file: str | None) -> bool:
    """Tell whether these weights learnt together with real values of a genotype."""
    return any(
        record.get("effect") == "train relaxed" and _weights_of(record["result"]) == file
        for record in journal.records
    )


def _weights_of(result: Any) -> str:
    """Return the weights file of a training; slices have their state beside it."""
    return str(result if isinstance(result, str) else result["weights"])


def calibration_of(journal: Journal, trial: Trial) -> int:
    """Return how many people batch norm's statistics were taken from when the trial was scored."""
    for record in journal.records:
        if record.get("effect") == "evaluate":
            inputs = record["inputs"]
            if (inputs["genotype"], inputs["weights"], inputs["on"]) == (
                dict(trial.genotype),
                trial.weights,
                trial.split,
            ):
                return int(inputs.get("calibration_people", 0))
    raise PosenasError(f"the run's journal holds no evaluation of candidate {trial.id}")
