"""The learning rate over a training."""

from __future__ import annotations

import math

from posenas.learning.settings import TrainingSettings, share_of


def learning_rate(progress: float, settings: TrainingSettings, *, epochs: int = 1, steps: int = 1) -> float:
    """Return the learning rate at a progress in [0, 1).

    Args:
        progress: share of the training that is done.
        settings: the highest rate, its warm-up and its schedule.
        epochs: of the whole training, where the settings count in epochs.
        steps: of the whole training, where the settings count in steps.

    Source: linear scaling by the batch is Goyal et al.'s (Accurate, Large Minibatch SGD, 2017, section 2.1).
    """
    highest = settings.learning_rate
    if settings.reference_batch:
        highest *= settings.batch_size * settings.accumulate / settings.reference_batch
    return highest * schedule(progress, settings, epochs=epochs, steps=steps)


def schedule(progress: float, settings: TrainingSettings, *, epochs: int = 1, steps: int = 1) -> float:
    """Return the factor of the learning rate; for the arguments see `learning_rate`."""
    counted = settings.warm_up_steps / steps
    warm_up = counted or share_of(settings.warm_up, epochs)
    if progress < warm_up:
        return _warm_up(progress, warm_up, settings.warm_up_from)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        passed = sum(progress >= share_of(milestone, epochs) for milestone in settings.milestones)
        # A product of factors would be 0.010000000000000002 after two of 0.1.
        return max(1.0 / (1.0 / settings.decay_factor) ** passed, settings.least_rate)
    left = 0.5 * (1.0 + math.cos(math.pi * (progress - warm_up) / (1.0 - warm_up)))
    return settings.least_rate + (1.0 - settings.least_rate) * left


def _warm_up(progress: float, warm_up: float, begin: float) -> float:
    if begin:
        return begin + (1.0 - begin) * progress / warm_up
    # From zero the first step would be none at all.
    return (progress + 1e-3) / (warm_up + 1e-3)
