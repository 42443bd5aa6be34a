"""What moves a network's parameters: each group by its optimiser, within a step or after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from posenas.contract.errors import PosenasError
from posenas.contract.problem import WEIGHTS
from posenas.learning.optimizers import parameters_of, scale_gradients
from posenas.networks.loss_scale import LossScale
from posenas.networks.processes import ALONE, Processes


class DivergedError(PosenasError):
    """A loss, or every gradient, is no longer a number."""


class Updates:
    """The updates of one epoch, group by group.

    Between two updates a group's gradients are kept as (sum of people x gradient) / people of the last batch,
    so that each batch may just add its own, and those of equal batches need no scaling until the update.

    An update leaves no gradients. A parameter that gets none before the next one, such as that of a branch
    that is off, has no step: Adam's momentum and weight decay leave it as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizers: Mapping[str, torch.optim.Optimizer],
        *,
        clip_norm: float,
        moved: Callable[[], None] | None = None,
        loss_scale: LossScale | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Begin an epoch.

        Args:
            network: says in which order parameters are clipped.
            optimizers: by the groups' names.
            clip_norm: the norm of gradients that are used together is cut to this; 0 leaves it.
            moved: called after every step of the group `weights`.
            loss_scale: of fp16; a step with infinite gradients is left out.
            processes: each has its share of a batch, and all take the same step.
        """
        self._scale, self._processes = loss_scale, processes
        self._optimizers, self._clip_norm = optimizers, clip_norm
        self._after_weights = moved or (lambda: None)
        self._parameters = {name: parameters_of({name: each}) for name, each in optimizers.items()}
        self._order = list(network.parameters())
        self._people = dict.fromkeys(optimizers, 0)
        self._moved: set[str] = set()
        self._last = 0

    def begin(self, people: int) -> None:
        """Make room for the gradients of a batch."""
        for name, waiting in self._people.items():
            if waiting:
                scale_gradients(self._parameters[name], self._last / people)
            self._people[name] += people
        self._last = people

    def update(self, group: str) -> None:
        """Move one group's parameters by their present gradients, within a step.

        Raises:
            PosenasError: where the training has no such group.
        """
        if group not in self._optimizers:
            raise PosenasError(
                f"a step updates the group {group!r}, and this training has {', '.join(self._optimizers)}"
            )
        self._people[group] = max(self._people[group], self._last)
        self._move([group])
        self._optimizers[group].zero_grad(set_to_none=True)
        self._moved.add(group)

    def end(self, *, due: bool) -> None:
        """End a batch: clear what the step left in groups that it updated, and move the others.

        Args:
            due: whether enough batches have been accumulated.

        Raises:
            PosenasError: where more batches are to be accumulated, and the step has moved all groups already.
        """
        if not due and self._moved == self._optimizers.keys():
            raise PosenasError(
                "this training moves all parameters in each batch, so training.accumulate would have no "
                "effect; start a new run with training.accumulate=1"
            )
        for group in self._moved:
            self._optimizers[group].zero_grad(set_to_none=True)
        self._moved.clear()
        if due:
            self.move_rest()

    def move_rest(self) -> None:
        """Move the groups that still have gradients of finished batches."""
        groups = [name for name, people in self._people.items() if people]
        if groups:
            self._move(groups)
        for name in groups:
            self._optimizers[name].zero_grad(set_to_none=True)

    def _move(self, groups: Sequence[str]) -> None:
        """Make means of gradients that have been added up, clip them together, and take a step.

        Raises:
            DivergedError: where gradients of fp16 are infinite although they are not enlarged.
        """
        for name in groups:
            scale_gradients(self._parameters[name], self._last / self._people[name])
            self._processes.average_gradients(self._parameters[name], people=self._people[name])
            self._people[name] = 0
        if self._scale and not self._admitted(groups, self._scale):
            return
        if self._clip_norm:
            clipped = {id(parameter) for name in groups for parameter in self._parameters[name]}
            nn.utils.clip_grad_norm_([each for each in self._order if id(each) in clipped], self._clip_norm)
        for name in groups:
            self._optimizers[name].step()
        if WEIGHTS in groups:
            self._after_weights()

    def _admitted(self, groups: Sequence[str], scale: LossScale) -> bool:
        parameters = [each for name in groups for each in self._parameters[name]]
        admitted = scale.admits(each.grad for each in parameters if each.grad is not None)
        if scale.value < 1:
            raise DivergedError(
                "training diverged: gradients are infinite in fp16; start a new run with precision=32, or "
                "with a lower training.learning_rate"
            )
        return admitted
