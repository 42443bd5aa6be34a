"""Notes: a file of what a build of a latency table has measured, so that it can go on after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.networks.latency.beside import Beside, QuietTime, quiet_reference, quiet_time
from posenas.networks.latency.entries import Entry, make_entry
from posenas.networks.latency.measure import MeasuredLatency
from posenas.networks.latency.operators import Operator
from posenas.runs.files import write_atomically
from posenas.runs.strict_json import parse_json


class BuildNotes:
    """The times measured so far, and the file `NAME.building` beside the table's that holds them.

    Args:
        path: the table's file.
        plan: everything that the times depend on.

    Raises:
        PosenasError: where the file is damaged, or of another plan.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        self._path = path.parent / (path.name + ".building")
        self._plan = plan
        self.operators: dict[str, Operator] = {}
        self._times: dict[str, list[MeasuredLatency]] = {}
        self._networks: dict[str, list[Beside]] = {}
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = parse_json(self._path.read_bytes())
            plan = content["plan"]
            self.operators = {row[0]: Operator(*row) for row in content["operators"]}
            self._times = {
                key: [MeasuredLatency(**latency) for latency in passes]
                for key, passes in content["times"].items()
            }
            self._networks = {
                name: [Beside(**one) for one in passes] for name, passes in content["networks"].items()
            }
        except (AttributeError, ValueError, KeyError, TypeError) as error:
            raise PosenasError(
                f"{self._path}: not a build's notes ({error}); remove it to start anew"
            ) from error
        if plan != self._plan:
            changed = [name for name in self._plan if plan.get(name) != self._plan[name]]
            raise PosenasError(
                f"{self._path}: an unfinished build with another {' and '.join(changed)}; finish it with the "
                "same options, or remove it to start anew"
            )

    def operator_passes(self, key: str) -> int:
        """Return how often the operator was measured."""
        return len(self._times.get(key, ()))

    def network_passes(self, name: str) -> int:
        """Return how often the network was measured, by its genotype's id."""
        return len(self._networks.get(name, ()))

    def entries(self) -> list[Entry]:
        """Return each operator's quietest pass, since other processes only ever add time."""
        return [
            make_entry(operator, min(self._times[key], key=lambda latency: latency.median_ms))
            for key, operator in self.operators.items()
        ]

    def network_time(self, name: str) -> QuietTime:
        """Return the network's time in quiet turns, by its genotype's id."""
        everything = (one for passes in self._networks.values() for one in passes)
        return quiet_time(self._networks[name], quiet_reference(everything))

    def add_operators(self, latencies: Mapping[str, MeasuredLatency]) -> None:
        """Add one time for each operator, by its text, and save the notes."""
        for key, latency in latencies.items():
            self._times.setdefault(key, []).append(latency)
        self._save()

    def add_network(self, name: str, beside: Beside) -> None:
        """Add one pass of a network, by its genotype's id, and save the notes."""
        self._networks.setdefault(name, []).append(beside)
        self._save()

    def _save(self) -> None:
        content = {
            "plan": self._plan,
            "operators": [
                (operator.key, operator.macs, operator.elements) for operator in self.operators.values()
            ],
            "times": {key: [asdict(latency) for latency in passes] for key, passes in self._times.items()},
            "networks": {name: [asdict(one) for one in passes] for name, passes in self._networks.items()},
        }
        write_atomically(self._path, json.dumps(content).encode())

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink()
