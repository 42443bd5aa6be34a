"""Draws `trip.svg`: one genotype's way from the command line to the report, and the rooms that it passes.

    python docs/pictures/trip.py

`integration_tests/test_trip.py` checks that every room and every station is in the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

PLUGIN = "a package"
"""The lane of the strategy, the space and the head, which may be anybody's."""

LANES = (
    "cli",
    PLUGIN,
    "standard",
    "kit",
    "exporting",
    "prediction",
    "reporting",
    "searching",
    "composing",
    "learning",
    "data",
    "networks",
    "runs",
    "contract",
)
"""From the roof to the ground: a room imports itself and the rooms below it."""


@dataclass(frozen=True)
class Station:
    """A function that the genotype passes.

    Attributes:
        function: `module:name` below the lane's room; of a package the method that is called.
        what: what happens there, in a few words.
    """

    lane: str
    function: str
    what: str


TRIP = (
    Station("cli", "run_commands:compose", "flags are read"),
    Station("runs", "recipe:recipe_from_tables", "they become\na recipe"),
    Station("composing", "compose:compose", "five components\nfit together"),
    Station("searching", "search:search", "the run begins,\nor goes on"),
    Station(PLUGIN, "Strategy.search", "asks for\na genotype"),
    Station("composing", "goals.limits:draw_genotypes", "it is drawn"),
    Station("networks", "counting:measure", "its costs keep\nthe limits"),
    Station(PLUGIN, "Strategy.search", "asks for\nits score"),
    Station("runs", "journal:Journal.find", "known already?\nthen it returns"),
    Station("networks", "pose_network:SharedPoseNetwork.derive", "its network is cut\nout of shared weights"),
    Station("data", "crops:load_crops", "people it has\nnot seen"),
    Station("learning", "inference:predict", "poses"),
    Station("standard", "evaluators.oks:OksEvaluator.evaluate", "metrics"),
    Station("runs", "journal:Journal.append", "remembered,\nbefore anybody sees it"),
    Station("contract", "trial:Trial", "a trial"),
    Station(PLUGIN, "Strategy.search", "the best one\nis the winner"),
    Station("learning", "training:train", "trained on,\nand scored again"),
    Station("runs", "checksums:write_results", "results on disk"),
    Station("reporting", "report.writer:write_report", "the report"),
)

INK, PALE, LINE, ROOF = "#22303c", "#eef2f5", "#c2410c", "#fdf3e7"


def draw() -> Figure:
    """Return the figure: lanes from top to bottom, stations from left to right."""
    figure = Figure(figsize=(21.0, 11.0), layout="constrained")
    axes = figure.subplots()
    heights = {lane: len(LANES) - 1 - place for place, lane in enumerate(LANES)}
    for lane, height in heights.items():
        band = FancyBboxPatch(
            (-1.9, height - 0.43),
            len(TRIP) + 1.75,
            0.86,
            boxstyle="round,pad=0.0,rounding_size=0.12",
            facecolor=ROOF if lane == PLUGIN else PALE,
            edgecolor="none",
        )
        axes.add_patch(band)
        axes.text(-1.8, height, lane, va="center", weight="bold", color=INK, size=13)
    places = [(number, heights[station.lane]) for number, station in enumerate(TRIP)]
    axes.plot(*zip(*places, strict=True), color=LINE, linewidth=1.4, alpha=0.55, zorder=2)
    for number, (station, (x, y)) in enumerate(zip(TRIP, places, strict=True), start=1):
        axes.plot([x], [y], "o", markersize=17, color=LINE, zorder=3)
        axes.text(
            x, y, str(number), ha="center", va="center", color="white", size=10, weight="bold", zorder=4
        )
        axes.annotate(
            station.what,
            (x, y),
            xytext=(0, -13),
            textcoords="offset points",
            ha="center",
            va="top",
            size=8.5,
            color=INK,
            zorder=5,
            bbox={"facecolor": ROOF if station.lane == PLUGIN else PALE, "edgecolor": "none", "pad": 0.6},
        )
        axes.annotate(
            station.function.split(":")[-1],
            (x, y),
            xytext=(0, 11),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=7.5,
            family="monospace",
            color=LINE,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8},
        )
    axes.set_xlim(-2.0, len(TRIP) - 0.1)
    axes.set_ylim(-0.75, len(LANES) - 0.4)
    axes.set_axis_off()
    return figure


def main() -> None:
    """Write the picture beside this script."""
    mpl.rcParams["svg.hashsalt"] = "trip"
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.family"] = ["sans-serif"]
    draw().savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
