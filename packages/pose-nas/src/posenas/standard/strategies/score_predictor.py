"""An ensemble of small networks that learns scores from genotypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posenas.contract.genotype import Choice, Dimension, Genotype

_MEMBERS = 8
_HIDDEN = 32
_STEPS = 300
_LEARNING_RATE = 1e-2
_WEIGHT_DECAY = 1e-2


def encode(genotypes: Sequence[Genotype], dimensions: Mapping[str, Dimension]) -> NDArray[np.float32]:
    """Return the features of n genotypes, (n, features).

    Each value of a choice has a one or zero, an ordered choice also its place from 0 to 1; real numbers stay
    as they are.
    """
    return np.array([_features(genotype, dimensions) for genotype in genotypes], dtype=np.float32)


def _features(genotype: Genotype, dimensions: Mapping[str, Dimension]) -> list[float]:
    features: list[float] = []
    for name, choice in dimensions.items():
        if not isinstance(choice, Choice):
            features += choice.numbers(genotype[name])
            continue
        place = choice.values.index(genotype[name])
        features += [float(place == index) for index in range(len(choice.values))]
        if choice.ordered:
            features.append(place / max(1, len(choice.values) - 1))
    return features


class ScorePredictor(nn.Module):
    """An ensemble of networks with one hidden layer: where they disagree, little is known.

    (n, features) to (members, n) standardised scores. The networks are trained apart.
    """

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__()

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, generator=generator) * shape[1] ** -0.5)

        self.weight1 = weight(_MEMBERS, features, _HIDDEN)
        self.bias1 = nn.Parameter(torch.zeros(_MEMBERS, 1, _HIDDEN))
        self.weight2 = weight(_MEMBERS, _HIDDEN, 1)
        self.bias2 = nn.Parameter(torch.zeros(_MEMBERS, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        hidden = torch.relu(features @ self.weight1 + self.bias1)
        scores: Tensor = (hidden @ self.weight2 + self.bias2)[:, :, 0]
        return scores


def predict_scores(
    known: Sequence[Genotype],
    scores: Sequence[float],
    asked: Sequence[Genotype],
    dimensions: Mapping[str, Dimension],
    *,
    rng: Random,
) -> NDArray[np.float64]:
    """Return the scores of the asked genotypes in each member's view, after learning from the known ones.

    Each member learns from a different resampling of the known genotypes.

    Args:
        known: genotypes whose scores are known.
        scores: their scores, in the same order.
        asked: genotypes whose scores are wanted.
        dimensions: the space's dimensions.
        rng: draws the networks' first weights and the resamplings.

    Returns:
        (members, asked), in the scores' own unit.
    """
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    features = torch.from_numpy(encode(known, dimensions))
    truth = torch.tensor(scores, dtype=torch.float32)
    mean, deviation = truth.mean(), truth.std(correction=0).clamp(min=1e-9)
    predictor = ScorePredictor(features.shape[1], generator)
    drawn = torch.randint(len(known), (_MEMBERS, len(known)), generator=generator)
    times = torch.zeros(_MEMBERS, len(known)).scatter_add_(1, drawn, torch.ones(drawn.shape))
    optimiser = torch.optim.AdamW(predictor.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        error = (predictor(features) - (truth - mean) / deviation) ** 2
        (times * error).mean().backward()
        optimiser.step()
    with torch.no_grad():
        predicted = predictor(torch.from_numpy(encode(asked, dimensions))) * deviation + mean
    scores_of_members: NDArray[np.float64] = predicted.double().numpy()
    return scores_of_members
