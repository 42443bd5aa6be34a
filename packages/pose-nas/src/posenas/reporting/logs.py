"""Where a run's figures can be logged besides its folder, each place by the name of an extra."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.reporting.scalar_log import Keeper, ScalarLog
from posenas.runs.recipe import Recipe

LOGS = ("mlflow", "tensorboard")
"""The extras, which are called as the modules that they bring."""


def check_logs(names: Iterable[str]) -> None:
    """Refuse logs that cannot be written here.

    Raises:
        PosenasError: if there is no such log, or its extra is not installed.
    """
    for name in names:
        if name not in LOGS:
            raise PosenasError(f"log {name!r}: there is no such one; choose among {', '.join(LOGS)}")
        if find_spec(name) is None:
            raise PosenasError(
                f"log {name!r}: the package {name} is not installed; `pip install 'pose-nas[{name}]'`"
            )


def make_logs(names: Iterable[str]) -> dict[str, object]:
    """Return the listeners that write these logs, by the names that messages call them."""
    keepers = {"mlflow": _mlflow, "tensorboard": _tensorboard}
    return {f"log {name}": ScalarLog(keepers[name]) for name in dict.fromkeys(names)}


def _mlflow(run: Path, recipe: Recipe) -> Keeper:
    from posenas.reporting.mlflow_log import MlflowRun

    return MlflowRun(run, recipe)


def _tensorboard(run: Path, recipe: Recipe) -> Keeper:
    from posenas.reporting.tensorboard_log import EventFiles

    return EventFiles(run, recipe)
