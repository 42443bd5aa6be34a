"""What a strategy works with: the costly steps of a search, each done once and remembered.

Every step is an effect. Its key is a hash of what its result depends on (the recipe is fixed for a run),
and its result is in the journal before the strategy sees it. To resume a run is to run the strategy
again: what the journal knows returns at once, and the first step that it does not know really runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import torch
from safetensors.torch import load

from posenas.checkpoint import read_weights, save_weights
from posenas.compose import Composition, offers, qualified
from posenas.costs import Costs
from posenas.data.crops import LoadedCrops, batches
from posenas.errors import PosenasError
from posenas.evaluation import predict, recalibrate
from posenas.files import content_name
from posenas.genotype import Genotype, canonical_json, genotype_id
from posenas.hooks import Events
from posenas.journal import Journal
from posenas.latency.cost import LATENCY, UPPER_LATENCY
from posenas.limits import draw_genotypes, within
from posenas.network import PoseNetwork, SharedPoseNetwork
from posenas.objectives import Objective, best_trial
from posenas.people import People
from posenas.predictions import save_predictions
from posenas.protocols import SearchSpace, WeightSharing
from posenas.randomness import derive_rng, derive_seed
from posenas.run import Run
from posenas.scores import GroundTruth, Predictions
from posenas.training import Step, SupervisedStep, Watch, train
from posenas.trial import Trial


@dataclass(frozen=True)
class Weights:
    """A weights file of the run; `shared` where it holds a whole space's."""

    file: str
    shared: bool


class NetworkFailedError(Exception):
    """A network that cannot be run; becomes a failed trial."""


class Problem:
    """One search: its space, its limits, and the effects `train_shared`, `train` and `evaluate_many`.

    People are in four splits: `fit` to train on while candidates are ranked on `ranking`, which together
    make up `train`; and `val`, which no decision depends on (unless `evaluation.held_out` is 0).
    """

    def __init__(self, composition: Composition, run: Run, journal: Journal, *, events: Events) -> None:
        self._composition = composition
        self._run = run
        self._journal = journal
        self._events = events
        self._people = People(
            composition, warn=lambda message: events.tell("warned", message=message), advance=self._advance
        )
        self._load_shared = lru_cache(maxsize=1)(self._read_shared)
        self._costs: dict[str, Costs] = {}
        self._train_again: dict[str, Callable[[], str]] = {}

    @property
    def space(self) -> SearchSpace:
        return self._composition.space

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What to make great or small; at least one is a metric."""
        return self._composition.objectives

    def offers(self, capability: type) -> bool:
        """Whether the space, or the head's module, has this capability."""
        return offers(capability, self._composition.space, self._composition.head)

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The best by the objective, or the knee of the front where there are several.

        Raises:
            PosenasError: where every trial failed.
        """
        best = best_trial(trials, self.objectives)
        if best is None:
            raise PosenasError(f"all {len(trials)} candidates failed; the first said: {trials[0].failure}")
        return best

    def rng(self, purpose: str) -> Random:
        """A generator that depends on the run's seed and the purpose alone."""
        return derive_rng(self._composition.recipe.seed, purpose)

    def cost(self, genotype: Genotype) -> Costs:
        """Of the whole pose network, without running it."""
        key = genotype_id(genotype)
        if key not in self._costs:
            self._costs[key] = self._composition.cost(genotype)
        return self._costs[key]

    def latency(self, genotype: Genotype) -> Mapping[str, float]:
        """In milliseconds, by the names of `LatencyCost.figures`: measured, or from the recipe's table."""
        latency = self._composition.latency
        inputs = {"genotype": dict(genotype), **latency.identity()}
        figures: Mapping[str, float] = self._effect("latency", inputs, lambda: latency.figures(genotype))
        return figures

    def costs(self, genotype: Genotype) -> dict[str, float]:
        """Every cost by its name; latency where a limit or an objective names it."""
        latency = self.latency(genotype) if self._composition.asks_latency else {}
        return {**self.cost(genotype).as_dict(), **latency}

    def cost_by_name(self, genotype: Genotype, name: str) -> float:
        """As limits judge it: of latency the upper figure."""
        if name == LATENCY:
            return self.latency(genotype)[UPPER_LATENCY]
        return self.cost(genotype).as_dict()[name]

    def draw(
        self, number: int, *, first: Sequence[Genotype] = (), purpose: str = "candidates"
    ) -> list[Genotype]:
        """Different genotypes within the limits, beginning with those of `first` that are; fewer where
        there are no more."""
        drawn = draw_genotypes(
            self.space,
            number,
            limits=self._composition.limits,
            cost=self.cost_by_name,
            rng=self.rng(purpose),
            first=first,
        )
        if len(drawn) < number and purpose == "candidates":
            self._events.tell(
                "warned",
                message=f"{number} candidates are asked for, and no more than {len(drawn)} different ones "
                "within the limits were found",
            )
        return drawn

    def within_limits(self, genotype: Genotype) -> bool:
        return within(genotype, self._composition.limits, self.cost_by_name)

    def train_shared(
        self,
        step: Step,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "fit",
        name: str = "super-network",
    ) -> Weights:
        """Trains the super-network of a weight-sharing space, from fresh weights or on from earlier shared
        ones; `step` says how, and `name` what the display calls it."""
        inputs = {
            "network": "shared",
            "step": repr(step),
            "epochs": epochs,
            "on": on,
            "init": None if init is None else init.file,
        }

        def build() -> torch.nn.Module:
            return self._new_shared() if init is None else self._read_shared(init.file)

        return Weights(self._train_effect(name, inputs, build, step=step, epochs=epochs, on=on), shared=True)

    def train(
        self, genotype: Genotype, *, epochs: int, init: Weights | None = None, on: str = "train"
    ) -> Weights:
        """Trains one genotype alone, from fresh weights or from its part of shared ones."""
        inputs = {
            "network": dict(genotype),
            "epochs": epochs,
            "on": on,
            "init": None if init is None else init.file,
        }

        def build() -> torch.nn.Module:
            return self._composition.build(genotype) if init is None else self._load(genotype, init)

        file = self._train_effect("network", inputs, build, step=SupervisedStep(), epochs=epochs, on=on)
        return Weights(file, shared=False)

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        """Scores one genotype with its own weights on `val`, and keeps its predictions."""
        inputs = {"genotype": dict(genotype), "weights": weights.file, "on": "val"}
        file = f"{_key('evaluate', inputs)}.json"

        def compute() -> Mapping[str, Any]:
            predictions, truth = self._predict(genotype, weights, on="val", calibration_people=0)
            save_predictions(self._run.predictions / file, predictions)
            return self._scores(predictions, truth) | {"predictions": file}

        return self._trial(
            genotype, weights, self._attempt("evaluate", inputs, compute), stage=stage, on="val"
        )

    def evaluate_many(
        self,
        genotypes: Sequence[Genotype],
        weights: Weights,
        *,
        stage: str,
        calibration_people: int,
        progress: tuple[int, int] | None = None,
    ) -> Iterator[Trial]:
        """Scores each genotype with its part of shared weights on the ranking people, batch norm's
        statistics taken anew from so many training people first.

        Args:
            weights: shared; or of the only genotype, with 0 calibration people.
            progress: how many candidates were scored before these, and how many will be in all.
        """
        on = self._people.ranking_split
        before, total = (0, len(genotypes)) if progress is None else progress
        for done, genotype in enumerate(genotypes, start=before + 1):
            inputs = {
                "genotype": dict(genotype),
                "weights": weights.file,
                "on": on,
                "calibration_people": calibration_people,
            }

            def compute(genotype: Genotype = genotype) -> Mapping[str, Any]:
                return self._scores(
                    *self._predict(genotype, weights, on=on, calibration_people=calibration_people)
                )

            yield self._trial(
                genotype, weights, self._attempt("evaluate", inputs, compute), stage=stage, on=on
            )
            self._advance("evaluating candidates", done, total)

    def read_weights(self, file: str) -> bytes:
        """A weights file's content; one that was deleted is trained again.

        Raises:
            PosenasError: where it is damaged, or training it again gives other weights.
        """
        path = self._run.weights / file
        if not path.exists() and file in self._train_again:
            self._events.tell("warned", message=f"{path}: is missing; training it again")
            if self._train_again[file]() != file:
                raise PosenasError(
                    f"{path}: was lost, and training again gave other weights; begin a new run with "
                    f"`posenas compose --recipe {self._run.recipe_file}`"
                )
        return read_weights(self._run.weights, file)

    def _effect(self, effect: str, inputs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        key = _key(effect, inputs)
        known = self._journal.find(key)
        if known is not None:
            return known
        result = compute()
        self._journal.append(effect, key, inputs=inputs, result=result)
        return result

    def _train_effect(
        self,
        name: str,
        inputs: Mapping[str, Any],
        build: Callable[[], torch.nn.Module],
        *,
        step: Step,
        epochs: int,
        on: str,
    ) -> str:
        key = _key("train", inputs)
        checkpoint = self._run.checkpoints / f"{key}.safetensors"

        def compute() -> str:
            seed = derive_seed(self._composition.recipe.seed, key)
            torch.manual_seed(seed)
            network = build().to(self._composition.compute.device)
            with self._people.training(on, seed=seed) as source:
                train(
                    network,
                    source,
                    step=step,
                    epochs=epochs,
                    settings=self._composition.training,
                    seed=seed,
                    checkpoint=checkpoint,
                    watch=self._watch(f"training {name}"),
                )
            return save_weights(self._run.weights, network)

        def again() -> str:
            file = compute()
            checkpoint.unlink(missing_ok=True)
            return file

        file: str = self._effect("train", inputs, compute)
        self._train_again[file] = again
        checkpoint.unlink(missing_ok=True)  # only now that the journal knows the finished weights
        return file

    def _attempt(
        self, effect: str, inputs: Mapping[str, Any], compute: Callable[[], Any]
    ) -> Mapping[str, Any]:
        """A network that cannot be run is a result too: a failed trial."""

        def attempt() -> Any:
            try:
                return compute()
            except NetworkFailedError as error:
                return {"failure": str(error)}

        result: Mapping[str, Any] = self._effect(effect, inputs, attempt)
        return result

    def _predict(
        self, genotype: Genotype, weights: Weights, *, on: str, calibration_people: int
    ) -> tuple[Predictions, GroundTruth]:
        composition = self._composition
        device = composition.compute.device
        truth, crops = self._people.evaluated(on)
        calibration = self._people.calibration(calibration_people) if calibration_people else None
        network = self._load(genotype, weights)
        try:
            network.to(device)
            if calibration is not None:
                recalibrate(network, self._images(calibration))
            return predict(network, crops, settings=composition.evaluation, device=device), truth
        except RuntimeError as error:  # torch's word for everything from a wrong shape to a full memory
            raise NetworkFailedError(" ".join([f"{type(error).__name__}:", *str(error).split()])) from error

    def _scores(self, predictions: Predictions, truth: GroundTruth) -> dict[str, Any]:
        evaluation = self._composition.evaluator.evaluate(predictions, truth)
        metrics = {
            qualified(self._composition.recipe, metric): value
            for metric, value in evaluation.metrics.items()
            if math.isfinite(value)
        }
        by_keypoint = {name: value for name, value in evaluation.by_keypoint.items() if math.isfinite(value)}
        return {"metrics": metrics, "by_keypoint": by_keypoint}

    def _trial(
        self, genotype: Genotype, weights: Weights, result: Mapping[str, Any], *, stage: str, on: str
    ) -> Trial:
        # The journal sorts its keys; the objective comes first, from there as from the evaluator.
        declared = [
            qualified(self._composition.recipe, metric.name)
            for metric in self._composition.evaluator.metrics()
        ]
        metrics = result.get("metrics", {})
        return Trial(
            genotype=genotype,
            stage=stage,
            split=on,
            metrics={name: metrics[name] for name in (*declared, *metrics) if name in metrics},
            by_keypoint=result.get("by_keypoint", {}),
            costs=self.costs(genotype),
            weights=weights.file,
            predictions=result.get("predictions"),
            failure=result.get("failure"),
        )

    def _images(self, crops: LoadedCrops) -> Iterator[torch.Tensor]:
        size = self._composition.evaluation.batch_size
        return (batch.images for batch in batches(crops, size, device=self._composition.compute.device))

    def _load(self, genotype: Genotype, weights: Weights) -> PoseNetwork:
        if weights.shared:
            return self._load_shared(weights.file).derive(genotype)
        network = self._composition.build(genotype)
        network.load_state_dict(load(self.read_weights(weights.file)))
        return network

    def _read_shared(self, file: str) -> SharedPoseNetwork:
        shared = self._new_shared()
        shared.load_state_dict(load(self.read_weights(file)))
        return shared

    def _new_shared(self) -> SharedPoseNetwork:
        space = self.space
        if not isinstance(space, WeightSharing):
            raise TypeError(f"{space!r} has no shared weights; the strategy must require WeightSharing")
        return SharedPoseNetwork(self._composition.build, space.largest())

    def _advance(self, task: str, done: int, total: int) -> None:
        self._events.tell("advanced", task=task, done=done, total=total)

    def _watch(self, task: str) -> Watch:
        def epoch(number: int, epochs: int, losses: Mapping[str, float]) -> None:
            self._events.tell("epoch_finished", task=task, epoch=number, epochs=epochs, losses=losses)

        return Watch(step=lambda done, total: self._advance(task, done, total), epoch=epoch)


def _key(effect: str, inputs: Mapping[str, Any]) -> str:
    return content_name(canonical_json({"effect": effect, "inputs": inputs}).encode())
