"""The pages on plugins: their packages pass the kit and train, and their tables are those of the code."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import posenas as face
import pytest
from documented_plugins import FILES, HOMES, PAGES, PRINTED, commands, package
from posenas.composing.checks.conformity import _CAPABILITIES, _OF_HEAD_MODULES, _OF_METERS
from posenas.composing.checks.signatures import members
from posenas.composing.loading import load
from posenas.composing.options import describe_options
from posenas.contract.kinds import CLASS_KINDS
from posenas.kit.results import results_of
from posenas.standard.synthetic.dataset import SyntheticDataset
from running import Answer

ROOT = Path(__file__).parents[1]
Posenas = Callable[..., Answer]
Install = Callable[..., None]

QUICK = ("csv-people", "halving-search", "memory-cost", "nme-evaluator")
"""The packages that the fast session asks all of the kit."""
SMALLEST = {"candidates": 2, "epochs": 1, "final_epochs": 1, "calibration_people": 8}
"""Values of a strategy's options, of which it takes those that it has."""
TYPE = re.compile(r"^### `(\w+)`\n(.*?)(?=^#|\Z)", flags=re.MULTILINE | re.DOTALL)
TYPES = [(page, name, table) for page, text in PAGES.items() for name, table in TYPE.findall(text)]
MODULE_CAPABILITIES = {"head": _OF_HEAD_MODULES, "cost": _OF_METERS}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the built-in people, written as the page of datasets has them."""
    folder = tmp_path_factory.mktemp("data") / "people"
    dataset = SyntheticDataset(train_images=16, val_images=4, max_people=1)
    for split in dataset.splits():
        (folder / split).mkdir(parents=True)
        with (folder / f"{split}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(
                ["file", *(f"{name}_{axis}" for name in dataset.keypoints().names for axis in "xy")]
            )
            for sample in dataset.split(split):
                name = f"{split}/{sample.id:04d}.png"
                cv2.imwrite(str(folder / name), sample.source.read()[:, :, ::-1])
                for person in sample.people:
                    cells = [
                        f"{each:.2f}" if point[2] else "" for point in person.keypoints for each in point[:2]
                    ]
                    table.writerow([name, *cells])
    return folder


def small(command: list[str]) -> list[str]:
    """Return the options that make a printed search take seconds."""
    strategy = command[command.index("--strategy") + 1] if "--strategy" in command else "sandwich"
    own = {option.name for option in describe_options(load("strategy", strategy))}
    options = {f"strategy.{name}": value for name, value in SMALLEST.items() if name in own}
    options |= {"head.input_size": "64,64", "training.batch_size": 8, "training.workers": 0}
    if "--dataset" not in command:
        options |= {"dataset.train_images": 24, "dataset.val_images": 8}
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def test_every_file_is_printed_once_and_belongs_to_a_package() -> None:
    names = [name for _, name, _ in PRINTED]
    assert len(names) == len(set(names))
    assert {name.partition("/")[0] for name in names} == set(HOMES)


def test_every_kind_has_a_page_with_a_package() -> None:
    kinds = {
        group.removeprefix("posenas.")
        for name in HOMES
        for group in tomllib.loads(FILES[f"{name}/pyproject.toml"])["project"]["entry-points"]
    }
    assert kinds == {*CLASS_KINDS, "hooks", "zoo"}
    assert set(CLASS_KINDS) <= set(PAGES)
    for page in set(PAGES) - {"write-a-plugin"}:
        assert f"](plugins/{page}.md)" in PAGES["write-a-plugin"]


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in HOMES
        if not re.search(r"posenas\.(hooks|zoo)", FILES[f"{name}/pyproject.toml"])
    ],
)
def test_the_kit_finds_nothing(name: str, install: Install, people: Path) -> None:
    install(**package(name))
    reads = "posenas.dataset" in FILES[f"{name}/pyproject.toml"]
    results = list(results_of(name, {"dataset.root": str(people)} if reads else {}))
    assert len(results) > 3
    assert [f"{result.check}: {result.words}" for result in results if result.status != "ok"] == []


def test_all_examples_search_together(posenas: Posenas, install: Install, people: Path) -> None:
    for name in (
        "modern-space",
        "halving-search",
        "simcc-head",
        "csv-people",
        "nme-evaluator",
        "memory-cost",
    ):
        install(**package(name))
    command = ["compose", "--space", "modern", "--strategy", "halving", "--head", "simcc"]
    command += ["--dataset", "csv", "--evaluator", "box-nme", "--limit", "memory_mb<=4"]
    command += ["-o", f"dataset.root={people}", "-o", "space.width=8", "-o", "space.deepest=1"]
    answer = posenas(*command, *small(command), "--run", "run", "--json")
    assert answer.status == 0, answer.err
    best = answer.last_json["best"]
    assert best["metrics"].keys() == {"box-nme.NME", "box-nme.found"}
    assert 0 < best["metrics"]["box-nme.NME"] <= 1
    assert 0 < best["costs"]["memory_mb"] <= 4


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_every_printed_command_works(
    page: str, posenas: Posenas, install: Install, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "people").symlink_to(people)
    for name in HOMES:
        install(**package(name))
    for number, command in enumerate(commands(page)):
        answer = posenas(*command, *(["--dry-run"] if command[0] == "compose" else []))
        assert answer.status == 0, (command, answer.err)
        if command[0] == "compose":
            answer = posenas(*command, *small(command), "--run", f"run{number}")
            assert answer.status == 0, (command, answer.err)


@pytest.mark.slow
def test_successive_halving_is_resumed_from_any_step(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    for name in ("plain-space", "halving-search"):
        install(**package(name))
    command = ["compose", "--space", "plain", "--strategy", "halving", "-o", "space.widest=8"]
    assert posenas(*command, *small(command), "-o", "strategy.candidates=4", "--run", "run").status == 0
    journal, trials = (tmp_path / "run" / name for name in ("journal.jsonl", "trials.json"))
    complete, found = journal.read_bytes(), trials.read_bytes()
    lines = complete.splitlines(keepends=True)
    assert len(lines) == 1 + 2 * (4 + 2 + 1)
    for kept in (4, 11):  # within the first round, and the second
        journal.write_bytes(b"".join(lines[:kept]))
        (tmp_path / "run" / "journal.head").unlink()  # a kill then would have left an earlier count
        trials.unlink()
        answer = posenas("resume", "run")
        assert answer.status == 0, answer.err
        assert (journal.read_bytes(), trials.read_bytes()) == (complete, found)


@pytest.mark.slow
def test_printed_code_is_typed_and_formatted(tmp_path: Path) -> None:
    for name, content in FILES.items():
        if name.endswith(".py") and not name.partition("/")[2].startswith("test_"):
            (tmp_path / name.partition("/")[2]).write_text(content)
    for words in (
        ["mypy", "--strict"],
        ["ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "ARG"],
        ["ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml")],
    ):
        found = subprocess.run(
            [sys.executable, "-m", *words, "."], cwd=tmp_path, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout + found.stderr


def rows(table: str) -> Iterator[tuple[str, list[str] | None]]:
    """Yield the first cell of each row: a name, with the parameters where it is a method."""
    for name, call, parameters in re.findall(r"^\| `(\w+)(\(([^)]*)\))?` \|", table, flags=re.MULTILINE):
        yield name, (re.findall(r"\w+", parameters) if call else None)


@pytest.mark.parametrize(("page", "name", "table"), TYPES, ids=[f"{page}-{name}" for page, name, _ in TYPES])
def test_tables_of_types_are_those_of_the_code(page: str, name: str, table: str) -> None:  # noqa: ARG001
    kind: Any = getattr(face, name)
    found = dict(rows(table))
    if dataclasses.is_dataclass(kind):
        assert list(found) == [field.name for field in dataclasses.fields(kind)]
        return
    methods = {member: value for member, value in members(kind).items() if member in vars(kind)}
    assert set(found) == set(methods) | set(getattr(kind, "__annotations__", {}))
    for member, parameters in found.items():
        if parameters is not None:
            assert parameters == list(inspect.signature(methods[member]).parameters)[1:], member


def test_every_type_of_the_contract_has_a_table() -> None:
    known = {name: getattr(face, name) for name in face.__all__}
    types = {
        name
        for name, kind in known.items()
        if isinstance(kind, type)
        and kind.__module__.startswith("posenas.contract.")
        and not issubclass(kind, Exception)
    }
    capabilities = {
        each.__name__ for group in (*_CAPABILITIES.values(), _OF_HEAD_MODULES, _OF_METERS) for each in group
    }
    never_met = {"Limit"}  # strategies ask `within_limits`
    described = {name for _, name, _ in TYPES}
    assert types - capabilities - never_met <= described <= types  # capabilities stand on their kind's page


@pytest.mark.parametrize("kind", CLASS_KINDS)
def test_every_capability_stands_on_the_page_of_its_kind(kind: str) -> None:
    for capability in (*_CAPABILITIES[kind], *MODULE_CAPABILITIES.get(kind, ())):
        assert f"`{capability.__name__}`" in PAGES[kind]
        own = [name for name in members(capability) if name in vars(capability)]
        assert own
        missing = [name for name in own if not re.search(rf"`{name}[`(]", PAGES[kind])]
        assert not missing, f"{capability.__name__}: {missing}"
