"""Parts of a pose: the body, and the regions that are zoomed into, each with a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posenas import KeypointSet, PosenasError

BODY = "body"
ZOOMED = ("face", "hand")
"""The parts that are zoomed into. One network sees both hands."""

BOX_POINTS = 5
"""The points by which a region's box is found: corners and centre, in the order of `Batch.regions`."""

_MIRRORED_POINTS = (1, 0, 3, 2, 4)


@dataclass(frozen=True)
class Part:
    """Some points of every person that one network finds, in R regions.

    The points are the K keypoints of the keypoint set, and behind them 5 of each of its regions' boxes.

    Attributes:
        name: `body`, `face` or `hand`.
        points: the indices of the points in each of the R regions.
        regions: the indices of the regions in the keypoint set; none for the body.
        mirrored_regions: which of the R regions each region is in a mirrored view.
        mirrored: which of a region's points each point is in a mirrored view.
    """

    name: str
    points: tuple[tuple[int, ...], ...]
    regions: tuple[int, ...]
    mirrored_regions: tuple[int, ...]
    mirrored: tuple[int, ...]


def parts_of(keypoints: KeypointSet) -> tuple[Part, ...]:
    """Return the body, the face and the hands of a keypoint set.

    Raises:
        PosenasError: where it has no such regions.
    """
    names = list(keypoints.regions)
    regions = {part: [index for index, name in enumerate(names) if _part(name) == part] for part in ZOOMED}
    if {_part(name) for name in names} != set(ZOOMED):
        raise PosenasError(
            f"head zoom looks closely at regions {' and '.join(ZOOMED)}, and keypoints {keypoints.name} have "
            f"{', '.join(names) or 'none'}; take a dataset of 133 keypoints, such as dataset.points=133"
        )
    zoomed = {index for places in keypoints.regions.values() for index in places}
    count = len(keypoints)
    body = [index for index in range(count) if index not in zoomed]
    body += range(count, count + BOX_POINTS * len(names))
    order = _mirrored_points(keypoints)
    rows = list(keypoints.regions.values())
    return (
        _make(BODY, [body], (), order),
        *(_make(part, [rows[index] for index in places], places, order) for part, places in regions.items()),
    )


def _part(region: str) -> str:
    """Return the name of the part that a region is of: its own without its side."""
    return "_".join(word for word in region.split("_") if word not in ("left", "right"))


def _mirrored_points(keypoints: KeypointSet) -> list[int]:
    """Return which point each point is in a mirrored view, keypoints and boxes' points."""
    return [
        *keypoints.mirrored,
        *(
            len(keypoints) + BOX_POINTS * region + point
            for region in keypoints.mirrored_regions
            for point in _MIRRORED_POINTS
        ),
    ]


def _make(name: str, points: Sequence[Sequence[int]], regions: Sequence[int], order: Sequence[int]) -> Part:
    """Return a part whose regions have these points; `order` is that of all points in a mirrored view."""
    rows = [tuple(row) for row in points]
    images = [[order[point] for point in row] for row in rows]
    mirrored_regions = tuple(
        next(place for place, row in enumerate(rows) if set(row) == set(image)) for image in images
    )
    first = rows[mirrored_regions[0]]
    mirrored = tuple(first.index(point) for point in images[0])
    return Part(name, tuple(rows), tuple(regions), mirrored_regions, mirrored)
