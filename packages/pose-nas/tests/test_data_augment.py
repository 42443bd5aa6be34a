"""Random changes: their ranges, rates and independence; half bodies; colours."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.augment import Augmentation, CropChange, change_colours, half_body_box

BOX = (10.0, 20.0, 100.0, 200.0)
STRONG = Augmentation(scale=0.35, rotation=40, half_body=0.3)
NOTHING = Augmentation(flip=0, scale=0, rotation=0, half_body=0, shift=0, colour=0)


def pose(labelled: int = 17) -> np.ndarray:
    points = np.random.default_rng(0).uniform(0, 200, (17, 3))
    points[:, 2] = np.arange(17) < labelled
    return points


def draws(augmentation: Augmentation, count: int = 2000) -> list[CropChange]:
    rng = np.random.default_rng(1)
    return [augmentation.draw(rng, box=BOX, keypoints=pose(), keypoint_set=COCO_17) for _ in range(count)]


def test_nothing_to_change_changes_nothing():
    assert set(draws(NOTHING, 20)) == {CropChange(BOX)}


def test_same_generator_gives_the_same_changes():
    assert draws(STRONG, 50) == draws(STRONG, 50)
    assert len(set(draws(STRONG, 50))) == 50


def test_values_fill_their_ranges_and_no_more():
    changes = draws(replace(STRONG, shift=0.1))
    for values, low, high in (
        ([each.scale for each in changes], 0.65, 1.35),
        ([each.rotation for each in changes], -40, 40),
        ([each.shift[0] for each in changes], -0.1, 0.1),
        ([each.shift[1] for each in changes], -0.1, 0.1),
        *(([each.colour[index] for each in changes], 0.8, 1.2) for index in range(3)),
    ):
        assert low <= min(values) < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < max(values) <= high


@pytest.mark.parametrize(
    ("share", "happened"),
    [
        (0.5, lambda change: change.flip),
        (0.6, lambda change: change.rotation != 0),
        (0.3, lambda change: change.box != BOX),
    ],
    ids=["flip", "rotation", "half body"],
)
def test_rates(share, happened):
    changes = draws(STRONG)
    error = 4 * (share * (1 - share) / len(changes)) ** 0.5
    assert abs(np.mean([happened(change) for change in changes]) - share) < error


@pytest.mark.parametrize("option", ["flip", "scale", "rotation", "half_body", "colour"])
def test_switching_one_change_off_leaves_the_others(option):
    attribute = "box" if option == "half_body" else option
    everything, without = draws(STRONG, 30), draws(replace(STRONG, **{option: 0}), 30)
    unchanged = getattr(CropChange(BOX), attribute)
    assert without == [replace(change, **{attribute: unchanged}) for change in everything]
    assert without != everything


@pytest.mark.parametrize("upper", [True, False])
def test_half_body_box_holds_one_half_with_room(upper):
    keypoints = pose()
    chosen = keypoints[:11, :2] if upper else keypoints[11:, :2]
    x, y, width, height = half_body_box(BOX, keypoints, COCO_17, upper=upper)
    size = np.ptp(chosen, axis=0)
    np.testing.assert_allclose((width, height), 1.2 * size)
    np.testing.assert_allclose((x + width / 2, y + height / 2), chosen.min(axis=0) + size / 2)


@pytest.mark.parametrize(
    ("labelled", "changes"), [(8, False), (9, True)], ids=["8 of 17 labelled", "9 of 17 labelled"]
)
def test_half_body_needs_more_than_half_of_the_keypoints(labelled, changes):
    assert (half_body_box(BOX, pose(labelled), COCO_17, upper=True) != BOX) is changes


def test_half_body_needs_three_keypoints_in_the_half():
    assert half_body_box(BOX, pose(13), COCO_17, upper=False) == BOX
    assert half_body_box(BOX, pose(14), COCO_17, upper=False) != BOX


def test_set_without_an_upper_body_keeps_its_box():
    plain = replace(COCO_17, upper_body=())
    assert half_body_box(BOX, pose(), plain, upper=False) == BOX


def literal_colours(rgb: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """One image, pixel by pixel, with the luma of the YIQ colour model."""

    def grey(pixel: np.ndarray) -> float:
        return colorsys.rgb_to_yiq(*pixel)[0]

    pixels = [np.clip(pixel * brightness, 0, 1) for pixel in rgb.reshape(-1, 3)]
    mean = float(np.mean([grey(pixel) for pixel in pixels]))
    pixels = [np.clip(mean + contrast * (pixel - mean), 0, 1) for pixel in pixels]
    pixels = [np.clip(grey(pixel) + saturation * (pixel - grey(pixel)), 0, 1) for pixel in pixels]
    return np.array(pixels).reshape(rgb.shape)


def test_colours_are_the_literal_ones():
    rng = np.random.default_rng(3)
    images, factors = rng.random((3, 8, 6, 3)), rng.uniform(0.6, 1.4, (3, 3))
    changed = change_colours(
        torch.from_numpy(images).permute(0, 3, 1, 2).float(), torch.from_numpy(factors).float()
    )
    for image, factor, result in zip(images, factors, changed, strict=True):
        expected = literal_colours(image, *factor)
        np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected, atol=2e-3)


def test_factors_of_one_change_no_colour():
    images = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(change_colours(images, torch.ones(2, 3)), images)
