"""The one affine map of a crop."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from posenas.contract.batches import View
from posenas.data.affine import crop_matrix, invert, shown_area, transform, warp

VIEW = View("person", height=64, width=48)
STANDARD = View("person", height=64, width=48, crop="standard")
RNG_SEED = 5


def random_changes(rng: np.random.Generator) -> dict[str, object]:
    return {
        "scale": rng.uniform(0.6, 1.4),
        "rotation": rng.uniform(-180, 180),
        "shift": tuple(rng.uniform(-0.2, 0.2, 2)),
        "flip": bool(rng.random() < 0.5),
    }


def random_box(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.uniform(-20, 200, 2), rng.uniform(5, 300, 2)])


def turned(point, degrees) -> np.ndarray:
    angle = math.radians(degrees)
    x, y = point
    return np.array([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)])


def third_corner(first, second) -> np.ndarray:
    """A right angle at the second point."""
    direction = first - second
    return second + np.array([-direction[1], direction[0]])


def papers_corners(box, size, *, scale=1.0, rotation=0.0) -> tuple[np.ndarray, np.ndarray]:
    """Three points of the image and of the crop, as HRNet's get_affine_transform has them.

    Args:
        size: width and height of the crop, pixels.
        rotation: degrees by which the picture turns anti-clockwise.
    """
    x, y, width, height = box
    centre = np.array([x + width * 0.5, y + height * 0.5])
    aspect = size[0] / size[1]
    if width > aspect * height:
        height = width / aspect
    elif width < aspect * height:
        width = height * aspect
    width = width / 200 * 1.25 * scale * 200
    middle, up = np.array(size) * 0.5, np.array([0, size[0] * -0.5])
    source = np.array([centre, centre + turned((0, width * -0.5), rotation)])
    target = np.array([middle, middle + up])
    return (
        np.vstack([source, third_corner(*source)]),
        np.vstack([target, third_corner(*target)]),
    )


def solved(source, target) -> np.ndarray:
    """The affine map that takes three points to three others, in float64."""
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), target).T


@pytest.mark.parametrize("size", [(48, 64), (192, 256), (288, 384), (256, 256)])
def test_standard_rule_is_that_of_the_papers_code(size):
    rng = np.random.default_rng(RNG_SEED)
    view = View("person", height=size[1], width=size[0], crop="standard")
    for _ in range(100):
        box, scale, rotation = random_box(rng), rng.uniform(0.6, 1.4), rng.uniform(-80, 80)
        corners = papers_corners(box, size, scale=scale, rotation=rotation)
        found = crop_matrix(box, view, scale=scale, rotation=-rotation)
        np.testing.assert_allclose(found, solved(*corners), rtol=0, atol=1e-9)
        # OpenCV takes the points in float32, so its own map is no better than that.
        opencv = cv2.getAffineTransform(*(points.astype(np.float32) for points in corners))
        np.testing.assert_allclose(transform(found, corners[0]), transform(opencv, corners[0]), atol=1e-3)


def test_standard_rule_is_opencvs_where_float32_holds_the_points():
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(100):
        box = np.concatenate([rng.integers(-40, 400, 2), 48 * rng.integers(1, 9, 2)]).astype(float)
        corners = papers_corners(box, (48, 64))
        opencv = cv2.getAffineTransform(*(points.astype(np.float32) for points in corners))
        np.testing.assert_allclose(crop_matrix(box, STANDARD), opencv, rtol=0, atol=1e-6)


def test_standard_rule_decodes_as_the_papers_code():
    """Maps of a quarter are taken back by a map of their own, from their middle to the box's."""
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(50):
        box, places = random_box(rng), rng.uniform(0, 16, (17, 2))
        source, target = papers_corners(box, (48 // 4, 64 // 4))
        expected = transform(solved(target, source), places)
        found = transform(invert(crop_matrix(box, STANDARD)), places * 4)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_a_flipped_standard_view_is_the_papers_crop_of_the_flipped_image():
    """Their code mirrors the image, its keypoints and the box's centre, then crops."""
    rng = np.random.default_rng(RNG_SEED)
    image_width = 640
    for _ in range(50):
        box, points = random_box(rng), rng.uniform(0, 400, (17, 2))
        centre = image_width - 1 - (box[0] + box[2] / 2)
        mirrored = (centre - box[2] / 2, *box[1:])
        expected = transform(
            solved(*papers_corners(mirrored, (48, 64))), points * (-1, 1) + (image_width - 1, 0)
        )
        found = transform(crop_matrix(box, STANDARD, flip=True), points)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("view", [VIEW, STANDARD], ids=["udp", "standard"])
def test_shown_area_is_that_of_the_padded_box(view):
    shape = (47, 63) if view is VIEW else (48, 64)
    box = (10, 20, shape[0] * 2, shape[1])  # twice as wide as the view's shape
    expected = (shape[0] * 2 * 1.25) * (shape[1] * 2 * 1.25)
    assert shown_area(invert(crop_matrix(box, view)), view) == pytest.approx(expected)
    many = invert(crop_matrix(np.tile(box, (3, 1)), view, rotation=[0, 20, 90]))
    np.testing.assert_allclose(shown_area(many, view), [expected] * 3)


def literal_matrix(box, view, *, scale, rotation, shift, flip) -> np.ndarray:
    """The same map as a product of 3 x 3 matrices, one step each."""
    x, y, width, height = box
    width, height = width * 1.25, height * 1.25
    aspect = (view.width - 1) / (view.height - 1)
    if width / height < aspect:
        width = height * aspect
    else:
        height = width / aspect
    width, height = width * scale, height * scale
    centre_x = x + box[2] / 2 + shift[0] * width
    centre_y = y + box[3] / 2 + shift[1] * height
    to_origin = np.array([[1, 0, -centre_x], [0, 1, -centre_y], [0, 0, 1]])
    angle = math.radians(rotation)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    resize = np.diag([(view.width - 1) / width, (view.height - 1) / height, 1])
    mirror = np.diag([-1 if flip else 1, 1, 1])
    to_view = np.array([[1, 0, (view.width - 1) / 2], [0, 1, (view.height - 1) / 2], [0, 0, 1]])
    return (to_view @ mirror @ resize @ turn @ to_origin)[:2]


def test_matrix_is_the_product_of_its_steps():
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(50):
        box, changes = random_box(rng), random_changes(rng)
        expected = literal_matrix(box, VIEW, **changes)
        np.testing.assert_allclose(crop_matrix(box, VIEW, **changes), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ((10, 20, 47, 63), ((10 - 47 / 8, 20 - 63 / 8), (57 + 47 / 8, 83 + 63 / 8))),
        ((0, 0, 47, 1), ((-5.875, 0.5 - 39.375), (52.875, 0.5 + 39.375))),
    ],
    ids=["the view's shape", "widened to the view's shape"],
)
def test_corners_of_the_padded_box_are_the_corner_pixels(box, corners):
    moved = transform(crop_matrix(box, VIEW), corners)
    np.testing.assert_allclose(moved, [(0, 0), (47, 63)], atol=1e-9)


def test_inverse_takes_points_back():
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(50):
        matrix = crop_matrix(random_box(rng), VIEW, **random_changes(rng))
        points = rng.uniform(-100, 700, (17, 2))
        np.testing.assert_allclose(transform(invert(matrix), transform(matrix, points)), points, atol=1e-9)


def test_many_boxes_at_once_are_the_boxes_one_by_one():
    rng = np.random.default_rng(RNG_SEED)
    boxes = np.stack([random_box(rng) for _ in range(6)])
    points = rng.uniform(0, 200, (6, 5, 2))
    rotations, flips = rng.uniform(-40, 40, 6), np.arange(6) % 2 == 0
    matrices = crop_matrix(boxes, VIEW, rotation=rotations, flip=flips)
    assert matrices.shape == (6, 2, 3)
    for index in range(6):
        alone = crop_matrix(boxes[index], VIEW, rotation=rotations[index], flip=flips[index])
        np.testing.assert_allclose(matrices[index], alone, atol=1e-12)
        np.testing.assert_allclose(transform(matrices, points)[index], transform(alone, points[index]))
        np.testing.assert_allclose(invert(matrices)[index], invert(alone))


def test_box_of_no_size_has_a_finite_map():
    matrix = crop_matrix((30, 40, 0, 0), VIEW)
    assert np.isfinite(invert(matrix)).all()
    np.testing.assert_allclose(transform(matrix, [(30, 40)]), [(23.5, 31.5)])


def smooth_image(rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(rng.integers(0, 256, (120, 160, 3)).astype(np.uint8), (0, 0), 2)


def test_flipped_view_is_the_mirror_image_of_the_view():
    image = smooth_image(np.random.default_rng(RNG_SEED))
    plain, flipped = (
        warp(image, crop_matrix((40, 30, 60, 70), VIEW, rotation=25, flip=flip), VIEW).astype(int)
        for flip in (False, True)
    )
    assert np.abs(flipped - plain[:, ::-1]).max() <= 1
    assert np.abs(flipped - plain).max() > 10


def test_flipped_keypoints_are_the_mirrored_keypoints():
    points = np.random.default_rng(RNG_SEED).uniform(0, 100, (9, 2))
    plain, flipped = (
        transform(crop_matrix((40, 30, 60, 70), VIEW, rotation=25, flip=flip), points)
        for flip in (False, True)
    )
    np.testing.assert_allclose(flipped, plain * (-1, 1) + (47, 0), atol=1e-9)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation", [0.0, 33.0, -120.0])
@pytest.mark.parametrize("point", [(60.3, 52.8), (71.5, 66.25)])
def test_dot_in_the_image_lands_where_its_keypoint_does(point, rotation, flip):
    y, x = np.mgrid[:120, :160]
    dot = 250 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 2.5**2))
    image = np.repeat(dot[..., None], 3, axis=2).round().astype(np.uint8)
    matrix = crop_matrix((45, 40, 40, 40), VIEW, rotation=rotation, flip=flip)
    crop = warp(image, matrix, VIEW)[..., 0].astype(float)
    view_y, view_x = np.mgrid[:64, :48]
    centroid = (crop * view_x).sum() / crop.sum(), (crop * view_y).sum() / crop.sum()
    np.testing.assert_allclose(centroid, transform(matrix, [point])[0], atol=0.1)


def literal_warp(image: np.ndarray, matrix: np.ndarray, view: View) -> np.ndarray:
    """Bilinear sampling, pixel by pixel; black outside."""
    inverse = invert(matrix)
    crop = np.zeros((view.height, view.width, 3))
    for row in range(view.height):
        for column in range(view.width):
            x, y = inverse @ (column, row, 1)
            left, top = math.floor(x), math.floor(y)
            for near_y, near_x in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= near_y < image.shape[0] and 0 <= near_x < image.shape[1]:
                    weight = (1 - abs(x - near_x)) * (1 - abs(y - near_y))
                    crop[row, column] += weight * image[near_y, near_x]
    return crop


def test_warp_is_bilinear_sampling():
    image = smooth_image(np.random.default_rng(RNG_SEED))
    matrix = crop_matrix((100, 60, 80, 70), VIEW, rotation=20, scale=0.8)
    expected = literal_warp(image, matrix, VIEW)
    assert (expected == 0).all(axis=2).mean() > 0.1, "part of the view lies outside the image"
    difference = np.abs(warp(image, matrix, VIEW) - expected)
    assert np.percentile(difference, 99) < 2
    assert difference.max() < 8
