"""Conditions: what a latency table was measured on. It holds for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from posenas.networks.devices import Compute
from posenas.networks.latency.measure import device_name


@dataclass(frozen=True)
class Conditions:
    """The conditions of a measurement; times are comparable only where all of them are equal.

    Attributes:
        device: the device in words.
        threads: threads of the CPU.
        precision: "32", "tf32", "bf16" or "fp16".
        batch_size: images in one forward pass.
        input_size: (height, width) in pixels.
    """

    device: str
    threads: int
    precision: str
    batch_size: int
    input_size: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the conditions as plain data."""
        return asdict(self) | {"input_size": list(self.input_size)}

    def differences(self, other: Conditions) -> str:
        """Return the differences in words, such as "precision bf16 and not 32"; empty if there are none."""
        mine, others = self.as_dict(), other.as_dict()
        return ", ".join(
            f"{name.replace('_', ' ')} {mine[name]} and not {others[name]}"
            for name in mine
            if mine[name] != others[name]
        )


def conditions_of(
    compute: Compute, *, threads: int, batch_size: int, input_size: tuple[int, int]
) -> Conditions:
    """Return the conditions of measurements on this machine.

    Args:
        compute: the device, and the type that networks compute in there.
        threads: threads of the CPU.
        batch_size: images in one forward pass.
        input_size: (height, width) in pixels.
    """
    return Conditions(
        device=device_name(compute.device),
        threads=threads,
        precision=compute.precision,
        batch_size=batch_size,
        input_size=input_size,
    )


def conditions_from(values: Mapping[str, Any]) -> Conditions:
    """Return the conditions from the plain data of `Conditions.as_dict`.

    Raises:
        KeyError: if a value is missing.
        TypeError: if a value is of another type.
        ValueError: if a value cannot be read or is out of range.
    """
    height, width = values["input_size"]
    conditions = Conditions(
        device=str(values["device"]),
        threads=int(values["threads"]),
        precision=str(values["precision"]),
        batch_size=int(values["batch_size"]),
        input_size=(int(height), int(width)),
    )
    if not all(
        1 <= each < 2**31 for each in (conditions.threads, conditions.batch_size, *conditions.input_size)
    ):
        raise ValueError("threads, batch size and input size must be at least 1")
    return conditions
