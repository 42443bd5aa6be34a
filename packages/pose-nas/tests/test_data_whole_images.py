"""Whole images: where everything lies in a picture, and back; mosaics; rectangles; what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Poses, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.affine import transform
from posenas.data.batch_parts import joined, part
from posenas.data.letterbox import GREY, fitted_size, letterbox, rectangle
from posenas.data.loader import ViewLoader
from posenas.data.mosaic import Arrangement, ImageAugmentation, blank, draw_tile, recolour
from posenas.data.reading import BatchKey
from posenas.data.whole_images import EvaluatedImages, ImageReader, ReadImages, image_loader

CPU = torch.device("cpu")
VIEW = View("image", 128, 128, 32)
STILL = {"hue": 0.0, "saturation": 0.0, "value": 0.0}


@dataclass(frozen=True)
class Painted:
    """A dark picture with one bright dot of its own colour at each point."""

    width: int
    height: int
    points: tuple[tuple[float, float], ...]

    def read(self) -> NDArray[np.uint8]:
        rows, columns = np.mgrid[: self.height, : self.width]
        image = np.full((self.height, self.width, 3), 20.0)
        for x, y in self.points:
            near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
            image += 230 * near[:, :, None]
        return image.clip(0, 255).astype(np.uint8)

    def __str__(self) -> str:
        return "painted"


@dataclass(frozen=True)
class Broken:
    def read(self) -> NDArray[np.uint8]:
        raise UnreadableImageError("broken.jpg: no image")

    def __str__(self) -> str:
        return "broken.jpg"


def person(x: float, y: float, *, box: tuple[float, float, float, float], crowd: bool = False) -> Person:
    keypoints = np.zeros((17, 3))
    keypoints[5] = x, y, 2  # the left shoulder
    return Person(box, keypoints, box[2] * box[3], crowd)


def sample(number: int, width: int, height: int, *people: tuple[float, float]) -> Sample:
    shown = tuple(person(x, y, box=(x - 20, y - 30, 40, 60)) for x, y in people)
    return Sample(number, Painted(width, height, people), width, height, shown)


def samples() -> list[Sample]:
    return [
        sample(11, 200, 100, (60, 50), (140, 40)),
        sample(12, 90, 180, (45, 120)),
        sample(13, 128, 128),
        sample(14, 300, 240, (100, 100), (200, 120), (150, 200)),
        sample(15, 64, 64, (30, 31)),
    ]


def evaluated(shown: list[Sample], **changes: Any) -> EvaluatedImages:
    options: dict[str, Any] = {"rectangular": True, "workers": 0, "on_unreadable": str}
    return EvaluatedImages(shown, VIEW, COCO_17, **{**options, **changes})


def loader(shown: list[Sample], **changes: Any) -> ViewLoader[ReadImages]:
    options: dict[str, Any] = {
        "view": VIEW,
        "keypoints": COCO_17,
        "augmentation": ImageAugmentation(),
        "seed": 0,
        "batch_size": 2,
        "workers": 0,
        "device": CPU,
        "on_unreadable": str,
    }
    return image_loader(shown, **{**options, **changes})


def brightest_near(picture: NDArray[Any], x: float, y: float) -> tuple[float, float]:
    """Centre of mass of the light in a window around a point."""
    left, top = max(0, round(x) - 6), max(0, round(y) - 6)
    window = picture[top : round(y) + 7, left : round(x) + 7].astype(float).mean(axis=2)
    window = (window - np.median(window)).clip(0)
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
    return (columns * window).sum() / window.sum() + left, (rows * window).sum() / window.sum() + top


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (64, 64), (1, 1), (1000, 3), (129, 127)])
def test_an_image_is_as_large_as_it_fits_and_in_the_middle(size: tuple[int, int]) -> None:
    width, height = size
    image = np.full((height, width, 3), 250, np.uint8)
    picture, matrix = letterbox(image, VIEW, (128, 128))
    shown = fitted_size(width, height, VIEW)
    assert max(shown) == 128
    light = (picture == 250).all(axis=2)
    assert light.any(axis=0).sum() == shown[0]
    assert light.any(axis=1).sum() == shown[1]
    assert (picture[~light] == GREY).all()
    # Its corners (of pixels, not their centres) are those of what is light.
    corners = transform(matrix, [[-0.5, -0.5], [width - 0.5, height - 0.5]])
    rows, columns = np.nonzero(light)
    assert corners[0] == pytest.approx([columns.min() - 0.5, rows.min() - 0.5])
    assert corners[1] == pytest.approx([columns.max() + 0.5, rows.max() + 0.5])


def test_points_lie_where_the_picture_shows_them() -> None:
    for shown in samples():
        image = shown.source.read()
        picture, matrix = letterbox(image, VIEW, (128, 128))
        for one in shown.people:
            x, y = transform(matrix, one.keypoints[5:6, :2])[0]
            assert brightest_near(picture, x, y) == pytest.approx((x, y), abs=0.4)


def test_rectangles_are_the_smallest_that_hold_every_image() -> None:
    assert rectangle([(640, 480)], View("image", 1280, 1280, 64)) == (960, 1280)
    assert rectangle([(640, 480), (480, 640)], View("image", 1280, 1280, 64)) == (1280, 1280)
    assert rectangle([(640, 100)], View("image", 1280, 1280, 64)) == (256, 1280)
    assert rectangle([(1, 1)], View("image", 128, 128, 64)) == (128, 128)


@pytest.mark.parametrize("rectangular", [True, False])
@pytest.mark.parametrize("people_at_once", [1, 64])
def test_what_is_found_in_views_is_located_in_the_images(rectangular: bool, people_at_once: int) -> None:
    views = evaluated(samples(), rectangular=rectangular)
    for _ in range(2):  # the second pass is from memory
        found = []
        for batch in views.batches(people_at_once, device=CPU):
            assert batch.views is not None
            assert batch.images.shape[2] % 32 == batch.images.shape[3] % 32 == 0
            if not rectangular:
                assert batch.images.shape[2:] == (128, 128)
            assert 0 <= float(batch.images.min()) <= float(batch.images.max()) <= 1
            scores = torch.arange(len(batch.views), dtype=torch.float32)
            found.append(Poses(batch.keypoints, batch.labelled, batch.views, scores))
        predictions = views.locate(found)
        by_image = {one.id: one for one in samples()}
        assert sorted(predictions.image_ids.tolist()) == [11, 11, 12, 14, 14, 14, 15]
        for image in by_image:
            of_image = predictions.image_ids == image
            truth = [one.keypoints[5, :2] for one in by_image[image].people]
            located = predictions.keypoints[of_image][:, 5]
            np.testing.assert_allclose(located, np.array(truth).reshape(-1, 2), atol=1e-3)
            assert (predictions.keypoint_scores[of_image][:, 5] == 1).all()
    assert len(views) == 5


def pictures(shown: list[Sample], people_at_once: int) -> dict[int, NDArray[np.uint8]]:
    """What is looked at, by the id of its sample."""
    view = View("image", 256, 192, 32)  # as many pixels as a person's
    views = EvaluatedImages(shown, view, COCO_17, rectangular=True, workers=0, on_unreadable=str)
    images: list[NDArray[np.uint8]] = []
    found: list[Poses] = []
    for batch in views.batches(people_at_once, device=CPU):
        count = len(batch.images)
        assert count <= people_at_once
        poses = Poses(
            torch.zeros(count, 17, 2), torch.zeros(count, 17), torch.arange(count), torch.ones(count)
        )
        images += [image.numpy() for image in batch.images]
        found.append(poses)
    return dict(zip(views.locate(found).image_ids.tolist(), images, strict=True))


def test_what_is_looked_at_does_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    shown = [sample(number, *rng.integers(40, 300, 2).tolist()) for number in range(30)]
    alone = pictures(shown, 1)
    assert len({image.shape for image in alone.values()}) > 5
    for people_at_once in (2, 8, 64):
        together = pictures(shown, people_at_once)
        assert sorted(together) == sorted(alone)
        for number, image in together.items():
            assert np.array_equal(image, alone[number])


def annotated(shown: Sample, width: int, height: int) -> Sample:
    return replace(shown, width=width, height=height)


@pytest.mark.parametrize("size", [(100, 200), (200, 99), (10**6, 100), (1, 10**6), (1, 1)])
@pytest.mark.parametrize("rectangular", [True, False])
def test_images_of_another_size_than_annotated_are_shown_whole(
    rectangular: bool, size: tuple[int, int]
) -> None:
    told: list[str] = []
    shown = [annotated(samples()[0], *size), *samples()[1:]]
    views = evaluated(shown, rectangular=rectangular, on_unreadable=told.append)
    found: list[Poses] = []
    for _ in range(2):
        found = []
        for batch in views.batches(64, device=CPU):
            assert batch.views is not None
            scores = torch.ones(len(batch.views))
            found.append(Poses(batch.keypoints, batch.labelled, batch.views, scores))
    predictions = views.locate(found)
    located = predictions.keypoints[predictions.image_ids == 11][:, 5]
    np.testing.assert_allclose(located, [(60, 50), (140, 40)], atol=2e-3)
    (line,) = told
    assert line.startswith("1 images have another size than annotated")
    assert f"painted is 200 x 100, not {size[0]} x {size[1]};" in line


def test_images_of_another_size_do_not_change_their_neighbours() -> None:
    shown = samples()
    right = pictures(shown, 64)
    wrong = pictures([annotated(shown[0], 90, 180), *shown[1:]], 64)
    assert all(np.array_equal(right[number], wrong[number]) for number in (12, 13, 14, 15))


def test_workers_tell_of_sizes_too() -> None:
    told: list[str] = []
    shown = [annotated(one, one.width + 1, one.height) for one in samples()]
    list(evaluated(shown, workers=1, on_unreadable=told.append).batches(1, device=CPU))
    (line,) = told
    assert line.startswith("5 images have another size")
    assert line.count("painted is") == 3


def test_numbers_beyond_all_images_stay_finite() -> None:
    far = person(1e300, -1e308, box=(-1e308, 1e300, 1.5e308, 1.5e308))
    shown = [Sample(1, Painted(64, 64, ()), 64, 64, (far,))]
    (batch,) = evaluated(shown).batches(64, device=CPU)
    assert batch.boxes is not None
    assert torch.isfinite(batch.boxes).all()
    assert torch.isfinite(batch.keypoints).all()
    assert not batch.labelled.any()
    with loader(shown, batch_size=1) as source:
        assert all(torch.isfinite(each.keypoints).all() for each in source.epoch(0))


def test_pitch_is_the_images_pixels_to_one_of_the_view() -> None:
    (batch,) = evaluated([samples()[3]]).batches(64, device=CPU)
    assert batch.pitch is not None
    assert batch.pitch.tolist() == pytest.approx([300 / 128])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_everybody_in_a_training_picture_is_where_the_light_is(seed: int, mosaic: float) -> None:
    changes = ImageAugmentation(mosaic=mosaic, scale=0.4, **STILL)
    reader = ImageReader(samples(), VIEW, COCO_17)
    read = reader[BatchKey([0, 3, 1], seed=seed, augmentation=changes)]
    seen = 0
    for view, pose in zip(read.views, read.poses, strict=True):
        (labelled,) = np.nonzero(pose[:, 2])
        for keypoint in labelled:
            assert keypoint in (5, 6)  # mirrored, the left shoulder is the right one
            x, y = pose[keypoint, :2]
            if 6 < x < 121 and 6 < y < 121:
                found = brightest_near(read.images[view].numpy(), x, y)
                assert found == pytest.approx((x, y), abs=1.2)
                seen += 1
    assert seen


def test_boxes_go_with_their_people_and_end_at_the_picture() -> None:
    changes = ImageAugmentation(mosaic=1.0, **STILL)
    reader = ImageReader(samples(), VIEW, COCO_17)
    total = 0
    for epoch in range(20):
        read = reader[BatchKey([0, 1, 3], epoch, seed=5, augmentation=changes)]
        assert (read.boxes >= -0.5).all()
        assert (read.boxes <= 127.5).all()
        sides = read.boxes[:, 2:] - read.boxes[:, :2]
        assert (sides > 2).all()
        for box, pose in zip(read.boxes, read.poses, strict=True):
            for x, y, labelled in pose:
                if labelled:  # the keypoint is the middle of its person's box
                    assert box[0] - 0.01 <= x <= box[2] + 0.01
                    assert box[1] - 0.01 <= y <= box[3] + 0.01
        total += len(read.boxes)
    assert total > 60


def test_four_images_meet_without_covering_one_another() -> None:
    view = View("image", 64, 64, 32)
    image = np.full((40, 60, 3), 200, np.uint8)
    arrangement = Arrangement(others=(1, 2, 3), centre=(1.0, 1.0))
    counts = np.zeros((64, 64))
    for tile in range(4):
        picture = blank(view)
        draw_tile(picture, image, arrangement.matrix(image, tile, view))
        counts += (picture != GREY).any(axis=2)
    assert (counts > 2).sum() <= 4  # bilinear borders touch, all four in the middle
    assert (counts >= 1).mean() > 0.6
    assert (counts >= 2).mean() < 0.1


@pytest.mark.parametrize("flip", [False, True])
def test_a_still_arrangement_is_the_letterbox(flip: bool) -> None:
    image = samples()[0].source.read()
    matrix = Arrangement(flip=flip).matrix(image, 0, VIEW)
    _, expected = letterbox(image, VIEW, (128, 128))
    points = np.array([[0.0, 0.0], [60.0, 50.0], [199.0, 99.0]])
    wanted = transform(expected, points)
    if flip:
        wanted[:, 0] = 127 - wanted[:, 0]
    np.testing.assert_allclose(transform(matrix, points), wanted, atol=1e-9)


def test_scaling_keeps_the_middle_where_it_is() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    for others in ((), (1, 2, 3)):
        for scale in (0.5, 1.7):
            matrix = Arrangement(others=others, scale=scale).matrix(image, 3 if others else 0, VIEW)
            middle = [[-0.5, -0.5]] if others else [[49.5, 49.5]]  # where tiles meet, or the image's own
            assert transform(matrix, middle)[0] == pytest.approx([63.5, 63.5])


def test_recolouring_by_nothing_changes_no_pixel_by_much() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    same = recolour(picture, Arrangement()).astype(int)
    assert np.abs(same - picture).max() <= 6  # hues in steps of two degrees
    grey = recolour(picture, Arrangement(saturation=0.0))
    assert (np.ptp(grey.astype(int), axis=2) == 0).all()
    assert recolour(picture, Arrangement(value=0.5)).max() <= 128


def test_epochs_do_not_depend_on_workers_and_differ() -> None:
    shown = samples()
    with loader(shown) as alone, loader(shown, workers=2) as together:
        for number in (0, 3):
            pairs = list(zip(alone.epoch(number), together.epoch(number), strict=True))
            assert len(pairs) == 2
            for one, other in pairs:
                for name, value in vars(one).items():
                    again = getattr(other, name)
                    assert again is None if value is None else torch.equal(value, again), name
        first, second = (next(iter(alone.epoch(number))).images for number in (0, 1))
        assert not torch.equal(first, second)


def test_images_without_people_are_background() -> None:
    nobody = [sample(1, 64, 64), sample(2, 64, 64)]
    with loader(nobody) as source:
        (batch,) = source.epoch(0)
    assert batch.boxes is not None
    assert batch.boxes.shape == (0, 4)
    assert batch.keypoints.shape == (0, 17, 2)
    (shown,) = evaluated(nobody).batches(64, device=CPU)
    assert len(shown.keypoints) == 0


def test_crowds_and_zero_sized_boxes_are_nobody_to_learn_from() -> None:
    people = (
        person(30, 30, box=(10, 10, 40, 40), crowd=True),
        person(20, 20, box=(20, 20, 0, 0)),
        person(32, 32, box=(12, 12, 40, 40)),
    )
    shown = [Sample(1, Painted(64, 64, ((32, 32),)), 64, 64, people)]
    still = ImageAugmentation(mosaic=0.0, scale=0.0, translate=0.0, flip=0.0)
    with loader(shown, augmentation=still, batch_size=1) as source:
        (batch,) = source.epoch(0)
    assert len(batch.keypoints) == 1
    assert batch.keypoints[0, 5].tolist() == pytest.approx([64.5, 64.5], abs=0.01)


def test_files_that_cannot_be_read_are_left_out_and_named_once() -> None:
    told: list[str] = []
    broken = Sample(99, Broken(), 64, 64, ())
    shown = [*samples(), broken]
    views = evaluated(shown, on_unreadable=told.append, max_unreadable=0.5)
    images = [len(batch.images) for batch in views.batches(1, device=CPU)]
    assert sum(images) == len(views) == 5
    list(views.batches(1, device=CPU))
    assert told == ["broken.jpg: no image"]
    with loader([*shown, broken], max_unreadable=0.5, on_unreadable=told.append) as source:
        assert sum(len(batch.images) for batch in source.epoch(0)) <= 6
    with pytest.raises(PosenasError, match=r"1 of 1 images cannot be read"):
        list(evaluated([broken]).batches(1, device=CPU))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(PosenasError, match="there is no image to evaluate on"):
        evaluated([])


def test_parts_of_a_batch_take_their_people_along() -> None:
    (batch,) = evaluated(samples(), rectangular=False).batches(64, device=CPU)
    assert batch.views is not None
    first, second = part(batch, 0, 2), part(batch, 2, 5)
    assert first.views is not None
    assert second.views is not None
    assert first.views.tolist() == [0, 0, 1]
    assert second.views.tolist() == [1, 1, 1, 2]
    whole = joined(first, second)
    for name, value in vars(batch).items():
        again = getattr(whole, name)
        assert again is None if value is None else torch.equal(value, again), name


def test_random_changes_stay_within_their_options() -> None:
    changes = ImageAugmentation(mosaic=0.5, scale=0.3, translate=0.2)
    rng = np.random.default_rng(0)
    drawn = [changes.draw(rng, images=7) for _ in range(400)]
    assert all(0.7 <= one.scale <= 1.3 for one in drawn)
    assert all(abs(side) <= 0.2 for one in drawn for side in one.shift)
    assert all(0 <= other < 7 for one in drawn for other in one.others)
    assert 0.4 < np.mean([bool(one.others) for one in drawn]) < 0.6
    assert 0.4 < np.mean([one.flip for one in drawn]) < 0.6


def test_large_images_are_averaged_when_they_become_small() -> None:
    rng = Random(0)
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 200
    view = View("image", 64, 64, 32)
    picture = blank(view)
    arrangement = Arrangement(shift=(rng.uniform(-0.1, 0.1), 0.0))
    draw_tile(picture, stripes, arrangement.matrix(stripes, 0, view))
    middle = picture[8:56, 16:48].astype(int)
    assert abs(middle.mean() - 100) < 4
    assert middle.std() < 8  # without averaging, a pattern of 0 and 200


def test_a_loader_that_begins_again_gives_the_batches_of_a_new_one() -> None:
    other = {"seed": 4, "batch_size": 3, "augmentation": ImageAugmentation(mosaic=0.0, hue=0.1)}
    with loader(samples(), workers=1) as again, loader(samples(), **other) as new:
        next(iter(again.epoch(0)))
        again.begin(**other)
        (found,), (expected,) = again.epoch(2), new.epoch(2)
    for name in ("images", "keypoints", "boxes", "views", "pitch"):
        assert torch.equal(getattr(found, name), getattr(expected, name))
