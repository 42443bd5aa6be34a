"""How a super-network learns: the sandwich rule, with or without a teacher in each step.

Source: the rule and in-place distillation are Yu and Huang's (Universally Slimmable Networks, ICCV 2019);
learning from truth and teacher is ViPNAS's (Xu et al., CVPR 2021, section 3.4.1), from the teacher alone
BigNAS's (Yu et al., ECCV 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias, cast

from torch import Tensor

from posenas.contract.batches import Batch
from posenas.contract.components import Distillable, HeadModule, Propagating, WeightSharing
from posenas.contract.genotype import Genotype, head_part
from posenas.contract.problem import Update
from posenas.networks.pose_network import SharedPoseNetwork

Distillation: TypeAlias = Literal["truth+teacher", "teacher", "off"]
"""What all networks but the largest learn from: truth and teacher, the teacher alone, or the truth alone."""


@dataclass(frozen=True)
class SandwichStep:
    """A step by the gradients of the largest, the smallest and some random networks, added up.

    Attributes:
        space: the space of the super-network.
        random_networks: how many networks are drawn beside the two ends of the space.
        distillation: what all but the largest learn from: the truth and, with the same weight, the
            largest one's outputs for the same images; the outputs alone; or the truth alone.
        closed: dimensions that keep the largest network's value, as in the phases of progressive shrinking.
    """

    space: WeightSharing
    random_networks: int
    distillation: Distillation
    closed: tuple[str, ...] = ()

    def __call__(
        self,
        network: SharedPoseNetwork,
        batch: Batch,
        rng: Random,
        *,
        update: Update,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> Mapping[str, Tensor]:
        """Add up the gradients, and return each network's loss; for the arguments see `Step`."""
        first = self._trained(self.space.largest(), rng)
        largest = network.activate(first)
        targets = cast(HeadModule, largest.head).targets(batch)
        teacher = largest(batch.images, targets)
        loss = cast(HeadModule, largest.head).loss(teacher, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        losses = {"largest": loss.detach()}
        for name, genotype in self._others(rng).items():
            # Heads of other choices may encode other targets.
            alike = targets if head_part(genotype) == head_part(first) else None
            losses[name] = self._teach(network, genotype, batch, targets=alike, teacher=teacher)
        return losses

    def _others(self, rng: Random) -> Mapping[str, Genotype]:
        """Return the genotypes beside the largest one, by what the display calls them."""
        others = {"smallest": self.space.smallest()}
        others |= {f"random{index + 1}": self.space.sample(rng) for index in range(self.random_networks)}
        largest = self.space.largest()
        closed = {name: largest[name] for name in self.closed}
        kept = {name: {**genotype, **closed} for name, genotype in others.items()}
        differing = {name: genotype for name, genotype in kept.items() if genotype != largest}
        return {name: self._trained(genotype, rng) for name, genotype in differing.items()}

    def _trained(self, genotype: Genotype, rng: Random) -> Genotype:
        return self.space.in_training(genotype, rng) if isinstance(self.space, Propagating) else genotype

    def _teach(
        self,
        shared: SharedPoseNetwork,
        genotype: Genotype,
        batch: Batch,
        *,
        targets: Any | None,
        teacher: Any,
    ) -> Tensor:
        network = shared.activate(genotype)
        targets = cast(HeadModule, network.head).targets(batch) if targets is None else targets
        outputs = network(batch.images, targets)
        loss = cast(HeadModule, network.head).loss(outputs, targets)
        truth_loss: Tensor = loss.detach()
        if self.distillation != "off":
            taught = cast(Distillable, network.head).distillation_loss(outputs, teacher)
            loss = taught if self.distillation == "teacher" else loss + taught
        loss.backward()  # type: ignore[no-untyped-call]
        return truth_loss
