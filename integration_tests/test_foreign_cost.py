"""Costs of strangers: named in limits and objectives, kept in trials, shown in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from posenas import compose
from running import SMALL, SMALL_SEARCH, Answer, refusal

Posenas = Callable[..., Answer]
Install = Callable[..., None]

MEMORY = '''
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from posenas import CostFigure

@dataclass(frozen=True)
class MemoryMeter:
    networks: Any
    bytes_each: int

    def measure(self, genotype):
        network = self.networks.outline(genotype).eval()
        sizes = []
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.numel()))
        network(torch.zeros(1, 3, *self.networks.input_size, device="meta"))
        return {"memory_mb": sum(sizes) * self.bytes_each / 1e6}

@dataclass(frozen=True)
class Memory:
    """The activations of a forward pass."""

    bytes_each: Annotated[int, "bytes of a number", Ge(1)] = 4
    dear = False

    def figures(self):
        return (CostFigure("memory_mb", "megabytes", "of all activations together"),)

    def bind(self, networks):
        return MemoryMeter(networks, self.bytes_each)
'''


DECLARED = "cost memory of memory-cost 1.0"
CONDITIONED = """
    def identity(self): return {"allocator": "plain"}
    def files(self):
        from pathlib import Path
        return {"weights": Path("weights.csv")}

"""


def install_memory(install: Install, source: str = MEMORY) -> None:
    install("memory-cost", source, entry_points={"posenas.cost": {"memory": "memory_cost:Memory"}})


def effects(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def test_a_strangers_cost_is_listed_and_shown(posenas: Posenas, install: Install) -> None:
    install_memory(install)
    found = [row for row in posenas("plugins", "--json").json if row["kind"] == "cost"]
    assert [(row["name"], row["status"]) for row in found] == [
        ("counted", "ok"),
        ("latency", "ok"),
        ("memory", "ok"),
        ("onnx", "ok"),
        ("onnx_int8", "ok"),
        ("onnx_memory", "ok"),
    ]
    shown = posenas("show", "cost", "memory").out
    assert "cost.memory.bytes_each = 4" in shown
    assert "  latency.batch_size = 1" in posenas("show", "cost", "latency").out
    assert "cost: counted, latency, memory, onnx, onnx_int8, onnx_memory" in posenas("doctor").out


def test_a_strangers_cost_limits_a_search_and_is_an_objective(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    install_memory(install)
    halves = ("-o", "cost.memory.bytes_each=2")
    line = refusal(posenas("compose", *SMALL, *halves, "--limit", "memory_mb<=1e-6", "--dry-run"))
    cheapest = re.search(r"memory_mb = ([\d.e+-]+) \(limit 1e-06\)", line)
    assert cheapest is not None, line
    most = 1.3 * float(cheapest[1])
    named = ("--limit", f"memory_mb<={most}", "--maximize", "oks.AP", "--minimize", "memory_mb")
    answer = posenas("compose", *SMALL_SEARCH, *halves, *named, "--run", "run")
    assert answer.status == 0, answer.err
    run = tmp_path / "run"
    trials = (run / "trials.json").read_bytes()
    costs = [trial["costs"] for trial in json.loads(trials)]
    assert all(0 < cost["memory_mb"] <= most for cost in costs)
    assert all("latency_ms" not in cost and cost["gmacs"] > 0 for cost in costs)
    assert "[cost.memory]\nbytes_each = 2" in (run / "recipe.toml").read_text()
    assert "memory" not in {effect["effect"] for effect in effects(run)}
    page = (run / "report" / "report.html").read_text()
    assert "megabytes" in page
    assert "of all activations together" in page
    assert "memory and energy are not known" not in page
    (run / "trials.json").unlink()
    assert posenas("resume", "run").status == 0
    assert (run / "trials.json").read_bytes() == trials


def test_a_costs_options_are_given_in_python(install: Install) -> None:
    install_memory(install)
    options = {"cost.memory.bytes_each": 2, "head.input_size": [64, 64], "dataset.train_images": 24}
    composition = compose(limits=["memory_mb<=1000"], options=options)
    assert composition.recipe.cost == {"memory": {"bytes_each": 2}}
    assert composition.limits[0].cost == "memory_mb"
    costs = composition.costs_of(composition.space.largest())  # type: ignore[attr-defined]
    assert costs["memory_mb"] > composition.costs_of(composition.space.smallest())["memory_mb"] > 0  # type: ignore[attr-defined]
    assert costs["gmacs"] > 0
    assert "latency_ms" not in costs


def test_a_dear_cost_is_measured_once(posenas: Posenas, install: Install, tmp_path: Path) -> None:
    noting = "        with open('asked', 'a') as file: file.write('.')\n        sizes = []\n"
    counting = MEMORY.replace("dear = False", "dear = True").replace("        sizes = []\n", noting)
    counting = counting.replace("    def measure(", f"{CONDITIONED}    def measure(")
    counting += "\n    def caveat(self): return 'Megabytes are of outputs kept <at once>.'\n"
    install_memory(install, counting)
    (tmp_path / "weights.csv").write_text("1")
    named = ("--maximize", "oks.AP", "--minimize", "memory_mb")
    answer = posenas("compose", *SMALL_SEARCH, *named, "--run", "run")
    assert answer.status == 0, answer.err
    kept = [effect for effect in effects(tmp_path / "run") if effect["effect"] == "memory"]
    asked = (tmp_path / "asked").read_text()
    assert len(asked) == len(kept) >= 3
    assert {frozenset(effect["result"]) for effect in kept} == {frozenset({"memory_mb"})}
    assert {effect["inputs"]["allocator"] for effect in kept} == {"plain"}
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "Megabytes are of outputs kept &lt;at once&gt;. All other costs are counted." in page
    assert posenas("resume", "run").status == 0
    assert (tmp_path / "asked").read_text() == asked
    (tmp_path / "weights.csv").write_text("2")
    assert "cost.memory.weights" in refusal(posenas("resume", "run"))


def test_a_misspelt_capability_of_a_cost_is_told(posenas: Posenas, install: Install) -> None:
    misspelt = "    def part(self, genotype): ...\n    def measure("
    install_memory(install, MEMORY.replace("    def measure(", misspelt))
    answer = posenas("compose", *SMALL, "--limit", "memory_mb<=100", "--dry-run")
    assert answer.status == 0, answer.err
    assert f"warning: {DECLARED} has 'part'; was 'parts' of Divisible meant?" in answer.err


def test_a_cost_that_nothing_names_changes_nothing(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    single = ("train", "vipnas-res50-smallest", *SMALL, "--epochs", "1")
    assert posenas(*single, "--run", "without").status == 0
    install_memory(install)
    assert posenas(*single, "--run", "with").status == 0
    for name in ("recipe.toml", "trials.json"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


WRONG = {
    "measure takes too few": (
        "def measure(self, genotype)",
        "def measure(self)",
        f"{DECLARED}: measure() should be measure(genotype)",
    ),
    "bind takes too few": (
        "def bind(self, networks)",
        "def bind(self)",
        f"{DECLARED}: bind() should be bind(networks)",
    ),
    "figures are words": (
        'return (CostFigure("memory_mb", "megabytes", "of all activations together"),)',
        'return ("memory_mb",)',
        f"{DECLARED}: figures gives ('memory_mb',), expected one or more CostFigure",
    ),
    "a figure that is there already": (
        'CostFigure("memory_mb"',
        'CostFigure("macs", "MACs"), CostFigure("memory_mb"',
        f"{DECLARED}: a figure is called macs, as another one is",
    ),
    "bind fails": (
        "return MemoryMeter(networks",
        "return MemoryMeter(networks.absent",
        f"{DECLARED}: bind failed: AttributeError",
    ),
    "measure fails": ("*self.networks.input_size", "0", f"{DECLARED}: measure failed: "),
    "another figure": (
        '{"memory_mb": ',
        '{"memory": ',
        f"{DECLARED}: measure gives memory, and no memory_mb",
    ),
    "no number": ("sum(sizes) *", "float('nan') *", f"{DECLARED}: measure gives memory_mb = nan"),
    "an import that fails": (
        "import torch\n",
        "import torch\nopen('/nowhere/at/all')\n",
        f"{DECLARED} cannot be imported: FileNotFoundError",
    ),
    "no frozen class": (
        "@dataclass(frozen=True)\nclass Memory:",
        "class Memory:",
        "is not a frozen dataclass",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_cost_is_one_line_and_harms_no_other(posenas: Posenas, install: Install, name: str) -> None:
    before, after, says = WRONG[name]
    assert before in MEMORY
    install_memory(install, MEMORY.replace(before, after))
    line = refusal(posenas("compose", *SMALL, "--limit", "memory_mb<=100", "--dry-run"))
    assert says in line
    answer = posenas("compose", *SMALL, "--limit", "gmacs<=100", "--dry-run")
    assert answer.status == 0, answer.err


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("cost.memory.bytes_each=0", "option 'bytes_each' of cost memory: got 0, expected int, >= 1"),
        ("cost.memory.bytes=2", "unknown option 'bytes' of cost memory; did you mean 'bytes_each'?"),
        ("cost.memry.bytes_each=2", "cost.memry: no such cost is installed; did you mean 'memory'?"),
        ("cost.memory=2", "give cost.NAME.option"),
        ("cost.latency.threads=2", "cost.latency: its options are in the table latency"),
    ],
)
def test_a_wrong_option_of_a_cost_is_one_line(
    posenas: Posenas, install: Install, assignment: str, says: str
) -> None:
    install_memory(install)
    assert says in refusal(posenas("compose", *SMALL, "-o", assignment, "--dry-run"))
