"""Searches on a pretended GPU: nothing stays on the CPU, results are the CPU's, and the host seldom waits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_every_pair import NAMES, SMALLEST, pairs_to_run, smallest_search

READ, HALVES, COPY, OPERATIONS_OF_EDGES = "mean_losses.py", "batch_parts.py", "one_copy.py", "mixture.py"
"""Files that may wait: for losses, for the people in half a batch, for a copy, for what is drawn on edges."""
IN_HALVES = ("bilevel", "first-order", "gumbel", "second-order")
"""Strategies whose steps take the halves of a batch one after the other."""
ROUNDED = ("second-order",)
"""Gradients of gradients are added up in another order by a device, whose gradients have their own thread."""
FABRICS = 6
"""The most fabrics that read their architecture's numbers, once a network."""
QUICK = (("ofa", "sandwich", "heatmap"),)
"""Space, strategy and head of the search in the fast session; the slow one has every pair."""


def printed_by(program: str, *arguments: object, given: str = "") -> list[Any]:
    """Return the lines of JSON that a program in this folder prints."""
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name(program), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_waits_and_launches_are_counted_and_what_does_not_meet_is_refused() -> None:
    (found,) = printed_by("waits_of_operations.py")
    waits = {name: each["waits"][0] for name, each in found.items() if each["waits"]}
    assert waits == {
        **dict.fromkeys(("item", "float", "truth"), "a number read"),
        **dict.fromkeys(("tolist", "to the host", "into the host's"), "a copy to the host"),
        "comparison": "a comparison read",
        **dict.fromkeys(("nonzero", "unique", "masked select"), "a shape that depends on values"),
        "boolean index": "a boolean index",
        **dict.fromkeys(("list as index", "from the host", "new tensor"), "a copy from the host"),
    }
    assert all(len(each["waits"]) < 2 for each in found.values())
    assert found["views"]["launches"] == 0
    assert found["kernels"]["launches"] == 2
    refused = {name: each["refused"] for name, each in found.items() if each["refused"]}
    assert list(refused) == ["meeting"]
    assert "waits_of_operations.py:" in refused["meeting"]
    assert "a tensor (3,) of the CPU among those of sim" in refused["meeting"]


def check(search: Sequence[str], found: Any) -> None:
    """Check what a search of a space by a strategy with a head gave on the pretended device."""
    space, strategy, head = search
    assert not found["failed"]
    assert found["operations"] > found["launches"] > 500
    if strategy not in ROUNDED:
        assert found["differing"] == []
    in_epochs: Counter[str] = Counter()
    for place, times in found["waits"]["epoch"].items():
        in_epochs[place.rpartition(" at ")[2].rpartition(":")[0]] += times
    parts = 2 if strategy in IN_HALVES else 1
    allowed = {READ: found["calls"]["epoch"]}
    if head == "kapao":
        allowed[COPY] = parts * found["steps"]
        allowed[HALVES] = parts * found["steps"] if parts == 2 else 0
    if space == "cnf":
        allowed[COPY] = allowed.get(COPY, 0) + FABRICS * found["calls"]["epoch"]
    if space == "autopose" and strategy in ("bilevel", "gumbel"):
        allowed[OPERATIONS_OF_EDGES] = 2 * found["steps"]
    assert {file: times for file, times in in_epochs.items() if times > allowed.get(file, 0)} == {}
    assert in_epochs[READ] == found["calls"]["epoch"]
    assert found["most"]["checkpoint"] == found["most"]["weights"] == 1
    assert found["most"].get("recalibration", 0) == 0
    # Of the images of a pass, which are one batch. Whole images: 16 of the grids of both looks.
    assert found["most"]["evaluation"] <= (22 if head == "kapao" else 1) + (FABRICS if space == "cnf" else 0)


def words_of(search: tuple[str, str, str]) -> list[str]:
    return [*smallest_search(*search), *SMALLEST]


def test_a_search_is_that_of_the_cpu_and_seldom_waits(tmp_path: Path) -> None:
    words = json.dumps([words_of(search) for search in QUICK])
    found = printed_by("searches_on_a_pretended_device.py", tmp_path, given=words)
    for search, each in zip(QUICK, found, strict=True):
        check(search, each)


@pytest.mark.slow
@pytest.mark.parametrize("space", NAMES["space"])
def test_every_strategy_of_a_space_is_that_of_the_cpu_and_seldom_waits(space: str, tmp_path: Path) -> None:
    searches = [(*pair, head) for pair, head in pairs_to_run().items() if pair[0] == space]
    words = json.dumps([words_of(search) for search in searches])
    found = printed_by("searches_on_a_pretended_device.py", tmp_path, given=words)
    for search, each in zip(searches, found, strict=True):
        check(search, each)


@pytest.mark.slow
def test_averages_clipping_accumulation_and_the_best_epoch_wait_no_more(tmp_path: Path) -> None:
    search = ("ofa", "single", "heatmap")
    settings = ("ema_decay=0.9", "keep=best", "accumulate=2", "clip_norm=1.0")
    more = [word for each in settings for word in ("-o", f"training.{each}")]
    words = [*words_of(search), *more, "-o", "strategy.epochs=3", "-o", "evaluation.held_out=0"]
    (found,) = printed_by("searches_on_a_pretended_device.py", tmp_path, given=json.dumps([words]))
    check(search, found)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["soft", "single"])
def test_a_step_of_both_groups_and_an_update_of_the_controller(estimator: str) -> None:
    """The controller stays on the CPU, so it never waits."""
    (found,) = printed_by("bilevel_on_a_pretended_device.py", estimator)
    device, cpu = found["device"], found["cpu"]
    assert found["operations"] > 1000
    # Of each half, which operations are drawn.
    assert device["step"] == ({"a copy to the host in mixture.py": 2} if estimator == "single" else {})
    assert device["update"] == {}
    for what in ("losses", "values", "controller"):
        assert device[what] == cpu[what]
    assert len(device["losses"]) == 2
