"""Effects: the costly steps of a run, each done once, and the weights files that they made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.runs.checkpoint import read_weights
from posenas.runs.journal import Journal, effect_key
from posenas.runs.run import Run
from posenas.searching.workshop import NetworkFailedError


class Effects:
    """What a run has done. An effect is known by a hash of its name and of all that its result depends on
    beside the recipe; its result is in the journal before anybody sees it."""

    def __init__(self, run: Run, journal: Journal, *, warn: Callable[[str], None]) -> None:
        self._run, self._journal, self._warn = run, journal, warn
        self._again: dict[str, Callable[[], str]] = {}

    def knows(self, key: str) -> bool:
        return self._journal.find(key) is not None

    def result(self, effect: str, inputs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """The journal's, or what `compute` gives now."""
        key = effect_key(effect, inputs)
        known = self._journal.find(key)
        if known is not None:
            return known
        result = compute()
        self._journal.append(effect, key, inputs=inputs, result=result)
        return result

    def attempt(
        self, effect: str, inputs: Mapping[str, Any], compute: Callable[[], Any]
    ) -> Mapping[str, Any]:
        """The same; that a network cannot be run is a result too, of which the reason is the `failure`."""

        def attempt() -> Any:
            try:
                return compute()
            except NetworkFailedError as error:
                return {"failure": str(error)}

        result: Mapping[str, Any] = self.result(effect, inputs, attempt)
        return result

    def made(self, file: str, again: Callable[[], str]) -> None:
        """Notes how a weights file is made again: `again` does so, and gives its name."""
        self._again[file] = again

    def discard(self, file: str) -> None:
        """Deletes a weights file; one that is read all the same is made again."""
        (self._run.weights / file).unlink(missing_ok=True)

    def read_weights(self, file: str) -> bytes:
        """A weights file's content; one that was deleted is made again.

        Raises:
            PosenasError: where it is damaged, or making it again gives other weights.
        """
        path = self._run.weights / file
        if not path.exists() and file in self._again:
            self._warn(f"{path}: is missing; training it again")
            if self._again[file]() != file:
                raise PosenasError(
                    f"{path}: was lost, and training again gave other weights; begin a new run with "
                    f"`posenas compose --recipe {self._run.recipe_file}`"
                )
        return read_weights(self._run.weights, file)
