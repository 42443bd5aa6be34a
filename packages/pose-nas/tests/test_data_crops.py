"""Crops: who is in them, what a batch holds, and that an epoch can be repeated bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import keypoint_set_from_names
from posenas.contract.levels import Level
from posenas.contract.normalisation import IMAGENET
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.affine import crop_matrix, transform, warp
from posenas.data.augment import Augmentation
from posenas.data.channels import to_unit
from posenas.data.crops import crop_loader, load_crops
from posenas.data.images.file_image import FileImage
from posenas.data.loader import ViewLoader
from posenas.data.normalising import normalise
from posenas.data.person_crop import person_crops
from posenas.data.reading import ReadCrops
from posenas.networks.heatmaps.encoding import Encoding
from posenas.networks.heatmaps.view import Crop
from posenas.standard.heads.heatmap import HeatmapHead

VIEW = View("person", height=32, width=24)
KEYPOINTS = keypoint_set_from_names(["nose", "left_hand", "right_hand"])
PLAIN = Augmentation(flip=0, scale=0, rotation=0, half_body=0, shift=0, colour=0)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class NoiseImage:
    """An image that is drawn from its number; every `broken` one cannot be read."""

    number: int
    broken: bool = False
    reads: list[int] = field(default_factory=list)

    def read(self) -> np.ndarray:
        self.reads.append(self.number)
        if self.broken:
            raise UnreadableImageError(f"image {self.number}: out of order")
        return np.random.default_rng(self.number).integers(0, 256, (60, 80, 3)).astype(np.uint8)

    def __str__(self) -> str:
        return f"image {self.number}"


def person(number: int, **changes: object) -> Person:
    rng = np.random.default_rng(number)
    pose = np.column_stack([rng.uniform((25, 15), (45, 35), (3, 2)), (2, 1, 2)])
    return Person(**{"box": (20.0, 10.0, 30.0, 40.0), "keypoints": pose, "area": 1200.0, **changes})


def make_samples(images: int, *, people: int = 1, broken: tuple[int, ...] = ()) -> list[Sample]:
    return [
        Sample(
            id=100 + number,
            source=NoiseImage(number, number in broken),
            width=80,
            height=60,
            people=tuple(person(10 * number + index) for index in range(people)),
        )
        for number in range(images)
    ]


def make_loader(samples: list[Sample], **changes: object) -> ViewLoader[ReadCrops]:
    options = {
        "view": VIEW,
        "keypoints": KEYPOINTS,
        "augmentation": Augmentation(),
        "batch_size": 4,
        "seed": 7,
        "workers": 0,
        "device": CPU,
        "on_unreadable": lambda message: pytest.fail(message),
    }
    return crop_loader(person_crops(samples), samples, **{**options, **changes})


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(getattr(one, name), getattr(other, name))
        for one, other in zip(first, second, strict=True)
        for name in ("images", "keypoints", "labelled")
    )


def test_cached_images_give_the_same_batches_and_are_read_once(monkeypatch):
    samples = make_samples(8)
    reads: list[str] = []
    source = type(samples[0].source)
    read = source.read
    monkeypatch.setattr(source, "read", lambda self: (reads.append(str(self)), read(self))[1])
    plain = [batch for epoch in range(3) for batch in make_loader(samples).epoch(epoch)]
    assert len(reads) > 2 * len(samples)
    reads.clear()
    loader = make_loader(samples, cache_bytes=2**20)
    cached = [batch for epoch in range(3) for batch in loader.epoch(epoch)]
    assert len(reads) == len(set(reads)) <= len(samples)
    assert all(torch.equal(one.images, two.images) for one, two in zip(plain, cached, strict=True))


def test_crops_are_of_labelled_people_who_are_no_crowd():
    nobody = np.zeros((3, 3))
    people = (person(0), person(1, crowd=True), person(2, keypoints=nobody), person(3))
    samples = [Sample(1, NoiseImage(0), 80, 60, ()), Sample(2, NoiseImage(1), 80, 60, people)]
    labelled = person_crops(samples, require_keypoints=True)
    assert [(crop.sample, crop.score) for crop in labelled] == [(1, 1.0), (1, 1.0)]
    assert [crop.keypoints is people[index].keypoints for crop, index in zip(labelled, (0, 3), strict=True)]
    assert len(person_crops(samples, require_keypoints=False)) == 3


def literal_batch(samples: list[Sample], order: list[int]) -> Batch:
    """Crops without augmentation, one by one, in a given order."""
    images, keypoints, labelled = [], [], []
    for index in order:
        person = samples[index].people[0]
        matrix = crop_matrix(person.box, VIEW)
        crop = warp(samples[index].source.read(), matrix, VIEW).astype(np.float64) / 255
        images.append(((crop - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1))
        keypoints.append(transform(matrix, person.keypoints[:, :2]))
        labelled.append(person.keypoints[:, 2] > 0)
    return Batch(*(torch.from_numpy(np.array(each)).float() for each in (images, keypoints, labelled)))


def test_batch_holds_normalised_crops_and_their_keypoints():
    samples = make_samples(8)
    expected = literal_batch(samples, list(range(8)))
    seen = []
    for batch in make_loader(samples, augmentation=PLAIN).epoch(0):
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        for image, keypoints, labelled in zip(batch.images, batch.keypoints, batch.labelled, strict=True):
            index = int((expected.keypoints - keypoints).abs().sum(dim=(1, 2)).argmin())
            seen.append(index)
            torch.testing.assert_close(image, expected.images[index], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(keypoints, expected.keypoints[index])
            torch.testing.assert_close(labelled, expected.labelled[index])
    assert sorted(seen) == list(range(8))
    assert seen != list(range(8))


def test_keypoints_outside_the_view_or_unlabelled_count_as_unlabelled():
    pose = np.array([(35.0, 30.0, 2), (35.0, 30.0, 0), (500.0, 30.0, 2)])
    samples = [Sample(1, NoiseImage(0), 80, 60, (person(0, keypoints=pose),))]
    (batch,) = make_loader(samples, augmentation=PLAIN).epoch(0)
    assert batch.labelled.tolist() == [[1.0, 0.0, 0.0]]


@dataclass(frozen=True)
class HandsImage:
    """Red where the left hand is, green where the right hand is."""

    def read(self) -> np.ndarray:
        image = np.zeros((60, 80, 3), np.uint8)
        image[28:33, 28:33, 0] = 255
        image[28:33, 40:45, 1] = 255
        return image

    def __str__(self) -> str:
        return "hands"


def test_in_a_mirrored_crop_the_right_hand_has_become_the_left_one():
    pose = np.array([(36.0, 20.0, 2), (30.0, 30.0, 2), (42.0, 30.0, 2)])
    samples = [Sample(1, HandsImage(), 80, 60, (person(0, keypoints=pose),))]
    for flip, left_hand_colour in ((0, 0), (1, 1)):
        augmentation = Augmentation(flip=flip, scale=0.1, rotation=30, half_body=0, colour=0)
        for epoch in range(5):
            (batch,) = make_loader(samples, augmentation=augmentation).epoch(epoch)
            for keypoint, colour in ((1, left_hand_colour), (2, 1 - left_hand_colour)):
                x, y = batch.keypoints[0, keypoint].round().int().tolist()
                assert int(batch.images[0, :2, y, x].argmax()) == colour


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_epoch_is_the_same_bits_whatever_the_workers_and_the_order_of_asking():
    samples = make_samples(11, people=2)
    with make_loader(samples) as loader:
        epochs = [list(loader.epoch(number)) for number in range(3)]
    assert [len(epoch) for epoch in epochs] == [5, 5, 5]
    assert not same(epochs[0], epochs[1])
    for workers in (1, 2):
        with make_loader(samples, workers=workers) as loader:
            for number in (2, 0):
                assert same(list(loader.epoch(number)), epochs[number])
    with make_loader(samples, seed=8) as loader:
        assert not same(list(loader.epoch(0)), epochs[0])


def test_epoch_that_was_left_early_can_be_repeated():
    samples = make_samples(20)
    whole = list(make_loader(samples).epoch(3))
    with make_loader(samples, workers=1) as loader:
        next(loader.epoch(3))
        assert same(list(loader.epoch(3)), whole)


def test_torch_generator_is_left_alone():
    state = torch.get_rng_state()
    with make_loader(make_samples(5), workers=1) as loader:
        list(loader.epoch(0))
    assert torch.equal(torch.get_rng_state(), state)


def test_steps_leave_out_the_rest_that_fills_no_batch():
    for images, steps, sizes in ((9, 2, [4, 4]), (8, 2, [4, 4]), (3, 1, [3])):
        loader = make_loader(make_samples(images))
        assert loader.steps == steps
        assert [len(batch.images) for batch in loader.epoch(0)] == sizes


def test_closing_ends_the_workers():
    loader = make_loader(make_samples(8), workers=1)
    list(loader.epoch(0))
    assert len(multiprocessing.active_children()) == 1
    loader.close()
    assert not multiprocessing.active_children()
    with pytest.raises(RuntimeError, match="closed"):
        next(loader.epoch(1))


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_image_is_left_out_and_reported_once(workers):
    reported: list[str] = []
    samples = make_samples(24, broken=(5,))
    with make_loader(samples, workers=workers, on_unreadable=reported.append) as loader:
        for epoch in range(3):
            assert sum(len(batch.images) for batch in loader.epoch(epoch)) == 23
    assert reported == ["image 5: out of order"]


def test_too_many_unreadable_images_end_the_epoch():
    reported: list[str] = []
    loader = make_loader(
        make_samples(40, broken=(1, 5, 9, 20)), on_unreadable=reported.append, max_unreadable=0.05
    )
    with pytest.raises(PosenasError, match=r"3 of 40 images.*0\.05.*out of order") as caught:
        list(loader.epoch(0))
    assert len(reported) >= 3
    assert all(message in str(caught.value) for message in reported[:3])


def test_batch_without_a_readable_image_is_left_out():
    loader = make_loader(make_samples(2, broken=(0, 1)), batch_size=1, max_unreadable=1, on_unreadable=str)
    assert list(loader.epoch(0)) == []


def test_nobody_to_train_or_evaluate_on():
    samples = make_samples(2, people=0)
    with pytest.raises(PosenasError, match="nobody to train on"):
        make_loader(samples)
    with pytest.raises(PosenasError, match="nobody to evaluate on"):
        load_crops([], samples, VIEW, keypoints=KEYPOINTS, workers=0, on_unreadable=str)


@pytest.mark.parametrize("workers", [0, 1])
def test_loaded_crops_keep_their_order_and_lead_back_to_the_image(workers):
    samples = make_samples(70, broken=(3,))
    progress: list[tuple[int, int]] = []
    loaded = load_crops(
        person_crops(samples),
        samples,
        VIEW,
        keypoints=KEYPOINTS,
        workers=workers,
        on_unreadable=str,
        progress=lambda done, total: progress.append((done, total)),
    )
    kept = [index for index in range(70) if index != 3]
    assert len(loaded) == 69
    assert loaded.image_ids.tolist() == [100 + index for index in kept]
    assert loaded.box_scores.tolist() == [1.0] * 69
    assert progress == [(64, 70), (70, 70)]
    boxes = np.array([samples[index].people[0].box for index in kept])
    pitch = (boxes[:, 2:] * 1.25 / (VIEW.width - 1, VIEW.height - 1)).max(axis=1)
    np.testing.assert_allclose(loaded.areas, pitch**2 * (VIEW.width - 1) * (VIEW.height - 1))
    in_image = transform(loaded.inverses, loaded.keypoints.double().numpy())
    truth = [samples[index].people[0].keypoints[:, :2] for index in kept]
    np.testing.assert_allclose(in_image, truth, atol=1e-4)

    expected = literal_batch(samples, kept)
    parts = list(loaded.batches(32, device=CPU))
    assert [len(part.images) for part in parts] == [32, 32, 5]
    assert all(part.images.is_contiguous(memory_format=torch.channels_last) for part in parts)
    torch.testing.assert_close(
        torch.cat([part.images for part in parts]), expected.images, atol=1e-5, rtol=1e-5
    )
    assert torch.equal(torch.cat([part.labelled for part in parts]), expected.labelled)


@pytest.mark.parametrize("crop", ["udp", "standard"])
@pytest.mark.parametrize(("encoding", "allowed"), [("gaussian", 0.5), ("udp", 0.02), ("dark", 0.02)])
def test_people_come_back_through_crop_maps_and_decoding(
    encoding: Encoding, allowed: float, crop: Crop
) -> None:
    """Within so many pixels of a map, in the image, by either crop rule."""
    samples = make_samples(8)
    head = HeatmapHead(input_size=(128, 96), encoding=encoding, crop=crop, loss="mse", sigma=2.0)
    module = head.build([Level("out", 4, 8)], KEYPOINTS)
    loaded = load_crops(
        person_crops(samples), samples, head.view(), keypoints=KEYPOINTS, workers=0, on_unreadable=str
    )
    (batch,) = loaded.batches(8, device=CPU)
    found = loaded.locate([module.decode(module.targets(batch).maps(), batch)])
    truth = np.array([sample.people[0].keypoints[:, :2] for sample in samples])
    map_pixel = 4 * 40 * 1.25 / (127 if crop == "udp" else 128)
    assert np.abs(found.keypoints - truth).max() <= allowed * map_pixel + 1e-4


def test_loaded_crops_are_looked_up_to_the_bits_that_training_computes():
    samples = make_samples(4)
    loaded = load_crops(
        person_crops(samples), samples, VIEW, keypoints=KEYPOINTS, workers=0, on_unreadable=str
    )
    (batch,) = loaded.batches(4, device=CPU)
    assert torch.equal(batch.images, normalise(to_unit(loaded.images), IMAGENET))


def test_image_is_read_once_for_its_neighbouring_crops():
    samples = make_samples(3, people=4)
    load_crops(person_crops(samples), samples, VIEW, keypoints=KEYPOINTS, workers=0, on_unreadable=str)
    assert [sample.source.reads for sample in samples] == [[0], [1], [2]]


def test_too_many_unreadable_images_end_the_loading():
    samples = make_samples(4, broken=(2,))
    with pytest.raises(PosenasError, match="1 of 4 images cannot be read"):
        load_crops(person_crops(samples), samples, VIEW, keypoints=KEYPOINTS, workers=0, on_unreadable=str)


INTERRUPTED = """
import itertools, sys, torch
sys.path.insert(0, {folder!r})
from test_data_crops import make_loader, make_samples
with make_loader(make_samples(400), workers=2) as loader:
    for number in itertools.count():
        for batch in loader.epoch(number):
            print("batch", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups to interrupt")
def test_interrupt_is_the_main_process_affair():
    code = INTERRUPTED.format(folder=os.path.dirname(__file__))  # noqa: PTH120
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline() == "batch\n"
    os.killpg(process.pid, signal.SIGINT)
    started = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 10
    assert errors.count("Traceback") == 1, errors
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors


def resized(samples: list[Sample], **size: int) -> list[Sample]:
    return [replace(sample, **size) for sample in samples]


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_another_size_than_annotated_are_told_once(workers):
    samples = [*resized(make_samples(5), width=81), *resized(make_samples(3), width=60, height=80)]
    told: list[str] = []
    with make_loader(samples, on_unreadable=told.append, batch_size=8, workers=workers) as loader:
        for epoch in range(2):
            list(loader.epoch(epoch))
    other, exchanged = sorted(told, reverse=True)
    assert other.startswith("5 images have another size than annotated, so people may be annotated elsewhere")
    assert "is 80 x 60, not 81 x 60" in other
    assert exchanged.startswith("3 images have another size than annotated: width and height are exchanged: ")
    evaluated: list[str] = []
    load_crops(
        person_crops(samples),
        samples,
        VIEW,
        keypoints=KEYPOINTS,
        workers=workers,
        on_unreadable=evaluated.append,
    )
    assert [text.split(": ")[0] for text in evaluated] == [other.split(": ")[0], exchanged.split(": ")[0]]


def test_an_epoch_that_is_left_tells_what_it_saw():
    told: list[str] = []
    with make_loader(resized(make_samples(8), height=61), on_unreadable=told.append, batch_size=4) as loader:
        next(loader.epoch(0))
    (line,) = told
    assert line.startswith("4 images have another size")


def test_pictures_of_12_bits_are_told(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((60, 80), 4000, np.uint16))
    (sample,) = make_samples(1)
    told: list[str] = []
    loaded = load_crops(
        person_crops([sample]),
        [replace(sample, source=FileImage(tmp_path / "deep.png"))],
        VIEW,
        keypoints=KEYPOINTS,
        workers=0,
        on_unreadable=told.append,
    )
    assert int(loaded.images[0, 16, 12, 0]) == 4000 >> 4
    (line,) = told
    assert line.startswith("1 images of 16 bits use fewer of them and are stretched to what they use: ")
    assert line.split("; ")[0].endswith("deep.png uses 12")
