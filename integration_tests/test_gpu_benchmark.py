"""`benchmarks/gpu.py`, on a CPU: what it goes on with, when it stops, what it projects."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from posenas.contract.batches import Poses
from posenas.networks.devices import Compute

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def gpu() -> Iterator[ModuleType]:
    """The benchmark, whose neighbours are found as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        before = set(sys.modules)
        yield importlib.import_module("gpu")
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(BENCHMARKS):
                del sys.modules[name]


@pytest.fixture
def bench(gpu: ModuleType) -> Any:
    return gpu.Bench(Compute(torch.device("cpu"), None), True, 1e9, deadline=100.0, rounds=3)


def test_a_part_stops_at_its_deadline_and_goes_on_with_what_it_lacks(gpu: ModuleType, bench: Any) -> None:
    asked: list[str] = []
    noted: list[dict[str, Any]] = []
    times = iter((0.0, 1.0, 101.0))

    def item(name: str) -> Any:
        def measure(_bench: Any) -> dict[str, int]:
            asked.append(name)
            return {"found": len(name)}

        return measure

    items = {name: item(name) for name in ("a", "bb", "ccc")}
    assert not gpu.measure_part(
        items, {"a": {"found": 9}}, bench, note=noted.append, clock=lambda: next(times)
    )
    assert asked == ["bb"]
    assert noted == [{"a": {"found": 9}, "bb": {"found": 2}}]
    assert gpu.measure_part(items, noted[-1], bench, note=noted.append, clock=lambda: 0.0)
    assert asked == ["bb", "ccc"]
    assert list(noted[-1]) == ["a", "bb", "ccc"]


def test_figures_of_other_commits_and_what_was_stopped_are_measured_again(gpu: ModuleType) -> None:
    figures = {"whole": {"passed": 3}, "half": {gpu.STOPPED: 480.0}}
    content = {"parts": {"suite": {"of": {"commit": "one"}, "figures": figures}}}
    assert gpu.kept(content, "suite", {"commit": "one"}) == {"whole": {"passed": 3}}
    assert gpu.kept(content, "suite", {"commit": "other"}) == {}
    assert gpu.kept(content, "feed", {"commit": "one"}) == {}


def test_a_device_without_enough_memory_is_a_result(gpu: ModuleType, bench: Any) -> None:
    def too_large(_bench: Any) -> dict[str, int]:
        raise torch.OutOfMemoryError("out of memory\nmore words")

    assert gpu.measured(too_large, bench) == {"failed": "out of memory"}


def test_rounds_alternate_until_the_deadline(gpu: ModuleType, bench: Any) -> None:
    measuring = sys.modules["gpu_measuring"]
    order: list[str] = []
    works = {name: (lambda name=name: order.append(name)) for name in "xy"}
    taken = measuring.seconds_of(replace(bench, deadline=float("inf")), works)
    assert "".join(order) == "xy" + "xy" + "yx" + "xy"
    assert [len(each) for each in taken.values()] == [3, 3]
    assert len(measuring.seconds_of(replace(bench, deadline=0.0), works)["x"]) == 1
    assert measuring.share_of_peak(5e9, 2.0, 60e9) == pytest.approx(0.25)
    assert gpu.peak_of("NVIDIA H200", "bf16") == 989e12
    assert gpu.peak_of("NVIDIA H200", "32") is None


def test_hours_are_projected_from_each_recipe_s_own_plan(gpu: ModuleType) -> None:
    measured = {
        "sandwich": {"resnet50": {"samples a second": 1000.0}},
        "supervised": {"kapao-s": {"samples a second": 100.0}},
        "evaluation": {"resnet50": {"hours of 500 candidates, projected": 0.5}},
        "feed": {"crops": {"crops a second": 500.0}},
    }
    projected = gpu.project(measured)
    assert list(projected) == ["vipnas-res50 shared", "vipnas-res50 ranking", "kapao-s final"]
    shared = projected["vipnas-res50 shared"]
    assert shared["samples"] == 250 * 149_813
    assert shared["hours of steps"] == pytest.approx(250 * 149_813 / 1000 / 3600)
    assert shared["hours of feeding"] == pytest.approx(2 * shared["hours of steps"])
    assert projected["vipnas-res50 ranking"]["hours of steps"] == 0.5
    assert projected["kapao-s final"]["samples"] == 500 * 118_287
    assert "hours of feeding" not in projected["kapao-s final"]


def test_every_network_that_is_projected_from_is_measured(gpu: ModuleType) -> None:
    projection = sys.modules["gpu_projection"]
    for part, step in projection.LIKE.values():
        assert step in gpu.PARTS[part](small=False)
    recipes = {path.stem for path in projection.RECIPES.glob("*.toml")}
    assert {name for name, _ in projection.LIKE} | set(projection.NOT_PROJECTED) <= recipes
    for name, phase in projection.LIKE:
        assert phase in {work.phase for work in projection.workloads(name)}, name


def test_unequal_networks_are_told(gpu: ModuleType) -> None:
    assert gpu.PARTS
    equality = sys.modules["gpu_equality"]
    ours = [torch.tensor([0.0, 4.0]), torch.tensor([1.0])]
    assert equality.largest_difference(ours, ours) == 0
    assert equality.largest_difference(ours, [ours[0], torch.tensor([1.5])]) == pytest.approx(0.125)
    poses = Poses(torch.zeros(2, 5, 2), torch.ones(2, 5))
    moved = Poses(poses.keypoints.clone(), poses.keypoint_scores)
    moved.keypoints[1, 2, 0] = 0.2
    assert equality.share_of_straying(poses, moved) == pytest.approx(0.1)
    assert equality.share_of_straying(poses, Poses(torch.zeros(1, 5, 2), torch.ones(1, 5))) is None


@pytest.mark.slow
def test_all_parts_on_tiny_sizes_and_nothing_twice(tmp_path: Path) -> None:
    command = [
        sys.executable, BENCHMARKS / "gpu.py", "--device", "cpu", "--small", "--rounds", "2",
        "--folder", tmp_path,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (file,) = tmp_path.iterdir()
    first = file.read_bytes()
    parts = json.loads(first)["parts"]
    assert list(parts) == ["suite", "equality", "sandwich", "supervised", "evaluation", "feed"]
    assert parts["suite"]["figures"]["test_every_pair"] == {"passed": 1, "failed": [], "skipped": 0}
    assert all(each["equal"] for each in parts["equality"]["figures"].values())
    assert all(each["samples a second"] > 0 for each in parts["supervised"]["figures"].values())
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert file.read_bytes() == first
