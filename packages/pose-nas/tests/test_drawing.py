"""Skeletons and sheets."""

from __future__ import annotations

import numpy as np
import pytest
from posenas.contract.keypoint_sets import KEYPOINT_SETS, keypoint_set_from_names
from posenas.data.drawing import LEFT, MIDDLE, RIGHT, add_pose, contact_sheet, draw_pose, keypoint_sides

PUPPET = keypoint_set_from_names(["head", "left_hand", "right_hand"], limbs=[(0, 1), (0, 2), (1, 2)])
POSE = np.array([(32.0, 10.0), (50.0, 40.0), (14.0, 40.0)])
BLANK = np.full((64, 64, 3), 128, np.uint8)


def colour_at(image: np.ndarray, point: np.ndarray) -> tuple[int, ...]:
    x, y = np.round(point).astype(int)
    return tuple(int(value) for value in image[y, x])


def test_points_and_limbs_have_the_colour_of_their_side():
    drawn = draw_pose(BLANK, POSE, keypoint_set=PUPPET)
    assert [colour_at(drawn, point) for point in POSE] == [MIDDLE, LEFT, RIGHT]
    middle_of = {pair: (POSE[pair[0]] + POSE[pair[1]]) / 2 for pair in PUPPET.limbs}
    for limb, colour in (((0, 1), LEFT), ((0, 2), RIGHT), ((1, 2), MIDDLE)):
        np.testing.assert_allclose(colour_at(drawn, middle_of[limb]), colour, atol=20)


def test_image_itself_stays_as_it_was():
    draw_pose(BLANK, POSE, keypoint_set=PUPPET)
    assert (BLANK == 128).all()


def test_unlabelled_keypoints_and_their_limbs_are_not_drawn():
    assert (draw_pose(BLANK, POSE, keypoint_set=PUPPET, visible=[0, 0, 0]) == BLANK).all()
    drawn = draw_pose(BLANK, POSE, keypoint_set=PUPPET, visible=[2, 0, 2])
    changed = (drawn != BLANK).any(axis=(0, 2))
    assert changed[10:36].all()
    assert not changed[40:].any()


def test_hidden_keypoint_is_a_ring():
    visible, hidden = (
        draw_pose(BLANK, POSE, keypoint_set=PUPPET, visible=[value] * 3, enlarge=12) for value in (2, 1)
    )
    centre = (POSE[1] + 0.5) * 12 - 0.5
    assert colour_at(visible, centre) == LEFT
    assert max(colour_at(hidden, centre)) < 30
    np.testing.assert_allclose(colour_at(hidden, centre + np.array([0, 8])), LEFT, atol=20)


def test_enlarged_copy_keeps_the_pose_on_the_same_spot():
    image = np.zeros((20, 30, 3), np.uint8)
    image[12, 7] = 255
    alone = keypoint_set_from_names(["nose"])
    plain = draw_pose(image, [(7, 12)], keypoint_set=alone, visible=[0], enlarge=8)
    marked = draw_pose(image, [(7, 12)], keypoint_set=alone, enlarge=8)
    assert plain.shape == marked.shape == (160, 240, 3)
    for mask in (plain.max(axis=2) > 200, (marked != plain).any(axis=2)):
        y, x = np.nonzero(mask)
        np.testing.assert_allclose((x.mean(), y.mean()), (59.5, 99.5), atol=0.6)


@pytest.mark.parametrize("keypoint_set", KEYPOINT_SETS.values(), ids=KEYPOINT_SETS)
def test_sides_follow_the_names(keypoint_set):
    for name, side in zip(keypoint_set.names, keypoint_sides(keypoint_set), strict=True):
        if name.startswith("left"):
            assert side == LEFT
        elif name.startswith("right"):
            assert side == RIGHT


def test_pose_far_outside_the_image_is_harmless():
    drawn = draw_pose(BLANK, POSE * 1e9 + 1e9, keypoint_set=PUPPET)
    assert (drawn == BLANK).all()


def test_wide_images_are_drawn_on_to_their_end():
    image = np.full((4, 40_000, 3), 128, np.uint8)
    add_pose(image, [(35_000, 1)] * 3, keypoint_set=PUPPET, line=1)
    places = np.flatnonzero((image != 128).any(axis=(0, 2)))
    assert 34_990 < places[0] < places[-1] < 35_010


def test_sheet_shows_every_image_unchanged():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 200, (10 + index, 30 - index, 3)).astype(np.uint8) for index in range(5)]
    sheet = contact_sheet(images, columns=2, captions=["name"] * 5, title="title")
    windows = [np.argwhere((sheet == image[0, 0]).all(axis=2)) for image in images]
    for image, places in zip(images, windows, strict=True):
        height, width = image.shape[:2]
        assert any(np.array_equal(sheet[y : y + height, x : x + width], image) for y, x in places)
    plain = contact_sheet(images, columns=2)
    assert plain.shape[0] < sheet.shape[0]
    assert plain.shape[1] == sheet.shape[1] == 8 + 2 * (30 + 8)


def test_long_caption_stays_in_its_cell():
    image = np.zeros((10, 60, 3), np.uint8)
    sheet = contact_sheet([image, image], columns=2, captions=["x" * 200, ""])
    inked = np.nonzero((sheet[20:] < 200).any(axis=(0, 2)))[0]
    assert inked.size
    assert inked.max() <= 8 + 60 + 1


def test_sheet_of_nothing_and_wrong_captions():
    assert contact_sheet([], columns=3).ndim == 3
    with pytest.raises(ValueError, match="1 captions for 2 images"):
        contact_sheet([BLANK, BLANK], columns=2, captions=["one"])
