"""Faces and hands in drawings: fingers and contours can be told apart, however small the region."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.keypoint_sets import (
    COCO_17,
    COCO_WHOLEBODY_133,
    FACE_CONTOURS,
    keypoint_set_from_names,
)
from posenas.data.drawing import MIDDLE, add_pose, draw_pose, keypoint_sides
from posenas.data.region_drawing import region_chains

WHOLE = COCO_WHOLEBODY_133
HAND = WHOLE.regions["left_hand"]
BACKGROUND = 128


def blank(side: int) -> NDArray[np.uint8]:
    return np.full((side, side, 3), BACKGROUND, np.uint8)


def fan(length: float, *, side: int) -> NDArray[np.float64]:
    """A left hand whose root is at the bottom and whose five straight fingers are spread by 30 degrees."""
    pose = np.zeros((133, 2))
    root = np.array([side / 2, side * 0.8])
    pose[HAND[0]] = root
    for finger in range(5):
        angle = math.radians(-60 + 30 * finger)
        for joint in range(4):
            reach = length * (0.4 + 0.2 * joint)
            pose[HAND[1 + 4 * finger + joint]] = root + reach * np.array([math.sin(angle), -math.cos(angle)])
    return pose


def only(region: tuple[int, ...]) -> NDArray[np.int64]:
    return np.where(np.isin(np.arange(133), region), 2, 0)


def colours_across(canvas: NDArray[np.uint8], length: float, *, side: int) -> list[tuple[int, ...]]:
    """What a walk across the fingers meets, at 0.7 of their length: runs of hues, without the background."""
    met: list[tuple[int, ...]] = []
    on_line = False
    for degrees in np.arange(-80, 80, 0.25):
        angle = math.radians(degrees)
        x = round(side / 2 + 0.7 * length * math.sin(angle))
        y = round(side * 0.8 - 0.7 * length * math.cos(angle))
        pixel = tuple(int(value) for value in canvas[y, x])
        coloured = max(pixel) - min(pixel) > 60
        if coloured and not on_line:
            met.append(pixel)
        on_line = coloured
    return met


@pytest.mark.parametrize("length", [16, 25, 60, 200])
def test_five_fingers_are_five_lines_of_different_colours(length: int) -> None:
    side = 3 * length
    canvas = blank(side)
    add_pose(canvas, fan(length, side=side), keypoint_set=WHOLE, visible=only(HAND), line=4)
    met = colours_across(canvas, length, side=side)
    assert len(met) == 5
    hues = [cv2.cvtColor(np.uint8([[pixel]]), cv2.COLOR_RGB2HSV)[0, 0, 0] for pixel in met]
    assert min(abs(int(one) - int(other)) % 180 for one, other in pairwise(hues)) >= 15


def test_small_hands_have_thin_lines_alone_and_large_ones_have_dots_with_edges() -> None:
    shares = {}
    for length in (20, 40, 200):
        canvas = blank(3 * length)
        add_pose(canvas, fan(length, side=3 * length), keypoint_set=WHOLE, visible=only(HAND), line=4)
        shares[length] = (canvas != BACKGROUND).any(axis=2).sum() / length**2
        dark = (canvas.max(axis=2) < 60).any()
        assert dark == (length == 200)
    assert max(shares.values()) < 0.7, shares


def test_faces_are_drawn_along_their_contours() -> None:
    face = WHOLE.regions["face"]
    assert region_chains(WHOLE, face) == [tuple(23 + index for index in chain) for chain in FACE_CONTOURS]
    pose = np.zeros((133, 2))
    for number, contour in enumerate(FACE_CONTOURS):  # rings of their own: the others lie in the jaw's
        turn = math.pi / 4 * number
        middle = 500 + (312 * np.array([math.cos(turn), math.sin(turn)]) if number else np.zeros(2))
        for place, index in enumerate(dict.fromkeys(contour)):
            angle = 2 * math.pi * place / len(contour)
            radius = 108 if number else 480
            pose[23 + index] = middle + radius * np.array([math.cos(angle), math.sin(angle)])
    canvas = draw_pose(blank(1000), pose, keypoint_set=WHOLE, visible=only(face))
    sides = keypoint_sides(WHOLE)
    for chain in region_chains(WHOLE, face):
        for start, end in pairwise(chain):
            colours = {sides[start], sides[end]} - {MIDDLE}
            x, y = np.round((pose[start] + pose[end]) / 2).astype(int)
            expected = colours.pop() if len(colours) == 1 else MIDDLE
            assert np.abs(canvas[y, x].astype(int) - expected).max() < 40


def test_chains_go_on_where_a_limb_begins_at_the_last_ones_end() -> None:
    fingers = region_chains(WHOLE, HAND)
    assert fingers == [(91, *range(92 + 4 * finger, 96 + 4 * finger)) for finger in range(5)]
    stranger = replace(
        keypoint_set_from_names(["a", "b", "c", "d"], limbs=[(0, 1), (1, 2), (0, 3)]),
        regions={"paw": (0, 1, 2), "tail": (3,)},
    )
    assert region_chains(stranger, (0, 1, 2)) == [(0, 1, 2)]
    assert region_chains(stranger, (3,)) == []
    places = [(20, 20), (40, 20), (40, 40), (60, 60)]
    assert (draw_pose(blank(80), places, keypoint_set=stranger)[20, 30] != BACKGROUND).any()


def test_regions_that_are_not_labelled_are_not_drawn() -> None:
    pose = np.random.default_rng(0).uniform(5, 95, (133, 2))
    seen = np.where(np.arange(133) < 23, 2, 0)
    body = replace(WHOLE, regions={}, limbs=tuple(limb for limb in WHOLE.limbs if max(limb) < 23))
    drawn, expected = (draw_pose(blank(100), pose, keypoint_set=each, visible=seen) for each in (WHOLE, body))
    assert (drawn == expected).all()


def test_the_bodys_eyes_are_as_thin_as_the_face_that_they_are_in() -> None:
    face = WHOLE.regions["face"]
    angles = np.linspace(0, 2 * np.pi, 69)[:68]
    pose = np.full((133, 2), 50.0)
    pose[list(face)] = np.stack([50 + 12 * np.cos(angles), 50 + 12 * np.sin(angles)], axis=1)
    pose[:3] = (50, 52), (54, 47), (46, 47)
    seen = np.where(np.isin(np.arange(133), (*face, 0, 1, 2)), 2, 0)
    with_eyes, without = (
        draw_pose(blank(100), pose, keypoint_set=WHOLE, visible=each, line=6) for each in (seen, only(face))
    )
    added = (with_eyes != without).any(axis=2)
    assert 0 < added.sum() < 60
    assert with_eyes.max(axis=2).min() > 60


def test_poses_without_regions_are_lines_with_edges_and_dots_on_them() -> None:
    """A literal drawing of COCO's 17 keypoints, which must stay as it is to the bit."""
    rng = np.random.default_rng(3)
    pose, seen, line = rng.uniform(0, 100, (17, 2)), rng.integers(0, 3, 17), 3
    canvas, sides = blank(100), keypoint_sides(COCO_17)

    def fixed(point: NDArray[np.float64]) -> tuple[int, int]:
        return round(point[0] * 16), round(point[1] * 16)

    for width in (line + 2, line):
        for start, end in COCO_17.limbs:
            if seen[start] and seen[end]:
                both = {sides[start], sides[end]} - {(90, 220, 90)}
                colour = both.pop() if len(both) == 1 else (90, 220, 90)
                colour = (20, 20, 20) if width > line else colour
                cv2.line(canvas, fixed(pose[start]), fixed(pose[end]), colour, width, cv2.LINE_AA, 4)
    for point, sight, side in zip(pose, seen, sides, strict=True):
        if sight:
            for radius, colour in ((1.7 * line + 1, (20, 20, 20)), (1.7 * line, side)):
                cv2.circle(canvas, fixed(point), round(radius * 16), colour, cv2.FILLED, cv2.LINE_AA, 4)
            if sight == 1:
                size = round(0.6 * 1.7 * line * 16)
                cv2.circle(canvas, fixed(point), size, (20, 20, 20), cv2.FILLED, cv2.LINE_AA, 4)
    drawn = draw_pose(blank(100), pose, keypoint_set=COCO_17, visible=seen, line=line)
    assert (drawn == canvas).all()
