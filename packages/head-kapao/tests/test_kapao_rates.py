"""The picture of how often a step of the decoding replaces each keypoint."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from head_kapao.report.rates import in_order, rates_picture
from numpy.typing import NDArray
from posenas import KeypointSet

THREE = KeypointSet("three", ("a", "b", "c"), (), (0.05, 0.05, 0.05), ())


def test_bars_are_in_the_order_of_the_keypoint_set() -> None:
    rates = {"c": 0.1, "other": 0.4, "a": 0.3}
    assert list(in_order(rates, THREE).items()) == [("a", 0.3), ("c", 0.1), ("other", 0.4)]
    assert in_order(rates, None) == rates


def blue_pixels(picture: bytes) -> NDArray[np.int64]:
    """In each row of the picture."""
    image = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.int64)
    counts: NDArray[np.int64] = (np.abs(image - (0xA8, 0x5F, 0x1F)).sum(axis=2) < 12).sum(axis=1)
    return counts


def test_bars_are_as_long_as_the_rates() -> None:
    counts = blue_pixels(rates_picture({"a": 1.5, "b": 0.0, "c": 0.75}, step="fusion"))
    edges = np.flatnonzero(np.diff((counts > 20).astype(int)))
    assert len(edges) == 4  # the bars of a and c
    first, second = counts[edges[0] + 3], counts[edges[2] + 3]
    assert first / second == pytest.approx(2, abs=0.03)


def test_many_keypoints_stand_in_columns() -> None:
    many = {f"keypoint {number}": 1.0 for number in range(133)}
    counts = blue_pixels(rates_picture(many, step="fusion"))
    assert np.diff((counts > 20).astype(int)).clip(min=0).sum() == 34  # rows of bars, four in each
    assert len(counts) < 1500
