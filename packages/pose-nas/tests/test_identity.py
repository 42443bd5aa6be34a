"""Ids of images and annotations: of any size and kind, and equal as number or text."""

from __future__ import annotations

import pytest
from posenas.contract.file_ids import IdIndex, as_number, file_id, numbered, same_id

HUGE = 2**127 + 1


@pytest.mark.parametrize("value", [0, -3, HUGE, 17.0, "000101", "64b5f0c2", "a b"])
def test_numbers_and_text_are_ids(value):
    assert file_id(value) is value


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), float("inf"), "", [1], {}])
def test_nothing_else_is(value):
    with pytest.raises(ValueError, match="must be a whole number or text"):
        file_id(value)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (1, "1", True),
        ("000101", 101, True),
        ("17.0", 17, True),
        (17.0, "17", True),
        (HUGE, str(HUGE), True),
        ("a", "a", True),
        ("1a", 1, False),
        ("²", 2, False),
        (1, 2, False),
    ],
)
def test_the_same_number_is_the_same_id(first, second, same):
    assert same_id(first, second) is same


def test_an_equal_id_goes_before_the_same_number():
    index = IdIndex(["7", "07", "x", 8.0])
    assert [index.find(each) for each in ("7", "07", "x", 8, "8", "08")] == [0, 1, 2, 3, 3, 3]
    assert index.find(7) is None, "two ids are this number"
    assert index.find("y") is None


def test_ids_that_are_numbers_keep_them():
    assert numbered([5, 3, 2**63 - 1]) == [5, 3, 2**63 - 1]
    assert numbered(["0005", 3.0]) == [5, 3]


@pytest.mark.parametrize("ids", [[5, HUGE], ["a", "5"], ["5", 5], [2**63, 1]])
def test_others_are_numbered_all_together(ids):
    assert numbered(ids) == [0, 1]


def test_text_of_very_many_digits_is_text():
    assert as_number("9" * 5000) is None
