"""A search in small, for tests of `searching`: pictures in one colour, two keypoints, networks of one layer.

Nothing is installed or read from a disk, and a training takes a hundredth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from posenas.composing.building import networks_of
from posenas.composing.composition import Composition
from posenas.composing.goals.costs import COUNTED, BoundCost, CompositionCosts
from posenas.contract.batches import Batch, Poses, View
from posenas.contract.costs import CostFigure
from posenas.contract.genotype import Choice, Dimension, Genotype, Real, sample_uniform
from posenas.contract.goals import Limit, Objective
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions
from posenas.contract.trial import Trial
from posenas.data.augment import Augmentation
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.counted import Counted
from posenas.networks.devices import Compute
from posenas.runs.events import Events, hookimpl
from posenas.runs.journal import Journal
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import Run
from posenas.searching.problem import JournaledProblem
from posenas.searching.resources import Resources, make_resources
from torch import Tensor, nn

SIZE = 16
KEYPOINTS = KeypointSet("toy", ("left", "right"), ((0, 1),), (0.1, 0.1), ())
METRIC = "toy.closeness"
SMALL, WIDE = {"width": 2}, {"width": 4}


@dataclass(frozen=True)
class Colour:
    """A picture in one shade of grey."""

    shade: int

    def read(self) -> Any:
        return np.full((SIZE, SIZE, 3), self.shade, dtype=np.uint8)


def sample(identifier: int, *, people: int = 1) -> Sample:
    """A picture whose people's keypoints lie the further right, the brighter it is."""
    keypoints = np.array([[4.0 + identifier % 8, 8.0, 2.0], [8.0, 4.0 + identifier % 8, 2.0]])
    person = Person((4.0, 4.0, 8.0, 8.0), keypoints, area=64.0)
    return Sample(identifier, Colour(20 * (identifier % 8)), SIZE, SIZE, (person,) * people)


@dataclass(frozen=True)
class ToyDataset:
    train: Sequence[Sample] = tuple(sample(number) for number in range(1, 13))
    val: Sequence[Sample] = tuple(sample(number) for number in range(101, 105))

    def keypoints(self) -> KeypointSet:
        return KEYPOINTS

    def splits(self) -> Sequence[str]:
        return ("train", "val")

    def split(self, name: str) -> Sequence[Sample]:
        return self.train if name == "train" else self.val

    def instructions(self) -> str:
        return ""


class ToyBackbone(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, width, 4, 4)
        self.normalisation = nn.BatchNorm2d(width)
        self.levels = (Level("features", stride=4, channels=width),)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"features": self.normalisation(self.convolution(images)).relu()}


@dataclass(frozen=True)
class ToySpace:
    """Networks of one layer, whose width is searched; and a colour that no network depends on."""

    def dimensions(self) -> Mapping[str, Dimension]:
        return {"width": Choice((2, 3, 4))}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def largest(self) -> Genotype:
        return WIDE

    def smallest(self) -> Genotype:
        return SMALL

    def build(self, genotype: Genotype) -> Any:
        return ToyBackbone(genotype["width"])


class ToyModule(nn.Module):
    """A linear layer from the mean of the features to the keypoints, as shares of the view."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 4)

    def forward(self, features: Mapping[str, Tensor], targets: Any = None) -> Tensor:  # noqa: ARG002
        return self.linear(features["features"].mean(dim=(2, 3))).reshape(-1, 2, 2)

    def targets(self, batch: Batch) -> Tensor:
        return batch.keypoints / SIZE

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def decode(self, outputs: Tensor, batch: Any = None) -> Poses:  # noqa: ARG002
        return Poses(outputs * SIZE, torch.ones(len(outputs), 2))


@dataclass(frozen=True)
class ToyHead:
    def view(self) -> View:
        return View("person", SIZE, SIZE)

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        return levels

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> Any:  # noqa: ARG002
        return ToyModule(levels[0].channels)


@dataclass(frozen=True)
class ToyEvaluator:
    """The nearer the predicted keypoints, the nearer `closeness` is to 1; `void` never is a number."""

    def metrics(self) -> Sequence[Metric]:
        return (Metric("closeness"), Metric("void"))

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        true = {sample.id: sample.people[0].keypoints[:, :2] for sample in truth.samples}
        wrong = [
            np.abs(found - true[int(image)]).mean()
            for image, found in zip(predictions.image_ids, predictions.keypoints, strict=True)
        ]
        closeness = 1 / (1 + float(np.mean(wrong)))
        return Evaluation({"void": float("nan"), "closeness": closeness}, {"left": closeness})


class ToyLatency:
    """A dear cost that counts how often it was measured."""

    def __init__(self) -> None:
        self.measured: list[Genotype] = []

    def identity(self) -> dict[str, Any]:
        return {"device": "toy"}

    def files(self) -> dict[str, Path]:
        return {}

    def measure(self, genotype: Genotype) -> dict[str, float]:
        self.measured.append(genotype)
        return {"latency_ms": float(genotype["width"]), "latency_upper_ms": genotype["width"] + 0.5}


LATENCY = CostFigure("latency_ms", "milliseconds", limited="latency_upper_ms")
FAST = Limit("latency_ms", most=3.0, dear=True)


def composed(*, latency: ToyLatency | None = None, **changes: Any) -> Composition:
    """A composition of toys; changes of its fields by name, and a latency where a limit is to name one."""
    made = replace(_composed(), **changes)
    networks = networks_of(
        made.recipe, made.space, head=made.head, keypoints=made.keypoints, compute=made.compute
    )
    counted = Counted()
    bound = [BoundCost(COUNTED, False, tuple(counted.figures()), counted.bind(networks), True, {})]
    if latency is not None:
        asked = FAST in made.limits
        bound.append(BoundCost("latency", True, (LATENCY,), latency, asked, {}))
    return replace(made, costs=CompositionCosts(tuple(bound), made.space))


def _composed() -> Composition:
    return Composition(
        recipe=Recipe(
            strategy=ComponentChoice("random"),  # the core's own, so that its package can be told
            evaluator=ComponentChoice("toy"),
            training={"parallel": 1},
        ),
        space=ToySpace(),
        strategy=cast(Any, SimpleNamespace(requires=lambda: (), search=lambda _problem: iter(()))),
        head=ToyHead(),
        dataset=ToyDataset(),
        evaluator=ToyEvaluator(),
        keypoints=KEYPOINTS,
        training=TrainingSettings(batch_size=4, workers=0, parallel=1),
        augmentation=Augmentation(),
        evaluation=EvaluationSettings(held_out=0.25, flip_test=False),
        limits=(),
        objectives=(Objective(METRIC, maximize=True, is_cost=False),),
        compute=Compute(torch.device("cpu"), None),
        costs=cast(Any, None),
    )


def resources_in(folder: Path, **changes: Any) -> Resources:
    """Resources of a composition of toys whose run lies in the folder; no warning is expected."""
    return make_resources(composed(**changes), Run(folder), warn=refuse, advance=lambda *_: None)


def refuse(text: str) -> None:
    raise AssertionError(f"nobody should be warned: {text}")


@dataclass
class Heard:
    """What listeners were told."""

    warnings: list[str] = field(default_factory=list)
    advances: list[tuple[str, int, int]] = field(default_factory=list)
    epochs: list[tuple[str, int, int]] = field(default_factory=list)

    @hookimpl
    def warned(self, message: str) -> None:
        self.warnings.append(message)

    @hookimpl
    def advanced(self, task: str, done: int, total: int) -> None:
        self.advances.append((task, done, total))

    @hookimpl
    def epoch_finished(self, task: str, epoch: int, epochs: int) -> None:
        self.epochs.append((task, epoch, epochs))


def problem_in(folder: Path, heard: Heard | None = None, **changes: Any) -> JournaledProblem:
    """A problem whose run lies in the folder: called again, the run as it is resumed."""
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    events = Events({"test": heard or Heard()}, complain=refuse)
    return JournaledProblem(composed(**changes), run, Journal(run.journal_file), events=events)


def effects_of(folder: Path) -> list[str]:
    """The names of the effects that a run's journal holds, in order."""
    return [record["effect"] for record in Journal(Run(folder).journal_file).records]


@dataclass(frozen=True)
class Strategy:
    """A strategy that is a function of the problem."""

    trials: Any
    needs: tuple[type, ...] = ()

    def requires(self) -> Sequence[type]:
        return self.needs

    def search(self, problem: Any) -> Iterator[Trial]:
        return cast(Iterator[Trial], self.trials(problem))


@dataclass(frozen=True)
class Still:
    """A step that computes a gradient of zeros, and nothing else."""

    def __call__(self, network: Any, batch: Any, *_: Any, **__: Any) -> Mapping[str, float]:
        active = network.activate(WIDE) if hasattr(network, "activate") else network
        (active(batch.images).sum() * 0).backward()
        return {"loss": 0.0}


@dataclass(frozen=True)
class ArgMaxSpace(ToySpace):
    """Networks of a width that is chosen by the largest of three figures; it is searched with figures."""

    def dimensions(self) -> Mapping[str, Dimension]:
        return {f"chance{width}": Choice((0.0, 0.5, 1.0)) for width in (2, 3, 4)}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def largest(self) -> Genotype:
        return {"chance2": 1.0, "chance3": 1.0, "chance4": 1.0}

    def smallest(self) -> Genotype:
        return {"chance2": 1.0, "chance3": 0.0, "chance4": 0.0}

    def build(self, genotype: Genotype) -> ToyBackbone:
        """As wide as the widest that has a chance at all."""
        return ToyBackbone(max(width for width in (2, 3, 4) if genotype[f"chance{width}"] > 0))

    def derived(self, genotype: Genotype) -> Genotype:
        heaviest = max((2, 3, 4), key=lambda width: genotype[f"chance{width}"])
        return {f"chance{width}": float(width == heaviest) for width in (2, 3, 4)}


UNDECIDED = {"chance2": 1.0, "chance3": 0.0, "chance4": 0.5}
"""Its own network is of width 4, and what it derives is of width 2."""


class MixedNetwork(nn.Module):
    """A convolution at a quarter of the image; its output and that squared, by the softmax of alpha."""

    alpha: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, width, 4, 4)
        self.register_buffer("alpha", torch.zeros(1, 2))
        self.levels = (Level("features", stride=4, channels=width),)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.convolution(images)
        first, second = torch.softmax(self.alpha, 1)[0]
        return {"features": first * features + second * features**2}


@dataclass(frozen=True)
class MixedSpace:
    def dimensions(self) -> dict[str, Dimension]:
        return {"width": Choice((2, 4)), "alpha": Real((1, 2))}

    def sample(self, rng: Random) -> Genotype:
        return {"width": rng.choice((2, 4)), "alpha": [[rng.gauss(0, 1), rng.gauss(0, 1)]]}

    def largest(self) -> Genotype:
        return {"width": 4, "alpha": [[0.0, 0.0]]}

    def smallest(self) -> Genotype:
        return {"width": 2, "alpha": [[0.0, 0.0]]}

    def build(self, genotype: Genotype) -> MixedNetwork:
        network = MixedNetwork(genotype["width"])
        self.set_values(network, genotype)
        return network

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        if "alpha" not in backbone._parameters:
            value = backbone._buffers.pop("alpha")
            backbone.register_parameter("alpha", nn.Parameter(value.detach().clone()))
        return {"alpha": backbone.alpha}

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        with torch.no_grad():
            backbone.alpha.copy_(torch.tensor(genotype["alpha"]))
