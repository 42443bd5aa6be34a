"""Regions of people in batches: each point goes where the picture takes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch, View
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.augment import Augmentation
from posenas.data.batch_parts import joined, part
from posenas.data.crops import crop_loader, load_crops
from posenas.data.mosaic import ImageAugmentation
from posenas.data.person_crop import person_crops
from posenas.data.regions import region_boxes
from posenas.data.whole_images import EvaluatedImages, image_loader

CPU = torch.device("cpu")
VIEW = View("person", height=64, width=48)
WILD = Augmentation(scale=0.4, rotation=180, rotated=0.8, half_body=0.5, shift=0.2)
POINTS = ("top_left", "top_right", "bottom_right", "bottom_left", "centre")


def corner_set(**changes: Any) -> KeypointSet:
    """A keypoint set whose keypoints are the five points of each of its regions, in the regions' order."""
    mirrored = (1, 0, 3, 2, 4)
    right = tuple(10 + place for place in mirrored)  # in the order of the left one's mirror images
    options: dict[str, Any] = {
        "name": "corners",
        "names": tuple(f"{region} {point}" for region in ("face", "left", "right") for point in POINTS),
        "flip_pairs": ((0, 1), (3, 2), *((5 + place, 10 + mirrored[place]) for place in range(5))),
        "sigmas": (0.05,) * 15,
        "limbs": (),
        "upper_body": tuple(range(10)),
        "regions": {"face": tuple(range(5)), "left": tuple(range(5, 10)), "right": right},
    }
    return KeypointSet(**{**options, **changes})


CORNERS = corner_set()
NO_REGIONS = corner_set(regions={})


@dataclass(frozen=True)
class Plain:
    broken: bool = False

    def read(self) -> NDArray[np.uint8]:
        if self.broken:
            raise UnreadableImageError("broken")
        return np.full((100, 120, 3), 90, np.uint8)

    def __str__(self) -> str:
        return "plain"


def five_points(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x + width / 2, y + height / 2)]


def person(number: int) -> Person:
    """A person of three boxes, whose keypoints are the boxes' points."""
    rng = np.random.default_rng(number)
    boxes = np.column_stack([rng.uniform(30, 60, (3, 2)), rng.uniform(3, 20, (3, 2))])
    pose = np.array([[*point, 2] for box in boxes for point in five_points(*box)])
    regions = dict(zip(("face", "left", "right"), map(tuple, boxes.tolist()), strict=True))
    return Person((25.0, 25.0, 60.0, 60.0), pose, 3600.0, regions=regions)


def people(images: int, *, each: int = 1, broken: tuple[int, ...] = ()) -> list[Sample]:
    return [
        Sample(
            number, Plain(number in broken), 120, 100, tuple(person(9 * number + at) for at in range(each))
        )
        for number in range(images)
    ]


def training(samples: list[Sample], *, keypoints: KeypointSet = CORNERS, **changes: Any) -> list[Batch]:
    options: dict[str, Any] = {
        "view": VIEW,
        "augmentation": WILD,
        "batch_size": 4,
        "seed": 3,
        "workers": 0,
        "device": CPU,
        "on_unreadable": str,
        "max_unreadable": 1.0,
    }
    loader = crop_loader(person_crops(samples), samples, keypoints=keypoints, **{**options, **changes})
    with loader:
        return list(loader.epoch(0))


def inside(points: torch.Tensor, height: int, width: int) -> torch.Tensor:
    limits = torch.tensor([width - 0.5, height - 0.5])
    return ((points >= -0.5) & (points <= limits)).all(dim=-1).float()


def check_against_keypoints(batch: Batch, height: int, width: int) -> None:
    """Every point of every region is where the keypoint is that was put there."""
    assert batch.regions is not None
    assert batch.regions_known is not None
    torch.testing.assert_close(batch.regions.flatten(1, 2), batch.keypoints, atol=1e-4, rtol=1e-5)
    assert torch.equal(batch.regions_known, inside(batch.regions[:, :, 4], height, width))


@pytest.mark.parametrize("workers", [0, 1])
def test_points_of_regions_go_where_keypoints_go(workers: int) -> None:
    batches = training(people(24), workers=workers)
    assert len(batches) == 6
    for batch in batches:
        check_against_keypoints(batch, VIEW.height, VIEW.width)
    known = torch.cat([batch.regions_known for batch in batches if batch.regions_known is not None])
    assert 0.3 < float(known.mean()) < 0.95


@pytest.mark.parametrize("crop", ["udp", "standard"])
def test_crops_turn_mirror_and_exchange_the_corners_literally(crop: Any) -> None:
    samples, view = people(12), replace(VIEW, crop=crop)
    augmentation = Augmentation(scale=0.3, rotation=90, shift=0.1)
    loader = crop_loader(
        person_crops(samples),
        samples,
        view=view,
        keypoints=CORNERS,
        augmentation=augmentation,
        batch_size=12,
        seed=3,
        workers=0,
        device=CPU,
        on_unreadable=str,
    )
    (batch,) = loader.epoch(0)
    assert batch.regions is not None
    order = np.random.default_rng([3, 0]).permutation(12)
    flips = 0
    for row, position in enumerate(order):
        someone = samples[position].people[0]
        change = augmentation.draw(
            np.random.default_rng([3, 0, position + 1]),
            box=someone.box,
            keypoints=someone.keypoints,
            keypoint_set=CORNERS,
        )
        x, y, width, height = someone.box
        across, down = (view.width - 1, view.height - 1) if crop == "udp" else (view.width, view.height)
        pitch = change.scale * 1.25 * max(width / across, height / down)
        middle_x = x + width / 2 + change.shift[0] * pitch * across
        middle_y = y + height / 2 + change.shift[1] * pitch * down
        angle = math.radians(change.rotation)
        names = ["face", "right", "left"] if change.flip else ["face", "left", "right"]
        flips += change.flip
        for region, name in enumerate(names):
            corners = five_points(*someone.regions[name])
            if change.flip:
                corners = [corners[1], corners[0], corners[3], corners[2], corners[4]]
            for place, (px, py) in enumerate(corners):
                right, below = (px - middle_x) / pitch, (py - middle_y) / pitch
                turned = right * math.cos(angle) - below * math.sin(angle)
                lower = right * math.sin(angle) + below * math.cos(angle)
                expected = (across / 2 + (-turned if change.flip else turned), down / 2 + lower)
                assert batch.regions[row, region, place].tolist() == pytest.approx(expected, abs=1e-4)
    assert 0 < flips < 12


def test_loaded_crops_have_upright_regions_in_their_order() -> None:
    samples = people(5, each=2, broken=(2,))
    loaded = load_crops(
        person_crops(samples),
        samples,
        VIEW,
        keypoints=CORNERS,
        workers=0,
        on_unreadable=str,
        max_unreadable=1.0,
    )
    batches = list(loaded.batches(3, device=CPU))
    assert [len(batch.images) for batch in batches] == [3, 3, 2]
    for batch in batches:
        check_against_keypoints(batch, VIEW.height, VIEW.width)
        assert batch.regions is not None
        top_left, top_right, bottom_right, bottom_left, _ = batch.regions.unbind(2)
        assert (bottom_right > top_left).all()
        assert torch.equal(top_left[..., 1], top_right[..., 1])
        assert torch.equal(top_left[..., 0], bottom_left[..., 0])


def test_unreadable_images_take_their_regions_along() -> None:
    batches = training(people(16, broken=(1, 5, 6)), batch_size=8)
    assert sum(len(batch.images) for batch in batches) == 13
    for batch in batches:
        check_against_keypoints(batch, VIEW.height, VIEW.width)


def test_cached_images_and_epochs_asked_for_again_give_the_same_regions() -> None:
    samples = people(8)
    for first, second in zip(training(samples), training(samples, cache_bytes=2**20), strict=True):
        assert torch.equal(first.regions, second.regions)  # type: ignore[arg-type]


def test_keypoint_sets_without_regions_have_none_and_the_same_bits_otherwise() -> None:
    samples = people(8)
    for batch, plain in zip(training(samples), training(samples, keypoints=NO_REGIONS), strict=True):
        assert plain.regions is None
        assert plain.regions_known is None
        for name in ("images", "keypoints", "labelled"):
            assert torch.equal(getattr(batch, name), getattr(plain, name))


def image_batches(samples: list[Sample], view: View, augmentation: ImageAugmentation) -> list[Batch]:
    loader = image_loader(
        samples,
        view=view,
        keypoints=CORNERS,
        augmentation=augmentation,
        batch_size=4,
        seed=1,
        workers=0,
        device=CPU,
        on_unreadable=str,
    )
    return list(loader.epoch(0))


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_points_of_regions_go_where_keypoints_go_in_whole_images(mosaic: float) -> None:
    view = View("image", 96, 128, 32)
    batches = image_batches(people(12, each=2), view, ImageAugmentation(mosaic=mosaic))
    assert sum(len(batch.keypoints) for batch in batches) > 12
    for batch in batches:
        check_against_keypoints(batch, 96, 128)


def test_whole_images_are_evaluated_with_regions() -> None:
    view = View("image", 96, 128, 32)
    samples = [*people(3, each=2), Sample(9, Plain(), 120, 100, ())]
    images = EvaluatedImages(samples, view, CORNERS, rectangular=True, workers=0, on_unreadable=str)
    (batch,) = images.batches(100, device=CPU)
    assert batch.regions is not None
    assert batch.regions.shape == (6, 3, 5, 2)
    check_against_keypoints(batch, *batch.images.shape[2:])


def test_parts_and_joined_batches_take_regions_along() -> None:
    view = View("image", 96, 128, 32)
    for batch in (
        *training(people(8), batch_size=8),
        *image_batches(people(4, each=2), view, ImageAugmentation()),
    ):
        again = joined(part(batch, 0, 3), part(batch, 3, len(batch.images)))
        for name, value in vars(batch).items():
            assert (value is None) == (getattr(again, name) is None)
        check_against_keypoints(part(batch, 1, 3), *batch.images.shape[2:])
        assert again.regions is not None
        assert len(again.regions) == len(batch.keypoints)


def test_boxes_are_the_annotated_ones_else_around_keypoints_that_are_all_labelled() -> None:
    pose = person(0).keypoints
    annotated = {"face": (1.0, 2.0, 3.0, 4.0), "head": (0.0, 0.0, 9.0, 9.0)}
    around = region_boxes({}, pose, CORNERS)
    assert {name: pytest.approx(box) for name, box in person(0).regions.items()} == around
    assert region_boxes(annotated, pose, CORNERS) == {**around, "face": annotated["face"]}
    pose[7, 2] = 0
    assert set(region_boxes({}, pose, CORNERS)) == {"face", "right"}
    pose[10:, :2] = 5
    assert set(region_boxes({"face": (1.0, 2.0, 3.0, 0.0)}, pose, CORNERS)) == set()


def test_regions_without_a_box_or_outside_the_view_are_unknown() -> None:
    bare = person(0)
    pose = bare.keypoints.copy()
    pose[:, 2] = [2] + [0] * 14
    someone = replace(
        bare, keypoints=pose, regions={"left": (500.0, 500.0, 9.0, 9.0), "face": (1.0, 1, 0, 0)}
    )
    someone = replace(someone, regions={**someone.regions, "right": (1e300, 0.0, 1e300, 5.0)})
    sample = Sample(1, Plain(), 120, 100, (someone,))
    loaded = load_crops(
        person_crops([sample]), [sample], VIEW, keypoints=CORNERS, workers=0, on_unreadable=str
    )
    (batch,) = loaded.batches(1, device=CPU)
    assert batch.regions is not None
    assert batch.regions_known is not None
    assert batch.regions_known.tolist() == [[0.0, 0.0, 0.0]]
    assert torch.isfinite(batch.regions).all()
