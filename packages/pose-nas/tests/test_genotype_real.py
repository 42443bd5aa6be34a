"""Dimensions of real numbers: drawing, checking, mutating, encoding."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from posenas.composing.variation import mutate
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import (
    Choice,
    Real,
    canonical_json,
    check_genotype,
    choice_texts,
    middle,
    sample_uniform,
)
from posenas.standard.strategies.score_predictor import encode

DIMENSIONS = {"kernel": Choice((3, 5, 7)), "alpha": Real((3, 4)), "scale": Real(())}


def test_real_numbers_are_drawn_from_the_standard_normal_distribution() -> None:
    rng = Random(0)
    drawn = [sample_uniform(DIMENSIONS, rng) for _ in range(2000)]
    alphas = np.array([genotype["alpha"] for genotype in drawn])
    assert alphas.shape == (2000, 3, 4)
    assert abs(alphas.mean()) < 0.02
    assert alphas.std() == pytest.approx(1.0, abs=0.02)
    for genotype in drawn[:20]:
        check_genotype(genotype, DIMENSIONS)
        again = json.loads(canonical_json(genotype))
        assert again == genotype
    assert middle(DIMENSIONS) == {"kernel": 5, "alpha": [[0.0] * 4] * 3, "scale": 0.0}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([[0.0] * 4] * 2, "alpha is not 3 x 4 real numbers: .* no list of 3"),
        ([[0.0] * 5] * 3, "no list of 4"),
        ([[0.0, 0.0, 0.0, float("nan")]] * 3, "nan is no finite number"),
        ([[0.0, 0.0, 0.0, True]] * 3, "True is no finite number"),
        ("text", "no list of 3"),
        (0.5, "no list of 3"),
    ],
)
def test_what_is_no_value_is_refused(value: object, says: str) -> None:
    with pytest.raises(PosenasError, match=says):
        check_genotype({"kernel": 3, "alpha": value, "scale": 1.0}, DIMENSIONS)


def test_a_missing_one_is_named_with_its_shape() -> None:
    with pytest.raises(PosenasError, match="'alpha' is missing; it is 3 x 4 real numbers"):
        check_genotype({"kernel": 3, "scale": 0.0}, DIMENSIONS)


def test_a_mutation_changes_one_dimension_and_keeps_its_shape() -> None:
    rng, genotype = Random(1), middle(DIMENSIONS)
    changed = set()
    for _ in range(60):
        child = mutate(genotype, DIMENSIONS, rng)
        check_genotype(child, DIMENSIONS)
        names = [name for name in genotype if child[name] != genotype[name]]
        assert len(names) == 1
        changed |= set(names)
    assert changed == set(DIMENSIONS)


def test_real_numbers_are_features_as_they_are() -> None:
    genotype = {"kernel": 5, "alpha": [[1.0, 2.0, 3.0, 4.0], [5.0] * 4, [6.0] * 4], "scale": -1.5}
    features = encode([genotype], DIMENSIONS)[0]
    expected = [0, 1, 0, 0.5, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, -1.5]
    np.testing.assert_array_equal(features, np.array(expected, dtype=np.float32))


def test_named_alternatives_are_told_by_their_shares_from_the_greatest_on() -> None:
    real = Real((2, 2, 3), ("left", "on", "right"))
    even, third = [0.0, 0.0, 0.0], [0.0, np.log(2), np.log(3)]
    value = [[even, third], [[-1000.0, -1000.0, 0.0], [0.0, -4.0, -8.0]]]
    assert choice_texts(real, value) == [
        "left 33, on 33, right 33", "right 50, on 33, left 17", "right", "left 98, on 2",
    ]  # fmt: skip
    assert real == Real((2, 2, 3)), "names are for people and change no dimension"
    for shape in ((2, 4), ()):
        with pytest.raises(ValueError, match="3 names of alternatives for numbers of shape"):
            Real(shape, ("left", "on", "right"))
