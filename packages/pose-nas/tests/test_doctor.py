"""Every warning and everything to mend is brought about once, and nothing stops the other checks."""

from __future__ import annotations

import builtins
import json
import re
import shutil
import sys
import tempfile
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import click.testing
import cv2
import numpy as np
import posenas.cli.doctor.plugins as doctor_plugins
import pytest
import torch
from posenas.cli import posenas as command
from posenas.cli.doctor import Finding, examine, isolated
from posenas.cli.doctor.devices import check_devices, driver_version, unseen
from posenas.cli.doctor.machine import (
    available_memory,
    check_disk,
    check_memory,
    check_precision,
    check_runs_folder,
    check_shared_memory,
    check_threads,
    cpu_quota,
)
from posenas.cli.doctor.packages import check_opencv, check_python, check_requirements
from posenas.composing.plugins import Plugin, find_plugins
from posenas.contract.errors import PosenasError

GIB = 2**30
MIB = 2**20
Usage = namedtuple("Usage", ("total", "used", "free"))


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def looked_at(folder: Path, **choice: Any) -> list[Finding]:
    return examine(folder=folder, **({"recipe": None, "dataset": None, "assignments": ()} | choice))


def of_area(findings: Sequence[Finding], area: str) -> list[Finding]:
    return [finding for finding in findings if finding.area == area]


# Findings and their isolation


def test_a_finding_is_one_line() -> None:
    assert str(Finding("data", "ok", "all there")) == "ok    data         all there"
    assert str(Finding("data", "mend", "gone", "get it")) == "mend  data         gone; get it"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError("libtorch.so:\n no such file"), "trying it fails with OSError: libtorch.so: no such file"),
        (PosenasError("a folder is missing: make it"), "a folder is missing: make it"),
    ],
)
def test_a_check_that_fails_is_a_line_after_what_it_found(error: Exception, says: str) -> None:
    def check() -> Iterator[Finding]:
        yield Finding("data", "ok", "first")
        raise error

    first, second = isolated("data", "trying it", check)
    assert (first.status, first.found) == ("ok", "first")
    assert (second.area, second.status, second.found) == ("data", "mend", says)


def test_here_nothing_is_to_be_mended_in_the_environment(tmp_path: Path) -> None:
    findings = looked_at(tmp_path)
    assert {finding.area for finding in findings} == {"environment", "machine", "devices", "plugins", "data"}
    assert {finding.status for finding in of_area(findings, "environment")} <= {"ok", "warn"}
    assert not list(tmp_path.iterdir())


def test_a_torch_that_cannot_be_imported_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def broken(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "torch":
            raise OSError("libtorch_cpu.so: cannot open shared object file")
        return real(name, *arguments, **named)

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(builtins, "__import__", broken)
    monkeypatch.setattr("importlib.import_module", broken)
    findings = looked_at(tmp_path)
    mended = [finding for finding in findings if finding.status == "mend"]
    reason = "fails with OSError: libtorch_cpu.so: cannot open shared object file"
    assert [finding.found for finding in mended] == [
        f"{what} {reason}" for what in ("importing torch", "choosing the precision", "looking for devices")
    ]
    assert {finding.area for finding in findings} == {"environment", "machine", "devices", "plugins", "data"}
    assert any("not loaded" in finding.found for finding in of_area(findings, "plugins"))


# Environment


def test_versions_are_judged_by_the_declared_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding.found.split()[0]: finding for finding in check_requirements()}
    assert {"torch", "numpy", "opencv-python-headless"} <= set(found)
    assert found["torch"].status == "ok"
    declared = ["torch>=99", "no-such-package>=1", "numpy>=1", 'absent; extra == "more"']
    monkeypatch.setattr(metadata, "requires", lambda _: declared)
    old, absent, fine = check_requirements()
    assert old.status == absent.status == "mend"
    assert old.found == f"torch {metadata.version('torch')}, but >=99 is needed"
    assert old.remedy == 'pip install --upgrade "torch>=99"'
    assert absent.found == "no-such-package is not installed"
    assert absent.remedy == 'pip install "no-such-package>=1"'
    assert fine.status == "ok"


@pytest.mark.parametrize(("version", "status"), [("3.10.9", "mend"), ("3.11.0", "ok"), ("3.99.1", "ok")])
def test_an_old_python_is_to_be_mended(monkeypatch: pytest.MonkeyPatch, version: str, status: str) -> None:
    monkeypatch.setattr("platform.python_version", lambda: version)
    finding = only(check_python())
    assert finding.status == status
    assert version in finding.found


def test_two_opencvs_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"opencv-python-headless"}
    monkeypatch.setattr(metadata, "distributions", lambda name: iter([name] if name in installed else []))
    assert not list(check_opencv())
    installed.add("opencv-python")
    finding = only(check_opencv())
    assert finding.status == "warn"
    assert "opencv-python and opencv-python-headless" in finding.found


# Machine


@pytest.mark.parametrize(
    ("text", "cores", "quota", "status", "says"),
    [
        (None, 4, None, "ok", "not set"),
        ("4", 4, None, "ok", "OMP_NUM_THREADS=4"),
        ("2,1", 4, None, "ok", "OMP_NUM_THREADS=2,1"),
        ("5", 4, None, "warn", "wait for each other; export OMP_NUM_THREADS=4"),
        ("3", 64, 2.0, "warn", "of which the container grants 2, but OMP_NUM_THREADS=3"),
        ("2", 64, 1.5, "ok", "of which the container grants 1.5"),
        (None, 64, 2.0, "warn", "a thread for each core; export OMP_NUM_THREADS=2"),
        (None, 4, 8.0, "ok", "4 cores;"),
        ("many", 4, None, "warn", "no number from 1; export OMP_NUM_THREADS=4"),
        ("0", 4, None, "warn", "no number from 1"),
        ("", 4, None, "warn", "no number from 1"),
    ],
)
def test_threads(text: str | None, cores: int, quota: float | None, status: str, says: str) -> None:
    environment = {} if text is None else {"OMP_NUM_THREADS": text}
    finding = only(check_threads(environment, cores=cores, quota=quota))
    assert finding.status == status
    assert says in str(finding)


@pytest.mark.parametrize(("text", "cores"), [("max 100000\n", None), ("150000 100000\n", 1.5)])
def test_the_quota_of_a_container_is_read(tmp_path: Path, text: str, cores: float | None) -> None:
    assert cpu_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text(text)
    assert cpu_quota(tmp_path) == cores


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({"avx2": True}, "CPU with avx2: precision auto is float32"),
        ({"avx2": True, "avx512_bf16": True}, "CPU with avx2, avx512_bf16: precision auto is bfloat16"),
        ({"amx_bf16": True}, "precision auto is bfloat16"),
        ({}, "CPU with none of"),
    ],
)
def test_the_features_that_decide_the_precision(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], says: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    finding = only(check_precision())
    assert finding.status == "ok"
    assert says in finding.found


@pytest.mark.parametrize(
    ("size", "status"),
    [(GIB - 1, "mend"), (GIB, "warn"), (3 * GIB - 1, "warn"), (3 * GIB, "ok"), (None, "ok")],
)
def test_memory(size: int | None, status: str) -> None:
    finding = only(check_memory(size))
    assert finding.status == status
    assert bool(finding.remedy) == (status != "ok")


def test_the_memory_of_a_container_counts(tmp_path: Path) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    assert available_memory(meminfo, group) is None
    meminfo.write_text(f"MemTotal:  {9 * MIB} kB\nMemAvailable:  {5 * MIB} kB\nHugePages_Total:       0\n")
    assert available_memory(meminfo, group) == 5 * GIB
    group.mkdir()
    (group / "memory.current").write_text(f"{GIB}\n")
    (group / "memory.max").write_text("max\n")
    assert available_memory(meminfo, group) == 5 * GIB
    (group / "memory.max").write_text(f"{3 * GIB}\n")
    assert available_memory(meminfo, group) == 2 * GIB


@pytest.mark.parametrize(
    ("check", "size", "status"),
    [
        (check_disk, GIB - 1, "mend"),
        (check_disk, GIB, "warn"),
        (check_disk, 5 * GIB, "ok"),
        (check_shared_memory, 31 * MIB, "mend"),
        (check_shared_memory, 64 * MIB, "warn"),  # a container's default
        (check_shared_memory, 256 * MIB, "ok"),
    ],
)
def test_disk_and_shared_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path], Iterator[Finding]],
    size: int,
    status: str,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(99 * GIB, 0, size))
    finding = only(check(tmp_path))
    assert finding.status == status
    assert str(tmp_path) in finding.found
    assert bool(finding.remedy) == (status != "ok")


def test_a_system_without_a_folder_for_shared_memory_is_in_order(tmp_path: Path) -> None:
    assert only(check_shared_memory(tmp_path / "shm")).status == "ok"


def test_a_runs_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    assert only(check_runs_folder(runs)).status == "ok"
    assert not runs.exists()
    runs.write_text("a file")
    finding = only(check_runs_folder(runs))
    assert (finding.status, finding.found) == ("mend", f"runs cannot be written to {runs}: Not a directory")

    def full(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert "No space left" in only(check_runs_folder(tmp_path / "other")).found


# Devices

GPU = Path("/dev/nvidia0")
UNSEEN = {
    "version": "2.13.0",
    "cuda": "13.0",
    "driver": "470.82",
    "files": [GPU],
    "environment": {},
    "messages": [],
}


@pytest.mark.parametrize(
    ("condition", "status", "says"),
    [
        ({"driver": None, "files": []}, "ok", "everything runs on the CPU"),
        ({"files": []}, "warn", "no GPU is handed to this container; start the container with --gpus all"),
        ({"cuda": None}, "warn", "torch 2.13.0 is built without CUDA; install a CUDA build"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": ""}}, "warn", "CUDA_VISIBLE_DEVICES='' hides its GPUs"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "-1"}}, "warn", "unset CUDA_VISIBLE_DEVICES"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "0"}}, "mend", "torch does not say why"),
        ({"messages": ["The NVIDIA driver\nis too old"]}, "mend", "(The NVIDIA driver is too old); update"),
    ],
)
def test_why_a_gpu_is_not_seen(condition: dict[str, Any], status: str, says: str) -> None:
    finding = unseen(**(UNSEEN | condition))
    assert finding.status == status
    assert says in str(finding)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27\nGCC version: 9.4.0",
            "470.82.01",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release", "560.35.03"),
        ("something else", "of unknown version"),
    ],
)
def test_the_drivers_version_is_read(tmp_path: Path, text: str, version: str) -> None:
    assert driver_version(tmp_path / "version") is None
    (tmp_path / "version").write_text(text)
    assert driver_version(tmp_path / "version") == version


def test_what_torch_warns_of_while_it_looks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> bool:
        warnings.warn("CUDA initialization: driver too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", unavailable)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr("posenas.cli.doctor.devices.driver_version", lambda: "470.82")
    monkeypatch.setattr(Path, "glob", lambda *_: iter([GPU]))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    finding = only(check_devices())
    assert finding.status == "mend"
    assert "CUDA initialization: driver too old" in finding.found


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes torch see one CUDA device, whose product is computed on the CPU."""
    real = torch.ones

    def make(*, free: int = 70 * GIB, product: Callable[..., torch.Tensor] | None = None) -> None:
        properties = namedtuple("Properties", ("name", "major", "minor"))("NVIDIA H200", 9, 0)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 140 * GIB))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_50", "sm_60"])
        monkeypatch.setattr(torch, "ones", product or (lambda *shape, **_: real(*shape)))

    return make


def test_a_gpu_is_told_with_its_memory(gpu: Callable[..., None]) -> None:
    gpu()
    finding = only(check_devices())
    assert (finding.status, finding.remedy) == ("ok", "")
    assert finding.found == "cuda:0 NVIDIA H200, capability 9.0, 70.0 of 140.0 GiB free"


def test_a_gpu_whose_memory_others_hold_is_warned_of(gpu: Callable[..., None]) -> None:
    gpu(free=GIB)
    finding = only(check_devices())
    assert finding.status == "warn"
    assert "nvidia-smi" in finding.remedy


def test_a_gpu_without_kernels_is_to_be_mended(gpu: Callable[..., None]) -> None:
    def no_kernel(*_: Any, **__: Any) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available\nfor execution on the device")

    gpu(product=no_kernel)
    finding = only(check_devices())
    assert finding.status == "mend"
    assert "cannot compute: CUDA error: no kernel image is available" in finding.found
    assert "sm_50 sm_60" in finding.remedy


def test_a_gpu_that_computes_wrongly_is_to_be_mended(gpu: Callable[..., None]) -> None:
    gpu(product=lambda *shape, **_: torch.full(shape, 0.9))
    finding = only(check_devices())
    assert finding.status == "mend"
    assert "computes wrongly" in finding.found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_real_gpu_computes() -> None:
    assert {finding.status for finding in check_devices()} <= {"ok", "warn"}


# Plugins


@pytest.mark.parametrize(
    ("status", "problem", "says"),
    [
        (
            "broken",
            "it imports absent_module",
            "is broken: it imports absent_module; pip install --upgrade far",
        ),
        ("outdated", "needs pose-nas>=9: pip install --upgrade far", "is outdated: needs pose-nas>=9: pip"),
        (
            "doubled",
            "also offered by near 1: pip uninstall all but one",
            "is doubled: also offered by near 1",
        ),
    ],
)
def test_plugins_that_cannot_be_used_are_listed_with_their_reason(
    monkeypatch: pytest.MonkeyPatch, status: Any, problem: str, says: str
) -> None:
    bad = Plugin("space", "far", "far", "1.0", "far:Far", status, problem)
    monkeypatch.setattr(doctor_plugins, "find_plugins", lambda: (bad, *find_plugins()))
    mended = [finding for finding in doctor_plugins.check_listed() if finding.status == "mend"]
    assert len(mended) == 1
    assert f"space far of far 1.0 {says}" in str(mended[0])
    # Nothing is imported of a plugin that cannot be used.
    assert {finding.status for finding in doctor_plugins.check_loading()} == {"ok"}


def test_a_kind_without_plugins_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    without = tuple(plugin for plugin in find_plugins() if plugin.kind != "space")
    monkeypatch.setattr(doctor_plugins, "find_plugins", lambda: without)
    warned = only(finding for finding in doctor_plugins.check_listed() if finding.status != "ok")
    assert (warned.status, warned.found) == ("warn", "no usable space is installed")


def test_a_plugin_that_looks_well_and_cannot_be_imported_is_to_be_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = next(plugin for plugin in find_plugins() if plugin.kind == "zoo")
    lost = replace(chosen, name="lost", entry_point="posenas.no_such_module:LOST")
    monkeypatch.setattr(doctor_plugins, "find_plugins", lambda: (lost, chosen))
    failed, loaded = doctor_plugins.check_loading()
    assert failed.status == "mend"
    assert "cannot be imported: ModuleNotFoundError" in failed.found
    assert loaded.found == "1 plugins can be loaded"


# Data, and the command


@pytest.fixture
def puppets(tmp_path: Path) -> Path:
    """A folder with two splits of one image each."""
    content = {
        "categories": [{"id": 1, "name": "puppet", "keypoints": ["head", "foot"]}],
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [9, 9, 2, 9, 20, 2]}],
    }
    for split in ("train", "val"):
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 40, 3), np.uint8))
    return tmp_path


def of_data(folder: Path, **choice: Any) -> list[Finding]:
    return of_area(looked_at(folder, **choice), "data")


def test_without_a_choice_no_data_is_checked_and_it_says_so(tmp_path: Path) -> None:
    (finding,) = of_data(tmp_path)
    assert finding.status == "ok"
    assert finding.found.startswith("none checked")


def test_the_data_of_a_recipe_or_of_flags_is_checked(puppets: Path) -> None:
    recipe = puppets / "recipe.toml"
    recipe.write_text(f'[dataset]\nname = "coco"\nroot = "{puppets}"\n')
    expected = [
        f"dataset coco, split {split}: 1 images, the first 40 x 30 ({puppets}/a.png)"
        for split in ("train", "val")
    ]
    by_recipe = of_data(puppets, recipe=recipe)
    by_flags = of_data(puppets, dataset="coco", assignments=(f"dataset.root={puppets}",))
    assert [finding.found for finding in by_recipe] == expected
    assert by_flags == by_recipe
    assert {finding.status for finding in by_flags} == {"ok"}


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "val.json").unlink(), "split val: .*no annotations for val"),
        (lambda folder: (folder / "val.json").write_text("{"), "split val: .*not JSON at line 1"),
        (lambda folder: (folder / "a.png").write_bytes(b"x"), "split val: its first image cannot be read"),
        (lambda folder: (folder / "a.png").unlink(), "split val: .*none of its images"),
    ],
    ids=["no annotations", "no JSON", "no image", "no file"],
)
def test_harmed_data_is_to_be_mended(puppets: Path, harm: Callable[[Path], None], says: str) -> None:
    harm(puppets)
    findings = of_data(puppets, dataset="coco", assignments=(f"dataset.root={puppets}",))
    assert len(findings) == 2
    assert findings[1].status == "mend"
    assert re.search(says, findings[1].found)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"dataset": "coco"}, "dataset.root is not set"),
        ({"dataset": "coco", "assignments": ("dataset.root=gone",)}, "gone is no folder"),
        ({"dataset": "cocoa"}, "unknown dataset 'cocoa'"),
        ({"dataset": "coco", "assignments": ("dataset.rot=x",)}, "unknown option 'rot' of dataset coco"),
        ({"assignments": ("nonsense",)}, "expected table.key=value"),
        ({"recipe": Path("gone.toml")}, "recipe gone.toml cannot be read"),
    ],
)
def test_a_choice_that_is_wrong_is_to_be_mended(tmp_path: Path, choice: dict[str, Any], says: str) -> None:
    first, *_ = of_data(tmp_path, **choice)
    assert first.status == "mend"
    assert says in first.found


def ask(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, ["doctor", *arguments])


def test_the_command_ends_with_2_where_something_must_be_mended(puppets: Path) -> None:
    flags = ("--dataset", "coco", "-o", f"dataset.root={puppets}")
    assert ask(*flags).exit_code == 0
    (puppets / "a.png").unlink()
    answer = ask(*flags)
    assert answer.exit_code == 2
    lines = answer.output.splitlines()
    assert sum(line.startswith("mend  data") for line in lines) == 2
    assert lines[-1].startswith("2 to mend, ")


def test_the_command_prints_json(puppets: Path) -> None:
    told = json.loads(ask("--json", "--dataset", "coco", "-o", f"dataset.root={puppets}").output)
    assert told["mend"] == 0
    assert told["ok"] + told["warn"] == len(told["findings"])
    assert all(set(each) == {"area", "status", "found", "remedy"} for each in told["findings"])
