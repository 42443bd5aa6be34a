"""The steps of a journal, which a resumed search must ask for again in their order.

A strategy that reads a clock or a global random generator asks for others. It is refused by name, since its
earlier results would be mixed with those of another search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from posenas.composing.plugins import Owner
from posenas.contract.errors import PosenasError
from posenas.runs.remade import REMADE
from posenas.runs.run import ACCEPTED, BEGUN, Run
from posenas.searching.effects import Effect

_TOLD = 2
"""How many inputs of a step a message names."""


class Retracing:
    """The steps that a run's strategy must ask for again before it asks for new ones.

    What stands before the last accepted changes may be asked for in any order or not at all: it follows from
    other data or code.
    """

    def __init__(
        self, run: Run, records: Sequence[Mapping[str, Any]], *, strategy: Owner, measured: Collection[str]
    ) -> None:
        """Take in the journal as it is when the run is begun or resumed.

        Args:
            run: whose journal it is.
            records: what the journal's lines hold.
            strategy: who asks.
            measured: the names of effects that measure a cost, perhaps another one on another machine.
        """
        records = [record for record in records if record["effect"] != REMADE]
        noted = [number for number, record in enumerate(records, 1) if record["effect"] in (BEGUN, ACCEPTED)]
        begin = noted[-1] if noted else 0
        self._run, self._strategy, self._measured = run, strategy, measured
        self._steps = len(records) - len(noted)
        self._free = {record["key"] for record in records[:begin]}
        self._left = deque(records[begin:])

    def check(self, effect: Effect) -> None:
        """Take in that an effect is asked for.

        Raises:
            PosenasError: if the journal has another one in its place.
        """
        if not self._left or effect.key in self._free:
            return
        expected = self._left[0]
        if expected["key"] == effect.key:
            self._free.add(self._left.popleft()["key"])
        elif self._is_measured_again(effect, expected) or _begins_from_other_weights(effect, expected):
            self._left.clear()
        else:
            now = f"{_spelt(effect.name, effect.inputs, expected['inputs'])} is asked for"
            raise self._departure(_spelt(expected["effect"], expected["inputs"], effect.inputs), now)

    def check_end(self) -> None:
        """Check that a search that never ended before has asked for every step.

        After its first end the journal may hold a comparison's steps too.

        Raises:
            PosenasError: if the search ended before it did.
        """
        if self._left and not (self._run.best / "trial.json").exists():
            expected = self._left[0]
            raise self._departure(_spelt(expected["effect"], expected["inputs"], {}), "the search ends")

    def _is_measured_again(self, effect: Effect, expected: Mapping[str, Any]) -> bool:
        """Return whether a figure is taken anew, as on another device: then the next steps may differ too."""
        same = effect.name == expected["effect"] and effect.name in self._measured
        return same and effect.inputs["genotype"] == expected["inputs"]["genotype"]

    def _departure(self, expected: str, now: str) -> PosenasError:
        step = self._steps - len(self._left) + 1
        return PosenasError(
            f"{self._strategy} departs from its journal: step {step} was {expected}, and now {now}; a search "
            "must not depend on a clock or a global random generator: tell its authors, or begin a new run "
            f"with `posenas compose --recipe {self._run.recipe_file}`"
        )


def _begins_from_other_weights(effect: Effect, expected: Mapping[str, Any]) -> bool:
    """Return whether a training is as it was but for the content of the `--init` file: it is done anew."""
    inputs, before = dict(effect.inputs), dict(expected["inputs"])
    others = inputs.pop("initial", None) != before.pop("initial", None)
    return others and (effect.name, inputs) == (expected["effect"], before)


def _spelt(name: str, inputs: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return an effect in words: its name, and the first of its inputs that the other one has otherwise."""
    flat, other = _flat(inputs), _flat(others)
    differing = {key: value for key, value in flat.items() if other.get(key) != value}
    told = ", ".join(f"{key} {value!r:.24}" for key, value in [*differing.items()][:_TOLD])
    return f"{name} ({told})" if told else name


def _flat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with a genotype's values one by one, and these first."""
    nested = [value for value in inputs.values() if isinstance(value, Mapping)]
    flat = {str(name): each for value in nested for name, each in value.items()}
    return flat | {key: value for key, value in inputs.items() if not isinstance(value, Mapping)}
