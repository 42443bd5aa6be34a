"""Findings on the boxes, areas and labels of people, as far as their numbers tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.finding import Finding, finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.data.checking.people_table import PeopleTable

# Labels are rounded, so a pixel beyond the image is no mistake.
_TOLERANCE = 1.0
_SMALLEST_BOX = 2.0
# A label is far outside beyond this share of the box's side along the axis, and at least of its longer side.
# COCO's labels lie outside too, by less.
_FAR = 0.5
_FAR_OF_LONGER_SIDE = 0.25
_BOXES_IN_AN_AREA = 4.0
_FITS_BETTER = 1.2
# Shoulders or hips narrower than this share of the trunk's length are seen from the side: no order to judge.
_SEEN_FROM_THE_SIDE = 0.2
# A trunk shorter than this share of the box points at the camera; both ends of it may turn either way.
_SEEN_FROM_AN_END = 0.2


def box_findings(table: PeopleTable) -> Iterator[Finding]:
    """Yield findings on boxes of no size, of another form and outside their image, and on useless areas.

    An area is useless if OKS cannot work with it.
    """
    sizes = table.boxes[:, 2:].min(axis=1, initial=np.inf)
    outside, beyond = _box_outside(table), _box_beyond(table) > _TOLERANCE
    unit = _in_unit_square(table)
    yield from table.finding("people have a box of no size", sizes <= 0)
    yield from table.finding(
        f"people have a box below {_SMALLEST_BOX:g} pixels, which shows nothing",
        (sizes > 0) & (sizes < _SMALLEST_BOX) & ~unit,
    )
    corner, size = table.boxes[:, :2], table.boxes[:, 2:]
    readings = {
        "two corners (x1, y1, x2, y2)": (corner, size),
        "centre and size": (corner - size / 2, corner + size / 2),
    }
    for reading, (first, last) in readings.items():
        yield from table.finding(
            f"people have a box that fits their keypoints only as {reading}; it is read as corner and size",
            _fits_better(table, first, last),
        )
    yield from table.finding("people have a box wholly outside their image", outside)
    yield from table.finding("people have a box that reaches beyond their image", beyond & ~outside)
    yield from table.finding("people have no area, so OKS cannot judge them", table.areas <= 0)
    box_areas = table.boxes[:, 2:].prod(axis=1)
    yield from table.finding(
        "people have an area of at most one square pixel, smaller than their box: OKS forgives nothing",
        (table.areas > 0) & (table.areas <= 1) & (box_areas > _SMALLEST_BOX**2) & ~unit,
    )
    larger = (table.areas > table.sizes.prod(axis=1)) & (table.areas > 1.01 * box_areas)
    huge = larger | (table.areas > _BOXES_IN_AN_AREA * box_areas)
    yield from table.finding(
        "people have an area larger than their image or four times their box: OKS forgives too much",
        huge & (box_areas > 0),
    )


def label_findings(table: PeopleTable, keypoints: KeypointSet, *, crowds_labelled: bool) -> Iterator[Finding]:
    """Yield findings on labels whose place or visibility no annotator means, and on keypoints never labelled.

    Args:
        table: the people of a split.
        keypoints: the keypoint set of the dataset.
        crowds_labelled: whether somebody who is left out as a crowd has labelled keypoints.
    """
    labelled = table.labelled
    if not labelled.any():
        others = " but of people who are left out as crowds" if crowds_labelled else ""
        yield Finding(f"keypoint of anybody is labelled{others}", 0, split=table.split)
        return
    nobody = labelled.sum(axis=1) == 0
    yield from table.finding(
        "people have no labelled keypoint: only heads for whole images learn from them", nobody
    )
    yield from _place_findings(table)
    yield from _visibility_findings(table)
    never = [name for name, count in zip(keypoints.names, labelled.sum(axis=0), strict=True) if not count]
    yield from finding("keypoints are never labelled", never, split=table.split)
    yield from table.finding(
        "people have left and right shoulders against left and right hips: twisted, or labels exchanged",
        _twisted(table, keypoints),
    )


def _place_findings(table: PeopleTable) -> Iterator[Finding]:
    unit = _in_unit_square(table)
    zero = table.labelled & (table.points[..., 0] == 0) & (table.points[..., 1] == 0)
    yield from table.finding(
        "people have keypoints or a box within 0..1, as shares of the image; they are read as pixels", unit
    )
    yield from table.finding(
        "labelled keypoints lie at exactly (0, 0): missing ones need visibility 0", zero & ~unit[:, None]
    )
    yield from table.finding("people have labelled keypoints outside their image", _labels_beyond(table))
    measured = (table.boxes[:, 2:].min(axis=1, initial=np.inf) > 0) & ~unit
    measured &= _box_beyond(table) <= _TOLERANCE  # where the box itself is wrong, that is told
    yield from table.finding("people have labelled keypoints far outside their box", _far(table) & measured)


def _visibility_findings(table: PeopleTable) -> Iterator[Finding]:
    known = np.isin(table.visibility, (0, 1, 2))
    yield from table.finding(
        "keypoints have a visibility other than 0, 1 or 2, as of a confidence; they count as labelled",
        ~known & table.labelled,
    )
    yield from table.finding(
        "keypoints have a visibility below 0; they count as not labelled", ~known & ~table.labelled
    )


def beyond_image(table: PeopleTable) -> NDArray[np.bool_]:
    """Return (T,) whether the box or a labelled keypoint reaches beyond the image."""
    return (_box_beyond(table) > _TOLERANCE) | _labels_beyond(table)


def _labels_beyond(table: PeopleTable) -> NDArray[np.bool_]:
    beyond = (table.lowest < -_TOLERANCE) | (table.highest > table.sizes - 1 + _TOLERANCE)
    return np.asarray(beyond.any(axis=1))


def _box_outside(table: PeopleTable) -> NDArray[np.bool_]:
    first, last = table.boxes[:, :2], table.boxes[:, :2] + table.boxes[:, 2:]
    return np.asarray(((last <= 0) | (first >= table.sizes)).any(axis=1))


def _box_beyond(table: PeopleTable) -> NDArray[np.float64]:
    """Return the (T,) pixels by which the box is larger than the image on any side; negative within it."""
    first, last = table.boxes[:, :2], table.boxes[:, :2] + table.boxes[:, 2:]
    return np.asarray(np.maximum(-first, last - table.sizes).max(axis=1, initial=-np.inf))


def _far(table: PeopleTable) -> NDArray[np.bool_]:
    """Return (T,) whether a person has a labelled keypoint far outside the box along one axis."""
    first, last = table.boxes[:, :2], table.boxes[:, :2] + table.boxes[:, 2:]
    outside = np.maximum(first - table.lowest, table.highest - last)
    longer = table.boxes[:, 2:].max(axis=1, keepdims=True, initial=0)
    allowed = np.maximum(_FAR * table.boxes[:, 2:], _FAR_OF_LONGER_SIDE * longer)
    return np.asarray((outside > allowed).any(axis=1))


def _in_unit_square(table: PeopleTable) -> NDArray[np.bool_]:
    """Return (T,) whether a person's box or labelled keypoints lie within 0..1, not at its ends.

    Two or more labelled keypoints are needed to tell.
    """
    inside = ((table.lowest >= 0) & (table.highest <= 1)).all(axis=1)
    between = ((table.highest > 0) & ((table.highest < 1) | (table.lowest > 0))).any(axis=1)
    keypoints = inside & between & (table.labelled.sum(axis=1) > 1)
    boxes = ((table.boxes >= 0) & (table.boxes <= 1)).all(axis=1) & (table.boxes[:, 2:] > 0).all(axis=1)
    return np.asarray(keypoints | boxes)


def _fits_better(
    table: PeopleTable, first: NDArray[np.float64], last: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (T,) whether a person's labels clearly fit another box better than their own.

    The other box goes from `first` to `last`, (T, 2) each. All are False if those people are a minority.
    """
    judged = (table.labelled.sum(axis=1) > 2) & (table.boxes[:, 2:] > 0).all(axis=1)
    judged &= (table.highest > table.lowest).all(axis=1)
    labels = table.lowest[judged], table.highest[judged]
    corner = table.boxes[judged, :2]
    own = _overlap(*labels, corner, corner + table.boxes[judged, 2:])
    better = _overlap(*labels, first[judged], last[judged]) > _FITS_BETTER * own
    chosen = np.zeros(len(table), np.bool_)
    if np.count_nonzero(better) >= max(2, 0.5 * len(better)):
        chosen[np.flatnonzero(judged)[better]] = True
    return chosen


def _overlap(
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    other_first: NDArray[np.float64],
    other_last: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the (T,) intersections over unions of boxes given as corners (T, 2)."""
    common = (np.minimum(last, other_last) - np.maximum(first, other_first)).clip(0).prod(axis=1)
    areas = (last - first).prod(axis=1) + (other_last - other_first).clip(0).prod(axis=1)
    overlap: NDArray[np.float64] = common / np.maximum(areas - common, 1e-9)
    return overlap


def _twisted(table: PeopleTable, keypoints: KeypointSet) -> NDArray[np.bool_]:
    """Return (T,) whether shoulders and hips, both clearly seen, run in opposite ways across the trunk."""
    pairs = {
        part: pair
        for part in ("shoulder", "hip")
        for pair in keypoints.flip_pairs
        if part in keypoints.names[pair[0]].lower()
    }
    indices = [index for pair in pairs.values() for index in pair]
    if len(pairs) < 2:
        return np.zeros(len(table), np.bool_)
    left_shoulder, right_shoulder, left_hip, right_hip = table.points[:, indices].swapaxes(0, 1)
    trunk = (left_hip + right_hip - left_shoulder - right_shoulder) / 2
    shoulders = _cross(trunk, left_shoulder - right_shoulder)
    hips = _cross(trunk, left_hip - right_hip)
    narrower = np.minimum(np.abs(shoulders), np.abs(hips))
    length = np.sqrt((trunk**2).sum(axis=1))
    clear = (narrower > _SEEN_FROM_THE_SIDE * length**2) & (
        length > _SEEN_FROM_AN_END * table.boxes[:, 2:].max(axis=1)
    )
    opposite = np.sign(shoulders) * np.sign(hips) < 0
    return np.asarray(table.labelled[:, indices].all(axis=1) & opposite & clear)


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
