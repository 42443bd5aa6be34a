"""The data, the code and the machine that a run computes on, as its journal notes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """The data, the code and the machine that a run computes on.

    Each is a set of short texts by name, such as `torch`. Two that differ are told in these words.

    Attributes:
        data: digests of what the dataset gives and of the files that the recipe names.
        code: versions of posenas, of torch and of the packages of the chosen components.
        machine: what a result may depend on in its last digits.
        environment: what it may depend on too: Python, the processor, and versions of the packages below.
            Empty for runs from before it was noted, and then not compared.
    """

    data: Mapping[str, str]
    code: Mapping[str, str]
    machine: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as the journal notes it."""
        return asdict(self)

    def changes(self, now: Provenance) -> list[str]:
        """Return in words which data and code differ now: a run must not go on with them in silence."""
        return self.data_changes(now) + _changes(self.code, now.code)

    def data_changes(self, now: Provenance) -> list[str]:
        """Return in words which data differ now."""
        return _changes(self.data, now.data)

    def moves(self, now: Provenance) -> list[str]:
        """Return in words what differs in the machine and its environment now."""
        known = self.environment and now.environment
        environment = _changes(self.environment, now.environment) if known else []
        return _changes(self.machine, now.machine) + environment


@dataclass(frozen=True)
class Accepted:
    """The changes that a run went on with.

    Attributes:
        steps: how many steps were finished before.
        changes: in words, as `Provenance.changes` gives them.
    """

    steps: int
    changes: Sequence[str]


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} ({before.get(name, 'none')}, now {now.get(name, 'none')})"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
