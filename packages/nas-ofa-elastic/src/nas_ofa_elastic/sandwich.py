"""Strategy `sandwich`: one super-network for a whole space, then a search on its weights (ViPNAS).

Source: Xu et al., ViPNAS, CVPR 2021, section 3.4.1; the sandwich rule and in-place distillation are
Yu and Huang's (Universally Slimmable Networks, ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, cast

from annotated_types import Ge, Gt
from posenas.batches import Batch
from posenas.errors import PosenasError
from posenas.network import SharedPoseNetwork
from posenas.problem import Problem
from posenas.protocols import Distillable, HeadModule, WeightSharing
from posenas.trial import Trial, best_trial


@dataclass(frozen=True)
class SandwichStep:
    """Gradients of the largest, the smallest and some random networks, added up.

    The largest learns from the truth; the others from the truth and, with the same weight, from the
    largest one's outputs for the same images.
    """

    space: WeightSharing
    random_networks: int
    distillation: bool

    def __call__(self, network: SharedPoseNetwork, batch: Batch, rng: Random) -> Mapping[str, float]:
        largest = network.activate(self.space.largest())
        head = cast(HeadModule, largest.head)
        targets = head.targets(batch)
        teacher = largest(batch.images)
        loss = head.loss(teacher, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        losses = {"largest": float(loss.detach())}
        others = {f"random{index + 1}": self.space.sample(rng) for index in range(self.random_networks)}
        for name, genotype in {"smallest": self.space.smallest(), **others}.items():
            losses[name] = self._teach(network, genotype, batch.images, targets=targets, teacher=teacher)
        return losses

    def _teach(
        self,
        shared: SharedPoseNetwork,
        genotype: Mapping[str, Any],
        images: Any,
        *,
        targets: Any,
        teacher: Any,
    ) -> float:
        network = shared.activate(genotype)
        outputs = network(images)
        loss = cast(HeadModule, network.head).loss(outputs, targets)
        truth_loss = float(loss.detach())
        if self.distillation:
            loss = loss + cast(Distillable, network.head).distillation_loss(outputs, teacher)
        loss.backward()  # type: ignore[no-untyped-call]
        return truth_loss


@dataclass(frozen=True)
class Sandwich:
    """Trains the super-network; ranks random genotypes and the space's two ends, as far as they are within
    the limits, on its weights; cuts the best one out and trains it on."""

    epochs: Annotated[int, "passes over the people in training the super-network", Gt(0)] = 2
    random_networks: Annotated[
        int, "random networks in each step, beside the largest and the smallest", Ge(0)
    ] = 2
    distillation: Annotated[bool, "let the largest network teach the others in each step"] = True
    candidates: Annotated[int, "genotypes to rank", Gt(0)] = 16
    calibration_people: Annotated[
        int, "training people that batch norm's statistics are taken from", Gt(0)
    ] = 128
    final_epochs: Annotated[int, "passes over the people in training the winner on", Gt(0)] = 13

    def requires(self) -> Sequence[type]:
        return (WeightSharing, Distillable) if self.distillation else (WeightSharing,)

    def search(self, problem: Problem) -> Iterator[Trial]:
        space = cast(WeightSharing, problem.space)
        step = SandwichStep(space, self.random_networks, self.distillation)
        shared = problem.train_shared(step, epochs=self.epochs)
        trials = []
        ends = (space.largest(), space.smallest())
        for trial in problem.evaluate_many(
            problem.draw(self.candidates, first=ends),
            shared,
            stage="candidate",
            calibration_people=self.calibration_people,
        ):
            trials.append(trial)
            yield trial
        winner = best_trial(trials, problem.objective)
        if winner is None:
            raise PosenasError(
                f"all {len(trials)} candidates failed; the first one said: {trials[0].failure}"
            )
        weights = problem.train(winner.genotype, epochs=self.final_epochs, init=shared)
        yield problem.evaluate(winner.genotype, weights, stage="final")
