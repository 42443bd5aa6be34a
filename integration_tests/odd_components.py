"""A package `odd` 1.5 with one small component of a kind, in which tests change one thing."""

from __future__ import annotations

import importlib
from pathlib import Path

SMALL = (
    "-o", "dataset.train_images=6", "-o", "dataset.val_images=3", "-o", "head.input_size=64,64",
    "-o", "training.workers=0", "-o", "evaluation.held_out=0.5",
)  # fmt: skip
CLASSES = {
    "space": "Space",
    "head": "Head",
    "evaluator": "Evaluator",
    "dataset": "Data",
    "strategy": "Strategy",
    "cost": "Wires",
}
SPACE = """
import random
from dataclasses import dataclass
import numpy
import torch
from posenas.contract.genotype import Choice, sample_uniform
from posenas.contract.levels import Level
from torch import nn

class Network(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Conv2d(3, width, 4, 4)
        self.levels = (Level("features", stride=4, channels=width),)

    def forward(self, images): return {"features": self.layer(images)}

@dataclass(frozen=True)
class Space:
    def dimensions(self): return {"width": Choice((4, 8))}
    def sample(self, rng): return sample_uniform(self.dimensions(), rng)
    def build(self, genotype): return Network(genotype["width"])
    def largest(self): return {"width": 8}
    def smallest(self): return {"width": 4}
    def ancestor(self): return {"width": 4}
    def mutate(self, genotype, rng): return {"width": 8}
"""
HEAD = """
from dataclasses import dataclass, replace
import torch
from posenas.contract.batches import Poses
from posenas.standard.heads.heatmap import HeatmapHead, HeatmapModule

class Module(HeatmapModule):
    pass

@dataclass(frozen=True)
class Head(HeatmapHead):
    def build(self, levels, keypoints):
        (level,) = levels
        return Module(level, keypoints, encoding=self.encoding, sigma=self.sigma, loss=self.loss)
"""
EVALUATOR = """
from dataclasses import dataclass
import numpy
import torch
from posenas.contract.scores import Evaluation, Metric

@dataclass(frozen=True)
class Evaluator:
    def metrics(self): return (Metric("one"), Metric("two"))
    def evaluate(self, predictions, truth): return Evaluation({"one": 1.0, "two": 2.0})
"""
DATA = """
import random
from dataclasses import dataclass, replace
import numpy
from posenas.standard.synthetic.dataset import SyntheticDataset

class Bright:
    def read(self): return numpy.ones((64, 64, 3))
    def __str__(self): return "bright"

class Local:
    def __init__(self, source): self.read = lambda: source.read()
    def __str__(self): return "local"

@dataclass(frozen=True)
class Data(SyntheticDataset):
    pass
"""
STRATEGY = """
import time
from dataclasses import dataclass, replace
from random import Random
from posenas.standard.strategies.random_search import RandomSearch

@dataclass(frozen=True)
class Strategy(RandomSearch):
    pass
"""
COST = """
import random
from dataclasses import dataclass
from posenas.contract.costs import CostFigure

class Meter:
    def measure(self, genotype): return {"wires": float(len(genotype))}

@dataclass(frozen=True)
class Wires:
    dear = False
    def figures(self): return (CostFigure("wires", "wires"),)
    def bind(self, networks): return Meter()
"""
SOURCES = {
    "space": SPACE,
    "head": HEAD,
    "evaluator": EVALUATOR,
    "dataset": DATA,
    "strategy": STRATEGY,
    "cost": COST,
}


def write_package(site: Path, kind: str, source: str) -> None:
    """Put the package into a folder where Python looks for packages, with the metadata that pip would write.

    Args:
        site: the folder.
        kind: of its component.
        source: of its module.
    """
    info = site / "odd-1.5.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / "odd.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[posenas.{kind}]\nodd = odd:{CLASSES[kind]}\n")
    importlib.invalidate_caches()


def module(*methods: str) -> tuple[str, str]:
    """A change of the head's module: methods of its own."""
    return "    pass\n", "".join(f"    {method}\n" for method in methods)


def others(kind: str) -> tuple[str, ...]:
    """Return the options by which the odd component is composed: as itself, or as the cost of a limit."""
    if kind == "cost":
        return "--strategy", "random", "--limit", "wires>=1"
    return (f"--{kind}", "odd") if kind == "strategy" else (f"--{kind}", "odd", "--strategy", "random")
