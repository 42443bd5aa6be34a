"""The checks of `posenas doctor`: environment, machine, devices, plugins and data."""

from __future__ import annotations

from posenas.cli.doctor.examination import examine
from posenas.cli.doctor.finding import Finding, isolated

__all__ = ["Finding", "examine", "isolated"]
