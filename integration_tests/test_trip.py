"""The picture of a genotype's way through the house: its rooms and its stations are in the code."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import test_rooms
from posenas.contract import components, problem

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def loaded() -> ModuleType:
    """Return the script that draws the picture."""
    spec = importlib.util.spec_from_file_location("trip", FOLDER / "trip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    return module


TRIP = loaded()


def test_the_floors_are_the_rooms_from_the_last_to_the_first() -> None:
    assert tuple(lane for lane in reversed(TRIP.LANES) if lane != TRIP.PLUGIN) == test_rooms.ROOMS


@pytest.mark.parametrize("station", TRIP.TRIP, ids=lambda station: station.function)
def test_every_station_is_in_the_code(station: object) -> None:
    lane, function = station.lane, station.function  # type: ignore[attr-defined]
    if lane == TRIP.PLUGIN:
        protocol, method = function.split(".")
        assert hasattr(getattr(problem, protocol, getattr(components, protocol, None)), method)
        return
    module, _, name = function.partition(":")
    home = import_module(f"posenas.{lane}.{module}")
    assert reduce(getattr, name.split("."), home) is not None


def test_the_picture_is_of_this_trip() -> None:
    words = re.findall(r"<text[^>]*>([^<]*)</text>", (FOLDER / "trip.svg").read_text())
    drawn = " ".join(words)
    for station in TRIP.TRIP:
        assert station.function.split(":")[-1] in drawn
        assert all(line in drawn for line in station.what.split("\n"))
