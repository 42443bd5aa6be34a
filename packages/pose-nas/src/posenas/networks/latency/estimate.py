"""Estimates of the times of operators that were never measured, from the times of operators like them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np

from posenas.networks.latency.operators import Operator

Measured: TypeAlias = "tuple[Operator, float]"
"""An operator and its milliseconds."""


def make_estimator(measured: Iterable[Measured]) -> Callable[[Operator], float]:
    """Return a function from an operator to its estimated milliseconds.

    The estimate is the time of the nearest operator of the same form, scaled by what a log-linear model of
    that form says about the difference. Two operators have one form where their texts differ in numbers
    alone. An operator whose form nobody measured is compared with all operators, by its multiply-adds and the
    numbers that it moves.
    """
    everything = list(measured)
    by_form: dict[str, list[Measured]] = {}
    for operator, milliseconds in everything:
        by_form.setdefault(_form(operator), []).append((operator, milliseconds))
    models = {form: _model(members, _sizes_and_numbers) for form, members in by_form.items()}
    fallback = _model(everything, _sizes)
    return lambda operator: models.get(_form(operator), fallback)(operator)


def _model(
    members: list[Measured], features: Callable[[Operator], list[float]]
) -> Callable[[Operator], float]:
    points = np.log1p([features(operator) for operator, _ in members])
    logarithms = np.log([milliseconds for _, milliseconds in members])
    # Ridge, so that a form with few members gets small slopes and leans on its nearest one.
    centred = points - points.mean(axis=0)
    normal = centred.T @ centred + np.eye(points.shape[1])
    slopes = np.linalg.solve(normal, centred.T @ (logarithms - logarithms.mean()))

    def estimate(operator: Operator) -> float:
        point = np.log1p(features(operator))
        nearest = int(np.abs(points - point).sum(axis=1).argmin())
        return float(np.exp(logarithms[nearest] + (point - points[nearest]) @ slopes))

    return estimate


def _form(operator: Operator) -> str:
    return re.sub(r"\d+", "#", operator.key)


def _sizes(operator: Operator) -> list[float]:
    return [operator.macs, operator.elements]


def _sizes_and_numbers(operator: Operator) -> list[float]:
    return _sizes(operator) + [int(number) for number in re.findall(r"\d+", operator.key)]
