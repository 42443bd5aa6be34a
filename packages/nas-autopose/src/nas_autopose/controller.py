"""The controller: a recurrent network that makes the discrete choices of a genotype one after another.

Source: AutoPose's is an LSTM of unknown size (Gong et al., CVPR Workshops 2020, section 3.2.1). Its size, its
inputs and its fresh weights are those of the same authors' AutoGAN (Gong et al., ICCV 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor, nn

Picks: TypeAlias = tuple[int, ...]
"""Of each choice the place of the value that was taken."""

_WIDEST_FRESH = 0.1


class Controller(nn.Module):
    """An LSTM with a linear decoder for each choice, in float64 on the processor.

    Each choice is one time step. Its input is the embedding of the value that the choice before it took, and
    zeros for the first one. A decoder's outputs are the logits of the choice's values.

    Shapes: N draws, D choices, V values of the choice that has most, H hidden units.
    """

    def __init__(self, sizes: Sequence[int], rng: Random, *, hidden: int = 100) -> None:
        """Make a controller with fresh weights.

        Args:
            sizes: how many values each choice has.
            rng: draws the weights. The biases of the decoders are 0, so all values begin near alike.
            hidden: the size of the LSTM's state and of the embeddings.
        """
        super().__init__()
        self._sizes, most = tuple(sizes), max(sizes)
        with torch.device("meta"):
            self.cell = nn.LSTM(hidden, hidden, batch_first=True, dtype=torch.float64)
            self.embeddings = nn.Parameter(torch.empty(len(sizes), most, hidden, dtype=torch.float64))
            self.decoders = nn.Parameter(torch.empty(len(sizes), most, hidden, dtype=torch.float64))
            self.biases = nn.Parameter(torch.empty(len(sizes), most, dtype=torch.float64))
        self.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_WIDEST_FRESH, _WIDEST_FRESH, generator=generator)
        nn.init.zeros_(self.biases)
        lacking = torch.arange(most) >= torch.tensor(self._sizes)[:, None]
        self._lacking = nn.Buffer(lacking)

    def forward(self, picks: Tensor) -> Tensor:
        """Return (N, D, V) logarithms of how likely each value is after those that were picked before it.

        Args:
            picks: (N, D) places of the picked values.
        """
        embedded = self.embeddings[torch.arange(len(self._sizes) - 1), picks[:, :-1]]
        first = embedded.new_zeros(len(picks), 1, embedded.shape[2])
        states, _ = self.cell(torch.cat([first, embedded], 1))
        return self._decoded(states, slice(None))

    def _decoded(self, states: Tensor, choices: slice) -> Tensor:
        """Return (N, n, V) log-probabilities of n choices from the (N, n, H) states."""
        logits = torch.einsum("ndh,dvh->ndv", states, self.decoders[choices]) + self.biases[choices]
        possible: Tensor = logits.masked_fill(self._lacking[choices], -math.inf)
        return possible.log_softmax(-1)

    def log_probability(self, picks: Tensor) -> Tensor:
        """Return (N,) logarithms of how likely whole draws are; `picks` is (N, D)."""
        logarithms: Tensor = self(picks)
        return logarithms.gather(2, picks[:, :, None]).sum((1, 2))

    def entropies(self, picks: Tensor) -> Tensor:
        """Return (N, D) entropies of each choice after the picks before it, in nats; `picks` is (N, D)."""
        logarithms: Tensor = self(picks)
        terms = logarithms.exp() * logarithms.masked_fill(self._lacking, 0.0)
        return -terms.sum(2)

    @torch.no_grad()
    def sample(self, rng: Random) -> Picks:
        """Return a draw; all its randomness comes from `rng`."""
        return self._picked(lambda chances: rng.choices(range(len(chances)), chances)[0])

    @torch.no_grad()
    def likeliest(self) -> Picks:
        """Return the draw that takes the likeliest value each time, the first of equals."""
        return self._picked(lambda chances: chances.index(max(chances)))

    def _picked(self, pick: Callable[[list[float]], int]) -> Picks:
        """Pick the values one after another, each of them by the chances of the choice's values."""
        picks: list[int] = []
        token, state = self.embeddings.new_zeros(1, 1, self.cell.input_size), None
        for place, size in enumerate(self._sizes):
            output, state = self.cell(token, state)
            (chances,) = self._decoded(output, slice(place, place + 1)).exp()[0].tolist()
            picks.append(pick(chances[:size]))
            token = self.embeddings[place, picks[-1]].reshape(1, 1, -1)
        return tuple(picks)


def mean_entropy(controller: Controller, picks: Sequence[Picks], sizes: Sequence[int]) -> float:
    """Return how undecided a controller is: 1 where all values are as likely, 0 where it always picks one.

    Args:
        controller: the one that drew.
        picks: its own draws, over which the mean is taken.
        sizes: how many values each choice has.
    """
    with torch.no_grad():
        entropies = controller.entropies(torch.tensor(picks))
    return float((entropies / torch.tensor(sizes).log()).mean())
