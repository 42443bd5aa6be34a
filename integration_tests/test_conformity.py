"""Components that do not keep the contract's word are refused when they are composed, each in one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Answer

Posenas = Callable[..., Answer]

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
}
SPACE = """
from dataclasses import dataclass
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
from dataclasses import dataclass
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
from posenas.contract.scores import Evaluation, Metric

@dataclass(frozen=True)
class Evaluator:
    def metrics(self): return (Metric("one"), Metric("two"))
    def evaluate(self, predictions, truth): return Evaluation({"one": 1.0, "two": 2.0})
"""
DATA = """
from dataclasses import dataclass, replace
from posenas.standard.synthetic.dataset import SyntheticDataset

@dataclass(frozen=True)
class Data(SyntheticDataset):
    pass
"""
STRATEGY = """
from dataclasses import dataclass
from posenas.standard.strategies.random_search import RandomSearch

@dataclass(frozen=True)
class Strategy(RandomSearch):
    pass
"""
SOURCES = {"space": SPACE, "head": HEAD, "evaluator": EVALUATOR, "dataset": DATA, "strategy": STRATEGY}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a package `odd` 1.5 with one component of a kind where Python looks for packages."""
    site = tmp_path / "site"
    info = site / "odd-1.5.dist-info"
    info.mkdir(parents=True)
    monkeypatch.syspath_prepend(site)

    def write(kind: str, source: str) -> None:
        (site / "odd.py").write_text(source)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[posenas.{kind}]\nodd = odd:{CLASSES[kind]}\n")
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("odd", None)


def module(*methods: str) -> tuple[str, str]:
    """A change of the head's module: methods of its own."""
    return "    pass\n", "".join(f"    {method}\n" for method in methods)


POSES = "return Poses(torch.zeros(2, 17, 2), torch.zeros(2, 17))"
WRONG: dict[str, tuple[str, tuple[str, str], str]] = {
    "average_mirrored takes too few": (
        "head",
        module("def average_mirrored(self, outputs): return outputs"),
        "average_mirrored(outputs) should be average_mirrored(outputs, mirrored)",
    ),
    "distillation_loss by another name": (
        "head",
        module("def distillation_loss(self, outputs, larger): return outputs.mean()"),
        "distillation_loss(outputs, larger) should be distillation_loss(outputs, teacher)",
    ),
    "combine takes too few": (
        "head",
        module("def combine(self, looks): return looks[0].outputs"),
        "combine(looks) should be combine(looks, view)",
    ),
    "decode_ablated takes too few": (
        "head",
        module("def decode_ablated(self, outputs): return self.decode(outputs), {}"),
        "decode_ablated(outputs) should be decode_ablated(outputs, batch)",
    ),
    "seconds is a method": (
        "head",
        module("def seconds(self): return {}"),
        "seconds is a method, expected a property",
    ),
    "largest takes too many": (
        "space",
        ("def largest(self)", "def largest(self, limit)"),
        "largest(limit) should be largest()",
    ),
    "mutate by keyword alone": (
        "space",
        ("def mutate(self, genotype, rng)", "def mutate(self, genotype, *, rng)"),
        "mutate(genotype, *, rng) should be mutate(genotype, rng)",
    ),
    "derived does not settle": (
        "space",
        (
            "    def ancestor",
            "    def derived(self, genotype): return {'width': 12 - genotype['width']}\n    def ancestor",
        ),
        "derived gives another genotype for one that it gave, expected the same one",
    ),
    "derived gives no genotype": (
        "space",
        ("    def ancestor", "    def derived(self, genotype): return {'width': 5}\n    def ancestor"),
        "derived gives no genotype of its space: genotype: width = 5 is not one of its values",
    ),
    "relax takes too few": (
        "space",
        (
            "    def ancestor",
            "    def relax(self): return {}\n    def set_values(self, backbone, genotype): pass\n"
            "    def discrete(self, genotype): return genotype\n"
            "    def prune(self, genotype, threshold): return genotype\n    def ancestor",
        ),
        "relax() should be relax(backbone)",
    ),
    "sections takes too many": (
        "space",
        ("    def ancestor", "    def sections(self, results, page): return ()\n    def ancestor"),
        "sections(results, page) should be sections(results)",
    ),
    "sections takes too few": (
        "strategy",
        ("    pass", "    def sections(self): return ()"),
        "sections() should be sections(results)",
    ),
    "select takes too many": (
        "head",
        (
            "    def build(",
            "    def select(self, levels, keypoints): return levels\n    def build(",
        ),
        "select(levels, keypoints) should be select(levels)",
    ),
    "evaluate takes too few": (
        "evaluator",
        ("def evaluate(self, predictions, truth)", "def evaluate(self, predictions)"),
        "evaluate(predictions) should be evaluate(predictions, truth)",
    ),
    "search takes too many": (
        "strategy",
        ("    pass", "    def search(self, problem, seed): yield"),
        "search(problem, seed) should be search(problem)",
    ),
    "split takes too few": (
        "dataset",
        ("    pass", "    def split(self): return ()"),
        "split() should be split(name)",
    ),
    "loss with an axis": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean((0, 2, 3))"),
        "loss of views with somebody labelled is a tensor of shape (17,), expected",
    ),
    "loss that is NaN": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean() * float('nan')"),
        "loss of views with somebody labelled is nan, expected a finite number",
    ),
    "loss that is NaN for nobody": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean() / targets.weights.sum()"),
        "loss of views with nobody labelled is",
    ),
    "loss without gradient": (
        "head",
        module("def loss(self, outputs, targets): return outputs.detach().mean()"),
        "cannot be differentiated by the outputs",
    ),
    "targets of nobody": (
        "head",
        module(
            "def targets(self, batch):",
            "    batch.keypoints[batch.labelled.any(1)][1]",
            "    return super().targets(batch)",
        ),
        "targets of views with nobody in one labelled failed: IndexError",
    ),
    "forward fails": (
        "head",
        module("def forward(self, features, targets=None): return features['absent']"),
        "forward of its module with targets of views with somebody labelled failed: KeyError: 'absent'",
    ),
    "forward without targets": (
        "head",
        module("def forward(self, features): return super().forward(features)"),
        "forward(features) should be forward(features, targets=None)",
    ),
    "forward that needs targets": (
        "head",
        module(
            "def forward(self, features, targets=None):",
            "    return super().forward(features) + targets.weights.mean()",
        ),
        "forward of its module failed: AttributeError: 'NoneType'",
    ),
    "decode without the batch": (
        "head",
        module("def decode(self, outputs): return super().decode(outputs, None)"),
        "decode(outputs) should be decode(outputs, batch)",
    ),
    "decode of another shape": (
        "head",
        module("def decode(self, outputs, batch): return Poses(torch.zeros(2, 17, 3), torch.zeros(2, 17))"),
        "decode of outputs gives keypoints of shape (2, 17, 3), expected (2, 17, 2)",
    ),
    "decode with scores of another shape": (
        "head",
        module("def decode(self, outputs, batch): return Poses(torch.zeros(2, 17, 2), torch.zeros(2))"),
        "decode of outputs gives keypoint_scores of shape (2,), expected (2, 17)",
    ),
    "decode of NaN": (
        "head",
        module(
            "def decode(self, outputs, batch):",
            "    return Poses(torch.ones(2, 17, 2) / 0 * 0, torch.ones(2, 17))",
        ),
        "decode of outputs gives keypoints that are not finite",
    ),
    "decode gives no Poses": (
        "head",
        module("def decode(self, outputs, batch): return outputs"),
        "decode of outputs gives Tensor, expected Poses",
    ),
    "average that cannot be decoded": (
        "head",
        module("def average_mirrored(self, outputs, mirrored): return None"),
        "decode of what average_mirrored gives failed: ",
    ),
    "view of another kind": (
        "head",
        (
            "    def build(",
            "    def view(self):\n        from posenas.contract.batches import View\n"
            "        return View('clip', 64, 64)\n    def build(",
        ),
        "expected a View of kind person or image",
    ),
    "a stride that is not true": (
        "space",
        ("stride=4", "stride=2"),
        "level 'features' of stride 2 with 8 channels is not true: for 2 views of 64x64 its map has shape "
        "(2, 8, 16, 16), expected (2, 8, 32, 32)",
    ),
    "channels that are not true": (
        "space",
        ("channels=width", "channels=8"),
        "level 'features' of stride 4 with 8 channels is not true: for 2 views of 64x64 its map has shape "
        "(2, 4, 16, 16), expected (2, 8, 16, 16)",
    ),
    "a level that is not there": (
        "space",
        ('return {"features"', 'return {"feature"'),
        "level 'features' is not in the feature maps feature",
    ),
    "a network that cannot be run": (
        "space",
        ("nn.Conv2d(3,", "nn.Conv2d(4,"),
        "forward of its network failed: RuntimeError: ",
    ),
    "a network that cannot be built": (
        "space",
        ('return Network(genotype["width"])', 'return Network(genotype["height"])'),
        "build failed: KeyError: 'height'",
    ),
    "a sample that does not depend on the rng alone": (
        "space",
        (
            "def sample(self, rng): return sample_uniform(self.dimensions(), rng)",
            "count = iter(range(99))\n"
            "    def sample(self, rng): return {'width': (4, 8)[next(self.count) % 2]}",
        ),
        "sample draws another genotype from a generator of the same seed",
    ),
    "genotypes that JSON cannot hold": (
        "space",
        ("Choice((4, 8))", "Choice(((4, 4), (8, 8)))"),
        "sample gives {'width': (8, 8)}, which JSON reads back as something else",
    ),
    "a genotype of another space": (
        "space",
        ('def largest(self): return {"width": 8}', 'def largest(self): return {"width": 16}'),
        "largest gives no genotype of its space: genotype: width = 16 is not one of its values",
    ),
    "mutation out of the space": (
        "space",
        ('rng): return {"width": 8}', 'rng): return {"depth": 8}'),
        "mutate gives no genotype of its space: genotype: unknown dimension 'depth'",
    ),
    "metrics of other names": (
        "evaluator",
        ('Evaluation({"one": 1.0, "two": 2.0})', 'Evaluation({"One": 1.0, "two": 2.0})'),
        "evaluate gives metrics One, two, and metrics declares one, two",
    ),
    "a metric twice": (
        "evaluator",
        ('Metric("two")', 'Metric("one")'),
        "metrics gives ['one', 'one'], expected one or more Metric, each of a name of its own",
    ),
    "nobody predicted": (
        "evaluator",
        (
            "def evaluate(self, predictions, truth): ",
            "def evaluate(self, predictions, truth): 1 / len(predictions.scores); ",
        ),
        "evaluate of 0 predictions failed: ZeroDivisionError",
    ),
    "no val": (
        "dataset",
        ("    pass", "    def splits(self): return ('train', 'test')"),
        "splits gives 'train', 'test' and lacks val",
    ),
    "a split that fails": (
        "dataset",
        ("    pass", "    def split(self, name): return {'train': ()}[name]"),
        "images of `train` show somebody",
    ),
    "keypoints of another shape": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, people=tuple(replace(person, keypoints=person.keypoints[:, :2])\n"
            "            for person in one.people)) for one in super().split(name)]",
        ),
        "keypoints have shape (17, 2), expected (17, 3)",
    ),
    "ids that are not unique": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, id=one.id // 2) for one in super().split(name)]",
        ),
        "split('train') has 6 samples and ",
    ),
    "a picture of another size": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, width=one.width + 1) for one in super().split(name)]",
        ),
        ", and its sample says uint8 (",
    ),
    "figures that are not finite": (
        "evaluator",
        ('{"one": 1.0,', '{"one": float("inf"),'),
        "evaluate gives one as inf, expected a finite number",
    ),
    "stride and size that agree once": (
        "space",
        ("self.layer(images)}", "self.layer(images)[:, :, :16, :16]}"),
        "level 'features' of stride 4 with 4 channels is not true: for 2 views of 192x128",
    ),
    "a layer without gradient": (
        "space",
        ("self.layer(images)}", "self.layer(images).detach() + self.layer.bias[:, None, None]}"),
        "1 of 2 parameters get no gradient, such as layer.weight; leave out what forward does not use",
    ),
    "a network that computes NaN": (
        "space",
        ("self.layer(images)}", "(self.layer(images) - 1e9).sqrt()}"),
        "the gradient of layer.weight, layer.bias is not finite",
    ),
    "a network that runs without values alone": (
        "space",
        ("self.layer(images)}", "self.layer(images).to('meta')}"),
        "a step of its network failed: ",
    ),
    "the fifth sample is outside": (
        "space",
        (
            "def sample(self, rng): return sample_uniform(self.dimensions(), rng)",
            "def sample(self, rng): return {'width': rng.choice((4, 8, 12))}",
        ),
        "sample gives no genotype of its space: genotype: width = 12 is not one of its values",
    ),
    "the second mutation is outside": (
        "space",
        ('rng): return {"width": 8}', 'rng): return {"width": 2 * genotype["width"]}'),
        "mutate gives no genotype of its space: genotype: width = 16 is not one of its values",
    ),
    "a head's layer without gradient": (
        "head",
        module(
            "def __init__(self, *given, **options):",
            "    super().__init__(*given, **options)",
            "    self.unused = torch.nn.Linear(1, 1)",
        ),
        "get no gradient, such as unused.weight, unused.bias; leave out what forward does not use",
    ),
    "requirements that are no capabilities": (
        "strategy",
        ("    pass", "    def requires(self): return ('WeightSharing',)"),
        "requires names 'WeightSharing', expected protocols of capabilities",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_component_is_one_line(posenas: Posenas, install: Any, name: str) -> None:
    kind, (before, after), says = WRONG[name]
    assert before in SOURCES[kind]
    install(kind, SOURCES[kind].replace(before, after))
    answer = posenas("compose", f"--{kind}", "odd", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 2, answer
    (line,) = answer.err.splitlines()
    assert line.startswith("posenas: ")
    assert says in line
    if "images of `train`" not in says:
        assert f"{kind} odd of odd 1.5: " in line


def others(kind: str) -> tuple[str, ...]:
    return () if kind == "strategy" else ("--strategy", "random")


@pytest.mark.parametrize("kind", SOURCES)
def test_the_right_ones_are_composed_without_a_word(posenas: Posenas, install: Any, kind: str) -> None:
    install(kind, SOURCES[kind])
    answer = posenas("compose", f"--{kind}", "odd", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 0, answer.err
    assert answer.err.splitlines()[-1] == "the five components fit together"
    assert "warning" not in answer.err


MISSPELT = """
from dataclasses import dataclass
from posenas.standard.heads.heatmap import HeatmapHead
from torch import nn

class Module(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, features, targets=None): return self.inner(features, targets)
    def targets(self, batch): return self.inner.targets(batch)
    def loss(self, outputs, targets): return self.inner.loss(outputs, targets)
    def decode(self, outputs, batch): return self.inner.decode(outputs, batch)
    def averge_mirrored(self, outputs, mirrored): return self.inner.average_mirrored(outputs, mirrored)

@dataclass(frozen=True)
class Head(HeatmapHead):
    def build(self, levels, keypoints): return Module(super().build(levels, keypoints))
"""


def test_a_misspelt_capability_is_told(posenas: Posenas, install: Any) -> None:
    install("head", MISSPELT)
    answer = posenas("compose", "--head", "odd", *others("head"), *SMALL, "--dry-run")
    assert answer.status == 0
    assert (
        "warning: head odd of odd 1.5 has 'averge_mirrored'; was 'average_mirrored' of FlipTest" in answer.err
    )
