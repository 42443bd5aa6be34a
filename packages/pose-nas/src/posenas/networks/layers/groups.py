"""Group numbers of convolutions whose channels vary."""

from __future__ import annotations

from collections.abc import Sequence


def valid_groups(asked: int, values: Sequence[int], channels: Sequence[int]) -> int:
    """Return the largest of a dimension's values that is at most `asked` and divides all the channels.

    Every combination of values thus makes a network. A family's tables should see to it that their smallest
    group number divides all widths, so that no network has more channels a group than the largest one.

    Args:
        asked: the genotype's value.
        values: the dimension's.
        channels: everything that the groups must divide.
    """
    return max(value for value in dividing(values, channels) if value <= asked)


def dividing(values: Sequence[int], channels: Sequence[int]) -> tuple[int, ...]:
    """Return the group numbers that divide all the channels."""
    return tuple(value for value in values if not any(width % value for width in channels))
