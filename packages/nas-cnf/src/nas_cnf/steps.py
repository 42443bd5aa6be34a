"""How weights and architecture learn together: in one step, or the architecture from other people.

Source: PoseNFS (Yang et al., 2019), section III-F; DARTS (Liu et al., ICLR 2019), section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, cast

import torch
from posenas import Batch, HeadModule, Relaxed, Update
from posenas.training import PoseNetwork, part, relax
from torch import Tensor
from torch.func import functional_call

from nas_cnf.entropy import mean_entropy


@dataclass(frozen=True)
class SynchronousStep:
    """A step in which weights and architecture learn by the gradient of one loss for the same people.

    Attributes:
        space: the one that is searched.
        sparsity: the weight of the architecture's mean entropy in the loss.
    """

    space: Relaxed
    sparsity: float

    def __call__(
        self,
        network: PoseNetwork,
        batch: Batch,
        rng: Random,  # noqa: ARG002
        *,
        update: Update,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> Mapping[str, Tensor]:
        """Add up the gradients, and return the losses; for the arguments see `Step`."""
        head = cast(HeadModule, network.head)
        targets = head.targets(batch)
        loss = head.loss(network(batch.images, targets), targets)
        values = relax(self.space, network)
        loss.backward()  # type: ignore[no-untyped-call]
        entropy = mean_entropy(list(values.values()))
        (self.sparsity * entropy).backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), "entropy": entropy.detach()}


@dataclass(frozen=True)
class BilevelStep:
    """A step in which the weights learn from a batch's first half, the architecture from its second half.

    Attributes:
        space: the one that is searched.
        order: 1 takes the architecture's gradient at the present weights; 2 after the weights' next step of
            `inner_rate`, through which it is differentiated too.
        inner_rate: the length of the weights' next step.
        sparsity: the weight of the architecture's mean entropy in its loss.
    """

    space: Relaxed
    order: Literal[1, 2]
    inner_rate: float
    sparsity: float

    def __call__(
        self,
        network: PoseNetwork,
        batch: Batch,
        rng: Random,  # noqa: ARG002
        *,
        update: Update,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> Mapping[str, Tensor]:
        """Add up the gradients, and return the losses; for the arguments see `Step`."""
        values = list(relax(self.space, network).values())
        own = {id(value) for value in values}
        weights = {
            name: parameter for name, parameter in network.named_parameters() if id(parameter) not in own
        }
        first, second = _halves(batch)
        loss = _loss(network, first, weights)
        gradients = _gradients(loss, list(weights.values()), create_graph=self.order == 2)
        after = {
            name: weight - self.inner_rate * gradient
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
        validation = _loss(network, second, after if self.order == 2 else weights)
        slopes = torch.autograd.grad(validation, values)
        entropy = mean_entropy(values)
        (self.sparsity * entropy).backward()  # type: ignore[no-untyped-call]
        for parameter, gradient in zip([*weights.values(), *values], [*gradients, *slopes], strict=True):
            _add(parameter, gradient.detach())
        return {"loss": loss.detach(), "validation": validation.detach(), "entropy": entropy.detach()}


def _gradients(loss: Tensor, weights: list[Tensor], *, create_graph: bool) -> list[Tensor]:
    """Return the gradients of the loss, zeros for what it does not depend on."""
    found = torch.autograd.grad(loss, weights, create_graph=create_graph, allow_unused=True)
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, found, strict=True)
    ]


def _loss(network: PoseNetwork, batch: Batch, weights: Mapping[str, Tensor]) -> Tensor:
    head = cast(HeadModule, network.head)
    targets = head.targets(batch)
    outputs = functional_call(network, dict(weights), (batch.images, targets))
    return head.loss(outputs, targets)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    half = len(batch.images) // 2
    return part(batch, 0, half), part(batch, half, len(batch.images))


def _add(parameter: Tensor, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient.clone()
    else:
        parameter.grad += gradient
