"""The course of an architecture while it is learnt: entropies by epoch, and their picture."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np
import pytest
from nas_cnf.report.course import entropies, entropy_picture
from nas_cnf.report.learning import learning_sections
from posenas import Genotype, Metric, Objective, Real, Results


def training(epochs: int = 3, seed: int = 4) -> tuple[Genotype, ...]:
    """Return the genotypes of one training, at the start and after each epoch."""
    rng = Random(seed)
    drawn = [Real((2, 3)).fill(lambda: rng.gauss(0, 1)) for _ in range(epochs + 1)]
    start, *rest = ({"one.alpha": alpha, "one.scale": 0.5} for alpha in drawn)
    return ({**start, "two": 2}, *rest)


def test_entropies_are_those_of_the_softmax_of_each_row() -> None:
    genotypes = training()
    course = entropies(genotypes)
    assert set(course) == {"one.alpha"}  # a single number is no choice, and `two` was not learnt
    for found, genotype in zip(course["one.alpha"], genotypes, strict=True):
        rows = np.exp(np.array(genotype["one.alpha"]))
        shares = rows / rows.sum(1, keepdims=True)
        assert found == pytest.approx((-(shares * np.log(shares)).sum(1) / np.log(3)).mean())


def test_each_training_has_its_panel() -> None:
    heights = []
    for times in (1, 2):
        picture = entropy_picture([entropies(training(seed=seed)) for seed in range(times)])
        heights.append(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED).shape[0])
    assert heights[1] > 1.5 * heights[0]


def test_a_run_that_learnt_no_architecture_has_no_section() -> None:
    metrics, objectives = (Metric("oks.AP"),), (Objective("oks.AP", maximize=True, is_cost=False),)
    nothing = Results(metrics, objectives, trials=(), finished=False, shown=None)
    assert learning_sections(nothing) == []
    numbers = Results(
        metrics, objectives, (), finished=False, shown=None, courses=(({"a": 1.0}, {"a": 2.0}),)
    )
    assert learning_sections(numbers) == []
