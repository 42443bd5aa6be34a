"""The memory of a process that trains together with process 0: what it knows, process 0 has told it."""

from __future__ import annotations

from typing import Any

from posenas.contract.errors import PosenasError
from posenas.networks.processes import Processes
from posenas.runs.checkpoint import read_weights
from posenas.runs.run import Run
from posenas.searching.effects import Effect


class FollowingMemory:
    """A memory of effects without a journal, for all processes but process 0.

    Process 0 looks each effect up. It tells the others the result, or before it that they compute an effect
    together. This one may also be an earlier effect, whose weights were lost.
    """

    def __init__(self, run: Run, processes: Processes) -> None:
        self._run, self._processes = run, processes
        self._asked: dict[str, Effect] = {}
        self.warnings: list[str] = []

    def knows(self, key: str) -> bool:  # noqa: ARG002
        """Return False: only process 0 computes what is asked for after this."""
        return False

    def perform(self, effect: Effect) -> Any:
        """Return the effect's result, as process 0 tells it.

        Raises:
            PosenasError: if process 0 asks for another effect.
        """
        self._asked[effect.key] = effect
        key, result = self._told()
        if key != effect.key:
            raise PosenasError(
                f"process {self._processes.rank} asks for another step than process 0: {effect.name}; a "
                "search must not depend on a clock or a global random generator: tell its authors"
            )
        return result

    def dismiss(self) -> None:
        """Compute what process 0 still wants, until it ends the run."""
        key, _ = self._told()
        if key is not None:
            raise PosenasError(
                f"process {self._processes.rank} ended its search before process 0; tell its authors"
            )

    def read_weights(self, file: str) -> bytes:
        """Return a weights file's content, which process 0 has written."""
        return read_weights(self._run.weights, file)

    def discard(self, file: str) -> None:
        """Leave the file to process 0."""

    def check_journal(self) -> None:
        """Leave the journal to process 0."""

    def _told(self) -> tuple[str | None, Any]:
        """Return the next result and its key, and compute before what is to be computed together."""
        while True:
            key, done, result = self._processes.broadcast(None)
            if done:
                return key, result
            self._asked[key].compute(key)
            self._processes.gathered(self.warnings)
            self.warnings.clear()
