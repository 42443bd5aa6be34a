"""What the effects of a search compute: networks trained, loaded, run and scored. Nothing is remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load
from torch import Tensor, nn

from posenas.composing.compose import Composition, qualified
from posenas.contract.components import Averaging, HeadModule, Relaxed, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Step, Weights
from posenas.contract.scores import GroundTruth, Predictions
from posenas.contract.trial import Ablation
from posenas.data.views import EvaluatedViews
from posenas.learning.ablation import predict_ablated, replacement_rates
from posenas.learning.inference import predict, recalibrate
from posenas.learning.optimizers import Architecture
from posenas.learning.training import Notes, Watch, train
from posenas.networks.initial_weights import InitialWeights, read_initial_weights
from posenas.networks.output_change import OutputChange, measure_change
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax, restore
from posenas.networks.transfer import Transfer, transfer
from posenas.runs.checkpoint import read_weights, save_weights
from posenas.runs.run import Run
from posenas.searching.splits import People


class NetworkFailedError(Exception):
    """A network that cannot be run; becomes a failed trial."""


class Workshop:
    """A composition and a run's folder, and the work that is done with them.

    People are in four splits: `fit` to train on while candidates are ranked on `ranking`, which together
    make up `train`; and `val`, which no decision depends on (unless `evaluation.held_out` is 0).
    """

    def __init__(
        self,
        composition: Composition,
        run: Run,
        *,
        warn: Callable[[str], None],
        advance: Callable[[str, int, int], None],
        read: Callable[[str], bytes] | None = None,
    ) -> None:
        """`read` gives the content of a weights file of the run; without it, as it lies there."""
        self.composition = composition
        self.run = run
        self.people = People(composition, warn=warn, advance=advance)
        self._warn = warn
        self._told_share = False
        self._read = read or (lambda file: read_weights(run.weights, file))
        self._load_shared = lru_cache(maxsize=1)(self.read_shared)

    def train(
        self,
        network: nn.Module,
        *,
        step: Step,
        epochs: int,
        on: str,
        seed: int,
        checkpoint: Path,
        watch: Watch,
        validate: Callable[[nn.Module], float] | None = None,
        architecture: Architecture | None = None,
        notes: Notes | None = None,
    ) -> float | None:
        """In place, on the run's device; the least validation loss, whose weights the network has then."""
        network.to(self.composition.compute.device)
        with self.people.training(on, seed=seed) as source:
            return train(
                network,
                source,
                step=step,
                epochs=epochs,
                settings=self.composition.training,
                seed=seed,
                checkpoint=checkpoint,
                watch=watch,
                validate=validate,
                architecture=architecture,
                notes=notes,
            )

    def fresh(self, genotype: Genotype) -> PoseNetwork:
        """A network whose training is to begin, from the recipe's initial weights where there are some."""
        network = self.composition.build(genotype)
        self._fill(network)
        restore(self.composition.space, network, genotype)
        return network

    def fresh_shared(self) -> SharedPoseNetwork:
        """A super-network whose training is to begin, likewise."""
        network = self._new_shared(relaxed=self._learns_values)
        self._fill(network.shared.largest)
        restore(self.composition.space, network.shared.largest, self._largest)
        return network

    def trained_shared(self, file: str) -> SharedPoseNetwork:
        """A super-network whose training is to go on."""
        return self._read_shared(file, relaxed=self._learns_values)

    @property
    def _learns_values(self) -> bool:
        """Whether real values of a space learn beside its weights: its strategy says so."""
        return Relaxed in self.composition.strategy.requires()

    @cached_property
    def initial(self) -> InitialWeights | None:
        """The recipe's, read once."""
        init = self.composition.recipe.init
        return read_initial_weights(Path(init)) if init else None

    def _fill(self, network: nn.Module) -> None:
        if self.initial is None:
            return
        told = self.initial.fill(network)
        if not self._told_share:
            self._warn(told)
        self._told_share = True

    def save(self, network: nn.Module) -> str:
        """The name of the weights file."""
        return save_weights(self.run.weights, network)

    def validation_loss(self, network: PoseNetwork, views: EvaluatedViews) -> float:
        """The head's loss of all these people together, however they are divided into batches; the network
        is in evaluation mode."""
        head = cast(HeadModule, network.head)
        size, device = self.composition.evaluation.batch_size, self.composition.compute.device
        with torch.no_grad():
            return pooled_loss(
                _means(head, network(batch.images), head.targets(batch), views=len(batch.images))
                for batch in views.batches(size, device=device)
            )

    def predict(
        self, network: PoseNetwork, *, on: str, calibration_people: int = 0
    ) -> tuple[Predictions, GroundTruth]:
        """The network can only be evaluated afterwards. Raises NetworkFailedError where it cannot be run."""
        composition = self.composition
        device = composition.compute.device
        truth, views = self.people.evaluated(on)
        calibration = self.people.calibration(calibration_people) if calibration_people else None
        with _failures():
            network.to(device)
            if calibration is not None:
                recalibrate(network, self._images(calibration))
            return predict(network, views, settings=composition.evaluation, device=device), truth

    def predict_and_score(self, network: PoseNetwork, *, on: str) -> tuple[Predictions, dict[str, Any]]:
        """Predictions, and all that can be told of them: the scores, and what the steps of the decoding are
        worth where the head tells them apart. The network can only be evaluated afterwards.

        Raises:
            NetworkFailedError: where it cannot be run.
        """
        composition = self.composition
        device = composition.compute.device
        truth, views = self.people.evaluated(on)
        with _failures():
            network.to(device)
            predictions, without = predict_ablated(
                network, views, settings=composition.evaluation, device=device
            )
        ablations = {
            step: asdict(
                Ablation(
                    self.scores(ablated.predictions, truth)["metrics"],
                    replacement_rates(ablated.replaced, truth),
                )
            )
            for step, ablated in without.items()
        }
        return predictions, self.scores(predictions, truth) | ({"ablations": ablations} if ablations else {})

    def change(self, first: PoseNetwork, second: PoseNetwork, *, on: str) -> OutputChange:
        """Of the outputs, where the second network takes the first one's place."""
        _, views = self.people.evaluated(on)
        device = self.composition.compute.device
        return measure_change(first.to(device).eval(), second.to(device).eval(), self._images(views))

    def scores(self, predictions: Predictions, truth: GroundTruth) -> dict[str, Any]:
        evaluation = self.composition.evaluator.evaluate(predictions, truth)
        metrics = {
            qualified(self.composition.recipe, metric): value
            for metric, value in evaluation.metrics.items()
            if math.isfinite(value)
        }
        by_keypoint = {name: value for name, value in evaluation.by_keypoint.items() if math.isfinite(value)}
        return {"metrics": metrics, "by_keypoint": by_keypoint}

    def load(self, genotype: Genotype, weights: Weights) -> PoseNetwork:
        if weights.shared:
            return self._load_shared(weights.file).derive(genotype)
        network = self.composition.build(genotype)
        network.load_state_dict(self.tensors(weights.file))
        restore(self.composition.space, network, genotype)
        return network

    def part(self, genotype: Genotype, tensors: Mapping[str, Tensor]) -> PoseNetwork:
        """The genotype's network with tensors of one that has all that it has, or more."""
        network = self.composition.build(genotype)
        network.load_state_dict({name: tensors[name] for name in network.state_dict()})
        restore(self.composition.space, network, genotype)
        return network

    def inherit(self, genotype: Genotype, file: str) -> tuple[PoseNetwork, Transfer]:
        """The genotype's network with what fits of another one's weights, and what that was."""
        network = self.composition.build(genotype)
        took = transfer(network, self.tensors(file))
        restore(self.composition.space, network, genotype)
        return network, took

    def tensors(self, file: str) -> dict[str, Tensor]:
        """A weights file's, by their names."""
        return load(self._read(file))

    @property
    def _largest(self) -> Genotype:
        space = self.composition.space
        if not isinstance(space, WeightSharing):
            raise TypeError(f"{space!r} has no shared weights; the strategy must require WeightSharing")
        return space.largest()

    def _new_shared(self, *, relaxed: bool) -> SharedPoseNetwork:
        space = self.composition.space
        return SharedPoseNetwork(
            self.composition.build,
            self._largest,
            relax=partial(relax, space) if relaxed else None,
            restore=partial(restore, space),
        )

    def read_shared(self, file: str) -> SharedPoseNetwork:
        """A super-network from which networks are derived."""
        return self._read_shared(file, relaxed=False)

    def _read_shared(self, file: str, *, relaxed: bool) -> SharedPoseNetwork:
        shared = self._new_shared(relaxed=relaxed)
        shared.load_state_dict(self.tensors(file))
        return shared

    def _images(self, views: EvaluatedViews) -> Iterator[Tensor]:
        size = self.composition.evaluation.batch_size
        return (batch.images for batch in views.batches(size, device=self.composition.compute.device))


def _means(head: HeadModule, outputs: Any, targets: Any, *, views: int) -> tuple[Tensor, Tensor]:
    """As of `Averaging`; other heads' loss is a mean over views."""
    if isinstance(head, Averaging):
        return head.loss_means(outputs, targets)
    return head.loss(outputs, targets).reshape(1), torch.tensor([views])


def pooled_loss(batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The sum of M means over all batches together, from those over each and the numbers they are of."""
    totals, counts = torch.zeros(1), torch.zeros(1)
    for means, numbers in batches:
        numbers = numbers.double().cpu()
        totals, counts = totals + means.double().cpu() * numbers, counts + numbers
    return float((totals / counts.clamp(min=1.0)).sum())


@contextmanager
def _failures() -> Iterator[None]:
    """Torch's word for everything from a wrong shape to a full memory is RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise NetworkFailedError(in_one_line(error)) from error


def in_one_line(error: BaseException) -> str:
    """An error's type and words."""
    return " ".join([f"{type(error).__name__}:", *str(error).split()])
