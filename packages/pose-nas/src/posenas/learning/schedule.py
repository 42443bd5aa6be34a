"""The learning rate over a training."""

from __future__ import annotations

import math

from posenas.learning.settings import TrainingSettings


def learning_rate(progress: float, settings: TrainingSettings) -> float:
    """Return the learning rate at a progress in [0, 1).

    Source: linear scaling by the batch is Goyal et al.'s (Accurate, Large Minibatch SGD, 2017, section 2.1).
    """
    highest = settings.learning_rate
    if settings.reference_batch:
        highest *= settings.batch_size * settings.accumulate / settings.reference_batch
    return highest * schedule(progress, settings)


def schedule(progress: float, settings: TrainingSettings) -> float:
    """Return the factor of the learning rate at a progress in [0, 1)."""
    if progress < settings.warm_up:
        return _warm_up(progress, settings)
    if settings.schedule == "step":
        return 1.0 if progress < 0.80 else 0.1 if progress < 0.92 else 0.01
    return 0.5 * (1.0 + math.cos(math.pi * (progress - settings.warm_up) / (1.0 - settings.warm_up)))


def _warm_up(progress: float, settings: TrainingSettings) -> float:
    if settings.warm_up_from:
        return settings.warm_up_from + (1.0 - settings.warm_up_from) * progress / settings.warm_up
    # From zero the first step would be none at all.
    return (progress + 1e-3) / (settings.warm_up + 1e-3)
