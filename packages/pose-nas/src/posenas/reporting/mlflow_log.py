"""Figures of a run for MLflow, in one MLflow run that a resumed search goes on with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.reporting.scalar_log import flat_options
from posenas.runs.files import write_atomically
from posenas.runs.recipe import Recipe, recipe_tables

KEPT = "mlflow.json"
"""The file in a run's folder that names its MLflow run."""

_EXPERIMENT = "posenas"
_LONGEST = 500
"""The most characters of a parameter's value that every version of MLflow takes."""
_AT_ONCE = 100
"""The most parameters that a request may hold."""


class MlflowRun:
    """The keeper of a run's figures in MLflow, at the place that MLflow's own variables name."""

    def __init__(self, run: Path, recipe: Recipe) -> None:
        self._client = MlflowClient()
        kept = run / KEPT
        if kept.exists():
            self._id = self._found(kept)
        else:
            self._id = self._begun(run.name)
            write_atomically(kept, (json.dumps({"run": self._id}) + "\n").encode())
            self._note(flat_options(recipe_tables(recipe)))

    def known(self) -> set[tuple[str, int]]:
        """Return the names and steps of the metrics that MLflow holds of the run."""
        names = self._client.get_run(self._id).data.metrics
        return {
            (name, metric.step)
            for name in names
            for metric in self._client.get_metric_history(self._id, name)
        }

    def add(self, figures: Mapping[str, float], *, step: int) -> None:
        """Log metrics."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def conclude(self, genotype: Genotype, _figures: Iterable[str]) -> None:
        """Log the answer's genotype as parameters."""
        self._note({f"genotype.{name}": value for name, value in genotype.items()})

    def close(self) -> None:
        """Mark the MLflow run as finished."""
        self._client.set_terminated(self._id)

    def _found(self, kept: Path) -> str:
        try:
            name = str(json.loads(kept.read_bytes())["run"])
            self._client.update_run(name, status="RUNNING")
        except (ValueError, KeyError, TypeError, MlflowException) as error:
            raise PosenasError(
                f"{kept}: its MLflow run is not at {self._client.tracking_uri}; set MLFLOW_TRACKING_URI as "
                "before, or delete the file to log to a new one"
            ) from error
        return name

    def _begun(self, name: str) -> str:
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(_EXPERIMENT)
        return str(self._client.create_run(experiment, run_name=name).info.run_id)

    def _note(self, options: Mapping[str, object]) -> None:
        parameters = [Param(name, str(value)[:_LONGEST]) for name, value in options.items()]
        for start in range(0, len(parameters), _AT_ONCE):
            self._client.log_batch(self._id, params=parameters[start : start + _AT_ONCE])
