"""The moving average of a network's weights over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from posenas.networks.tensor_lists import copy_groups, in_groups


class MovingAverage:
    """The exponential moving average of a network's parameters and statistics, beside the network.

    It begins with the weights that the training begins with. After step t it keeps `decay` of itself, or
    decay x (1 - exp(-t / ramp)) where the decay rises.

    Source: Polyak and Juditsky (1992) for averages; the rising decay is that of KAPAO's public code.
    """

    def __init__(
        self, network: nn.Module, *, decay: float, ramp: int, left_out: Iterable[Tensor] = ()
    ) -> None:
        """Begin with the network's present weights.

        Args:
            network: the one in training, on its device.
            decay: the share of the average that stays in each step.
            ramp: the number of steps over which the decay rises; 0 takes all of it at once.
            left_out: parameters that are not averaged.
        """
        self._decay, self._ramp, self._steps = decay, ramp, 0
        seen = {tensor.data_ptr() for tensor in left_out}
        self._live: dict[str, Tensor] = {}
        for name, tensor in network.state_dict().items():
            if tensor.data_ptr() not in seen:  # one that has two names is exchanged once
                self._live[name] = tensor
                seen.add(tensor.data_ptr())
        self._average = {name: tensor.clone() for name, tensor in self._live.items()}
        pairs = [(self._average[name], tensor) for name, tensor in self._live.items()]
        self._averaged = in_groups(pair for pair in pairs if pair[0].is_floating_point())
        self._copied = in_groups(pair for pair in pairs if not pair[0].is_floating_point())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights after a step."""
        self._steps += 1
        rising = 1.0 - math.exp(-self._steps / self._ramp) if self._ramp else 1.0
        for averages, live in self._averaged:
            torch._foreach_lerp_(averages, live, 1.0 - self._decay * rising)
        copy_groups(self._copied)

    @torch.no_grad()
    def exchange(self) -> None:
        """Exchange the network's weights and the average; a second call puts both back."""
        for averages, live in (*self._averaged, *self._copied):
            kept = torch._foreach_clone(live)
            torch._foreach_copy_(live, averages)
            torch._foreach_copy_(averages, kept)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Give the network the average while the context is open."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, for a checkpoint."""
        return {**self._average, "steps": torch.tensor(self._steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that `tensors` gave."""
        self._steps = int(tensors["steps"])
        for name, tensor in self._average.items():
            tensor.copy_(tensors[name])
