"""Training and evaluation see the same pixels with files of images and crops as without, and keep them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import keypoint_set_from_names
from posenas.contract.samples import Person, Sample
from posenas.data import caches, crops, image_cache
from posenas.data.augment import Augmentation
from posenas.data.caches import DecodedCache, decoded_cache
from posenas.data.crops import EvaluatedCrops, crop_loader, load_crops
from posenas.data.images.file_image import FileImage
from posenas.data.mosaic import ImageAugmentation
from posenas.data.person_crop import person_crops
from posenas.data.stored_crops import CropsInFile, CropsReadAgain
from posenas.data.whole_images import image_loader

CPU = torch.device("cpu")
KEYPOINTS = keypoint_set_from_names(["nose", "left_hand", "right_hand"])
VIEW = View("person", 32, 24)


class Usage(NamedTuple):
    free: int


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Six photographs of two people each; one of 12 bits, one of another size than annotated."""
    (tmp_path / "images").mkdir()
    made = []
    for number in range(6):
        rng = np.random.default_rng(number)
        image = rng.integers(0, 256, (60, 80, 3), np.uint8)
        path = tmp_path / "images" / f"{number}.png"
        cv2.imwrite(str(path), image.astype(np.uint16) * 8 if number == 1 else image)
        people = tuple(person(rng) for _ in range(2))
        made.append(Sample(number, FileImage(path), 81 if number == 2 else 80, 60, people))
    return made


def person(rng: np.random.Generator) -> Person:
    pose = np.column_stack([rng.uniform((25, 15), (45, 35), (3, 2)), (2, 1, 2)])
    return Person(box=(20.0, 10.0, 30.0, 40.0), keypoints=pose, area=1200.0)


def opened(samples: Sequence[Sample], folder: Path) -> DecodedCache:
    cache = decoded_cache(samples, folder, warn=pytest.fail)
    assert cache is not None
    return cache


def trained_on(
    samples: Sequence[Sample], cache: DecodedCache | None, *, workers: int = 0
) -> tuple[list[Batch], list[str]]:
    """Return the batches of two epochs, and what was told."""
    told: list[str] = []
    with crop_loader(
        person_crops(samples),
        samples,
        view=VIEW,
        keypoints=KEYPOINTS,
        augmentation=Augmentation(half_body=0.3, rotation=45, shift=0.1),
        seed=3,
        batch_size=4,
        workers=workers,
        device=CPU,
        on_unreadable=told.append,
        cache=cache,
    ) as loader:
        return [batch for epoch in range(2) for batch in loader.epoch(epoch)], told


def loaded(
    samples: Sequence[Sample], folder: Path | None, **changes: Any
) -> tuple[EvaluatedCrops, list[str]]:
    told: list[str] = []
    given: dict[str, Any] = {"keypoints": KEYPOINTS, "workers": 0, "on_unreadable": told.append, **changes}
    return load_crops(person_crops(samples), samples, VIEW, folder=folder, **given), told


def same(first: Sequence[Batch], second: Sequence[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(getattr(one, name), getattr(other, name))
        for one, other in zip(first, second, strict=True)
        for name in ("images", "keypoints", "labelled")
    )


def shown(views: EvaluatedCrops) -> list[Batch]:
    return list(views.batches(5, device=CPU))


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    found: list[str] = []
    decode = FileImage.decode
    monkeypatch.setattr(FileImage, "decode", lambda self: (found.append(self.path.name), decode(self))[1])
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_training_batches_are_the_same_bits(samples: list[Sample], tmp_path: Path, workers: int) -> None:
    plain, said = trained_on(samples, None)
    for _ in range(2):  # the file is written, then read
        batches, told = trained_on(samples, opened(samples, tmp_path), workers=workers)
        assert same(batches, plain)
        assert sorted(told) == sorted(said)
    assert len(said) == 2


def test_images_are_decoded_once_for_all_trainings(
    samples: list[Sample], tmp_path: Path, decodes: list[str]
) -> None:
    trained_on(samples, opened(samples, tmp_path))
    del decodes[:]
    trained_on(samples[::-1], opened(samples, tmp_path))  # others, or in another order
    assert set(decodes) == {"2.png"}  # which has not the size that is annotated


def test_a_changed_image_is_decoded_again(samples: list[Sample], tmp_path: Path) -> None:
    trained_on(samples, opened(samples, tmp_path))
    shutil.copy(tmp_path / "images" / "5.png", tmp_path / "images" / "0.png")
    assert same(trained_on(samples, opened(samples, tmp_path))[0], trained_on(samples, None)[0])


def test_whole_images_are_the_same_bits(samples: list[Sample], tmp_path: Path, decodes: list[str]) -> None:
    def pictures(cache: DecodedCache | None) -> list[Batch]:
        loader = image_loader(
            samples,
            view=View("image", 64, 64, stride=32),
            keypoints=KEYPOINTS,
            augmentation=ImageAugmentation(),
            seed=3,
            batch_size=2,
            workers=0,
            device=CPU,
            on_unreadable=lambda _: None,
            cache=cache,
        )
        return list(loader.epoch(0))

    plain = pictures(None)
    assert same(pictures(opened(samples, tmp_path)), plain)
    del decodes[:]
    assert same(pictures(opened(samples, tmp_path)), plain)
    assert set(decodes) == {"2.png"}


def test_a_missing_image_is_told_as_without_the_file(samples: list[Sample], tmp_path: Path) -> None:
    trained_on(samples, opened(samples, tmp_path))
    (tmp_path / "images" / "0.png").unlink()
    with pytest.raises(PosenasError, match="1 of 6 images cannot be read"):
        trained_on(samples, opened(samples, tmp_path))


def test_too_little_disk_or_memory_is_one_line(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: Usage(150_000))
        assert decoded_cache(samples, tmp_path / "cache", warn=told.append) is None
    with monkeypatch.context() as patched:
        patched.setattr(os, "sysconf", lambda _: 290)
        assert decoded_cache(samples, tmp_path / "cache", warn=told.append) is None
    assert list((tmp_path / "cache").iterdir()) == []
    disk, memory = told
    assert "6 images need 0.0 GB on disk, more than half of the 0.0 GB that are free" in disk
    assert "6 images take 0.0 GB decoded, and this machine has 0.0 GB of memory" in memory


def test_room_that_a_file_has_taken_already_is_not_asked_for_again(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on(samples, opened(samples, tmp_path / "cache"))
    (file,) = (tmp_path / "cache").iterdir()
    written = file.stat().st_blocks * 512
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2 * (file.stat().st_size - written) + 2))
    opened(samples, tmp_path / "cache")


def test_a_folder_that_cannot_be_made_is_told(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PosenasError, match="cannot be written"):
        decoded_cache(samples, tmp_path / "file", warn=pytest.fail)


def test_a_full_disk_is_told_once_and_training_goes_on(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    plain, said = trained_on(samples, None)
    monkeypatch.setattr(image_cache.os, "pwrite", full)
    batches, told = trained_on(samples, opened(samples, tmp_path))
    assert same(batches, plain)
    (line,) = set(told) - set(said)
    assert line.startswith("1 files of images fail on disk, so that images are decoded each time: ")
    assert "(No space left on device); free some space, or" in line


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have twelve crops be more than stay in memory."""
    monkeypatch.setattr(crops, "MOST_IN_MEMORY", 11 * 32 * 24 * 3)


def test_few_crops_stay_in_memory(samples: list[Sample], tmp_path: Path) -> None:
    views, _ = loaded(samples, tmp_path / "cache")
    assert isinstance(views.images, torch.Tensor)
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("workers", [0, 2])
def test_crops_are_the_same_from_memory_from_a_file_and_read_again(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    broken = replace(samples[0], source=FileImage(tmp_path / "none.png"))
    among = [samples[1], broken, *samples[2:]]
    with monkeypatch.context() as patched:
        patched.setattr(crops, "MOST_IN_MEMORY", 2**20)
        expected, said = loaded(among, None, max_unreadable=0.5)
    for folder, kind in (
        (tmp_path / "a", CropsInFile),
        (tmp_path / "a", CropsInFile),
        (None, CropsReadAgain),
    ):
        views, told = loaded(among, folder, max_unreadable=0.5, workers=workers)
        assert isinstance(views.images, kind)
        assert sorted(told) == sorted(said)
        assert len(views) == 10
        for _ in range(2):
            assert same(shown(views), shown(expected))
        assert np.array_equal(views.inverses, expected.inverses)
        assert np.array_equal(views.image_ids, expected.image_ids)


@pytest.mark.usefixtures("many")
def test_a_resumed_run_does_not_warp_again(samples: list[Sample], tmp_path: Path, decodes: list[str]) -> None:
    first, _ = loaded(samples, tmp_path)
    assert len(decodes) == 6
    again, _ = loaded(samples, tmp_path)
    assert same(shown(first), shown(again))
    assert len(decodes) == 6


@pytest.mark.usefixtures("many")
def test_crops_of_images_that_are_no_files_are_read_again(tmp_path: Path) -> None:
    class Grey:
        def read(self) -> np.ndarray:
            return np.full((60, 80, 3), 77, np.uint8)

    rng = np.random.default_rng(0)
    drawn = [Sample(number, Grey(), 80, 60, (person(rng), person(rng))) for number in range(6)]
    views, _ = loaded(drawn, tmp_path / "cache")
    assert isinstance(views.images, CropsReadAgain)
    assert len(shown(views)) == 3
    assert not (tmp_path / "cache").exists()
    assert decoded_cache(drawn, tmp_path / "cache", warn=pytest.fail) is None


@pytest.mark.usefixtures("many")
def test_what_changes_under_an_evaluation_is_told(samples: list[Sample], tmp_path: Path) -> None:
    in_file, _ = loaded(samples, tmp_path / "cache")
    again, _ = loaded(samples, None)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"\1" * file.stat().st_size)
    with pytest.raises(PosenasError, match="crop 0 was damaged while the file was in use"):
        shown(in_file)
    (tmp_path / "images" / "4.png").unlink()
    with pytest.raises(PosenasError, match=r"4.png: .*it was readable: restore it"):
        shown(again)
    assert len(shown(loaded(samples[:4] + samples[5:], tmp_path / "cache")[0])) == 2


@pytest.mark.usefixtures("many")
def test_an_evaluation_on_a_full_disk_reads_again(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = loaded(samples, None)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache.os, "pwrite", full)
    views, told = loaded(samples, tmp_path / "cache")
    assert isinstance(views.images, CropsReadAgain)
    assert same(shown(views), shown(expected))
    assert sum("fail on disk" in line for line in told) == 1


def test_other_crops_images_and_decoders_have_other_files(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = person_crops(samples)
    moved = [*found[:-1], replace(found[-1], box=(20.0, 10.0, 30.0, 41.0))]
    for chosen, view in ((found, VIEW), (moved, VIEW), (found, replace(VIEW, crop="standard"))):
        caches.crop_cache(chosen, samples, view, tmp_path, warn=pytest.fail)
    opened(samples, tmp_path)
    monkeypatch.setattr(cv2, "__version__", "next")
    opened(samples, tmp_path)
    assert len(list(tmp_path.glob("*.images"))) == 5
