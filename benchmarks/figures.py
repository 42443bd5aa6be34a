"""Figures on screen and in a file, with what they were measured on beside them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from ratios import Ratio

RESULTS = Path(__file__).parent / "results"


@dataclass
class Figures:
    """What one benchmark found.

    Attributes:
        name: of the benchmark and of its file.
        settings: what the figures hold for.
        values: by what was measured.
    """

    name: str
    settings: Mapping[str, Any]
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, what: str, value: Ratio | float) -> None:
        self.values[what] = asdict(value) if isinstance(value, Ratio) else value
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        print(f"{self.name} {what}: {shown}", flush=True)

    def write(self, path: Path) -> None:
        content = {
            "device": f"{cpu_model()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}",
            "settings": dict(self.settings),
            "figures": self.values,
        }
        path.write_text(json.dumps(content, indent=2) + "\n")


def arguments(name: str, text: str, *, pairs: int) -> argparse.Namespace:
    """The options that all of these benchmarks have: `json` and `pairs`."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--json", type=Path, default=RESULTS / f"{name}.json", help="where the figures go")
    parser.add_argument("--pairs", type=int, default=pairs, help="how often each side runs")
    return parser.parse_args()


def cpu_model() -> str:
    """As the kernel names it, and whether it multiplies in bfloat16."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    fields = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    bfloat16 = [name for name in ("avx512_bf16", "amx_bf16") if name in fields.get("flags", "").split()]
    return " with ".join([fields.get("model name", "CPU").strip(), *bfloat16])
