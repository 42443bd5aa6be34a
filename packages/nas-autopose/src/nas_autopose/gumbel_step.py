"""A step in which weights and cells learn in turn, by Gumbel-softmax samples of the cells.

Source: AutoPose (Gong et al., CVPR Workshops 2020), algorithm 1 and section 3.1.2; the first-order update is
DARTS's (Liu et al., ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias, cast

import torch
from posenas import Batch, Genotype, HeadModule, Relaxed, Update
from posenas.training import PoseNetwork, SharedPoseNetwork, part, relax
from torch import Tensor, nn
from torch.func import functional_call

from nas_autopose.capabilities import SinglePath
from nas_autopose.gumbel_softmax import annealed, perturbed, straight_through

Estimator: TypeAlias = Literal["soft", "single"]


@dataclass(frozen=True)
class Annealing:
    """The temperatures of a training.

    Attributes:
        first: at its beginning.
        last: at its end, which it falls to by the same factor in equal times.
    """

    first: float
    last: float


@dataclass(frozen=True)
class Networks:
    """The networks that a super-network trains: one is drawn for each batch.

    Attributes:
        names: the dimensions in which they differ.
        values: of each network the values of these dimensions.
        rest: the other dimensions with their values. Real ones are such that nothing is left out.
    """

    rest: tuple[tuple[str, Any], ...]
    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def drawn(self, rng: Random) -> Genotype:
        """Return the genotype of one of the networks."""
        return {**dict(self.rest), **dict(zip(self.names, rng.choice(self.values), strict=True))}


@dataclass(frozen=True)
class GumbelStep:
    """A step that moves the weights by a batch's first half, then the cells by its second half.

    Each half has a Gumbel-softmax sample of its own. The weights do not learn from the second half, nor the
    cells from the first.

    Attributes:
        space: the one that is searched.
        estimator: `soft` computes all operations, weighed by the sample; `single` computes one on each edge,
            as a straight-through sample. The latter is for a space that is `SinglePath`.
        annealing: the temperatures.
        networks: those of a super-network, one for each batch; None where the network is trained alone.
    """

    space: Relaxed
    estimator: Estimator
    annealing: Annealing
    networks: Networks | None = None

    def __call__(
        self,
        network: PoseNetwork | SharedPoseNetwork,
        batch: Batch,
        rng: Random,
        *,
        update: Update,
        progress: float,
    ) -> Mapping[str, Tensor]:
        """Move both groups, and return the losses of the two halves; for the arguments see `Step`."""
        temperature = annealed(self.annealing.first, self.annealing.last, progress)
        values = self._values(network)
        activate = self._activated(network, rng)
        half = len(batch.images) // 2
        first, second = part(batch, 0, half), part(batch, half, len(batch.images))
        fixed = {name: value.detach() for name, value in values.items()}
        loss = self._loss(activate(), first, _sampled(fixed, rng, temperature=temperature))
        loss.backward()  # type: ignore[no-untyped-call]
        update("weights")
        validation = self._loss(activate(), second, _sampled(values, rng, temperature=temperature))
        _add_gradients(validation, values)
        update("architecture")
        return {"loss": loss.detach(), "validation": validation.detach()}

    def _values(self, network: PoseNetwork | SharedPoseNetwork) -> Mapping[str, nn.Parameter]:
        """Return the values that learn, which activated networks have copies of."""
        return relax(self.space, network.shared.holder if isinstance(network, SharedPoseNetwork) else network)

    def _activated(self, network: PoseNetwork | SharedPoseNetwork, rng: Random) -> Callable[[], PoseNetwork]:
        """Return what gives the network of this batch with its present weights."""
        if self.networks is None:
            return lambda: cast(PoseNetwork, network)
        genotype = self.networks.drawn(rng)
        return lambda: cast(SharedPoseNetwork, network).activate(genotype)

    def _loss(self, network: PoseNetwork, batch: Batch, logits: Mapping[str, Tensor]) -> Tensor:
        """Return a network's loss, in which each row of the logits weighs by its softmax.

        Args:
            network: the one that is trained.
            batch: N views.
            logits: what `perturbed` gave of the values, by their dimensions.
        """
        head = cast(HeadModule, network.head)
        targets = head.targets(batch)
        if self.estimator == "single":
            weights = {name: straight_through(each) for name, each in logits.items()}
            with _weighed(cast(SinglePath, self.space), network, weights):
                return head.loss(network(batch.images, targets), targets)
        places = _places(network, relax(self.space, network))
        replaced = {place: logits[name] for name, place in places.items()}
        return head.loss(functional_call(network, replaced, (batch.images, targets)), targets)


def _sampled(values: Mapping[str, Tensor], rng: Random, *, temperature: float) -> Mapping[str, Tensor]:
    return {name: perturbed(value, rng, temperature=temperature) for name, value in values.items()}


def _places(network: nn.Module, values: Mapping[str, nn.Parameter]) -> Mapping[str, str]:
    """Return the names of parameters in the network, by the dimensions' names."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {name: names[id(value)] for name, value in values.items()}


@contextmanager
def _weighed(space: SinglePath, network: PoseNetwork, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a network's operations weigh as is told, and as its values say again afterwards."""
    space.weigh(network.backbone, weights)
    try:
        yield
    finally:
        space.weigh(network.backbone, {})


def _add_gradients(loss: Tensor, values: Mapping[str, nn.Parameter]) -> None:
    """Give the values their gradients of a loss; those that it does not depend on get none."""
    parameters = list(values.values())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient
