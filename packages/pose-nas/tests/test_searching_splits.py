"""The people of a run: who is trained on, who ranks, who scores; and that no image is on two sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.samples import Sample, UnreadableImageError
from posenas.data.augment import Augmentation
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.searching.splits import PairedLoader, Splits
from toy_search import Colour, ToyDataset, composed, refuse, sample

STILL = Augmentation(flip=0, scale=0, rotation=0, colour=0)


def people_of(train: Iterable[Sample] = (), *, warn: Any = refuse, seed: int = 0, **changes: Any) -> Splits:
    dataset = ToyDataset(train=tuple(train)) if train else ToyDataset()
    settings = {
        "held_out": changes.pop("held_out", 0.25),
        "ranking_people": changes.pop("ranking_people", 256),
    }
    composition = composed(
        dataset=dataset,
        evaluation=EvaluationSettings(flip_test=False, **settings),
        augmentation=STILL,
        recipe=replace(composed().recipe, seed=seed),
        **changes,
    )
    return Splits(composition, warn=warn, advance=lambda *_: None)


def ids_of(people: Splits, split: str) -> list[int]:
    return [each.id for each in people.evaluated(split)[0].samples]


def shades(people: Splits, split: str, *, seed: int = 0, epoch: int = 0) -> list[int]:
    """The pictures of an epoch by their grey, in order."""
    with people.training(split, seed=seed) as loader:
        means = torch.cat([batch.images.mean(dim=(1, 2, 3)) for batch in loader.epoch(epoch)])
    normalised = (0.0 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    scale = np.mean(1 / np.array([0.229, 0.224, 0.225])) / 255
    return [round(float((mean - normalised.mean()) / scale)) for mean in means]


def bright(number: int) -> list[Sample]:
    """Pictures of different greys, which tell them apart in a batch."""
    return [replace(sample(index), source=Colour(10 * index)) for index in range(1, number + 1)]


def test_ranking_people_are_held_out_by_image_and_the_rest_is_trained_on() -> None:
    pictures = bright(12)
    people = people_of(pictures)
    ranking, fit = ids_of(people, "ranking"), ids_of(people, "fit")
    assert len(ranking) == 3
    assert sorted(ranking + fit) == [each.id for each in pictures]
    assert ids_of(people, "train") == [each.id for each in pictures]
    assert ids_of(people, "val") == [101, 102, 103, 104]
    trained = shades(people, "fit")
    assert set(trained) <= {10 * identifier for identifier in fit}
    assert len(set(trained)) == 8, "of nine, one fills no batch of four"


def test_who_is_held_out_depends_on_the_seed_and_the_ids_alone() -> None:
    pictures = bright(12)
    first = ids_of(people_of(pictures), "ranking")
    assert ids_of(people_of(reversed(pictures)), "ranking") == first[::-1]
    assert ids_of(people_of(bright(12)), "ranking") == first
    others = {tuple(ids_of(people_of(pictures, seed=seed), "ranking")) for seed in range(6)}
    assert len(others) > 3


def test_an_image_with_several_people_stays_on_one_side() -> None:
    people = people_of([sample(number, people=3) for number in range(1, 9)])
    ranking, fit = ids_of(people, "ranking"), ids_of(people, "fit")
    assert not set(ranking) & set(fit)
    truth, views = people.evaluated("ranking")
    assert len(views) == 3 * len(truth.samples) == 6


@pytest.mark.parametrize(("most", "images"), [(256, 4), (6, 2), (4, 2), (1, 1)])
def test_no_more_people_are_held_out_than_rank(most: int, images: int) -> None:
    """Each image shows three: the last one may bring more than are needed."""
    pictures = [sample(number, people=3) for number in range(1, 9)]
    people = people_of(pictures, held_out=0.5, ranking_people=most)
    assert len(ids_of(people, "ranking")) == images


@pytest.mark.parametrize(
    ("people", "rank"),
    [(30, 256), (5_120, 256), (5_200, 260), (40_000, 2_000), (60_000, 3_000), (150_000, 3_000)],
)
def test_by_default_a_share_of_the_people_ranks_between_two_bounds(people: int, rank: int) -> None:
    assert EvaluationSettings().most_ranking(people) == rank
    assert EvaluationSettings(ranking_people=77).most_ranking(people) == 77


@pytest.mark.parametrize(("images", "rank"), [(100, 258), (200, 300)])
def test_many_people_are_ranked_by_more(images: int, rank: int) -> None:
    """Each image shows thirty, or three where those of ten images are too few for a share."""
    shown = 3 if images == 100 else 30
    pictures = [sample(number, people=shown) for number in range(1, images + 1)]
    people = people_of(pictures, held_out=0.9, ranking_people="auto")
    assert sum(len(each.people) for each in people.evaluated("ranking")[0].samples) == rank


def filmed(videos: int, *, length: int) -> list[Sample]:
    return [
        replace(each, video=f"video{(each.id - 1) // length}", frame=(each.id - 1) % length)
        for each in (
            replace(sample(number), source=Colour(number % 25)) for number in range(1, videos * length + 1)
        )
    ]


def test_the_frames_of_a_video_stay_on_one_side() -> None:
    people = people_of(filmed(6, length=4))
    sides = [{each.video for each in people.evaluated(split)[0].samples} for split in ("fit", "ranking")]
    assert [len(side) for side in sides] == [4, 2]
    assert not sides[0] & sides[1]


def test_one_video_is_cut_into_stretches_even_beside_images_of_nobody() -> None:
    nobody = replace(sample(99), people=())
    people = people_of([*filmed(1, length=80), nobody], held_out=0.1)
    held = sorted(each.frame or 0 for each in people.evaluated("ranking")[0].samples)
    assert len(held) == 8
    assert {frame // 4 for frame in held} == {held[0] // 4, held[4] // 4}


def test_at_least_one_image_stays_on_either_side() -> None:
    few = people_of(bright(2), held_out=0.01)
    assert (len(ids_of(few, "ranking")), len(ids_of(few, "fit"))) == (1, 1)
    most = people_of(bright(2), held_out=0.99)
    assert (len(ids_of(most, "ranking")), len(ids_of(most, "fit"))) == (1, 1)


def test_images_without_anybody_are_never_held_out() -> None:
    empty = [sample(number, people=0) for number in range(20, 40)]
    people = people_of([*bright(4), *empty])
    assert len(ids_of(people, "ranking")) == 1
    assert ids_of(people, "ranking")[0] < 20


def test_where_nobody_is_held_out_val_ranks_and_all_are_trained_on() -> None:
    people = people_of(held_out=0.0)
    assert people.ranking_split == "val"
    assert ids_of(people, "fit") == ids_of(people, "train")
    assert people_of().ranking_split == "ranking"


def test_halves_share_no_image_and_come_in_pairs() -> None:
    people = people_of(bright(12))
    with people.training("halves", seed=0) as loader:
        assert loader.steps == 1
        (batch,) = loader.epoch(0)
    assert len(batch.images) == 8
    firsts, seconds = set(), set()
    for epoch in range(8):
        order = shades(people, "halves", epoch=epoch)
        firsts |= set(order[:4])
        seconds |= set(order[4:])
    assert (len(firsts), len(seconds)) == (6, 6)
    assert not firsts & seconds


def test_an_empty_half_is_refused_before_anything_is_read() -> None:
    people = people_of(bright(1), held_out=0.0)
    with (
        pytest.raises(PosenasError, match=r"at least 2 images of `train`.*and 1 shows somebody"),
        people.training("halves", seed=0),
    ):
        pass


def test_training_batches_depend_on_seed_and_epoch_alone() -> None:
    people = people_of(bright(12))
    first = shades(people, "fit", seed=1, epoch=2)
    assert shades(people_of(bright(12)), "fit", seed=1, epoch=2) == first
    assert shades(people, "fit", seed=1, epoch=3) != first
    assert shades(people, "fit", seed=2, epoch=2) != first


def test_what_was_read_is_kept() -> None:
    told: list[str] = []
    composition = composed()
    people = Splits(composition, warn=refuse, advance=lambda task, _done, _total: told.append(task))
    first = people.evaluated("val")
    calls = len(told)
    assert people.evaluated("val") is first
    assert people.calibration(4) is people.calibration(4)
    assert len(told) - calls == 1
    assert set(told[:calls]) == {"reading the people of val"}
    assert set(told[calls:]) == {"reading the people for batch norm"}


@pytest.mark.parametrize(("number", "found"), [(4, 4), (9, 9), (100, 9)])
def test_calibration_takes_so_many_people_of_fit(number: int, found: int) -> None:
    people = people_of(bright(12))
    views = people.calibration(number)
    assert len(views) == found
    (batch,) = views.batches(100, device=torch.device("cpu"))
    (again,) = people_of(bright(12)).calibration(number).batches(100, device=torch.device("cpu"))
    assert torch.equal(batch.images, again.images)
    (other,) = people_of(bright(12), seed=1).calibration(number).batches(100, device=torch.device("cpu"))
    assert not torch.equal(batch.images, other.images)


@dataclass(frozen=True)
class Torn:
    """A picture that cannot be read."""

    def read(self) -> Any:
        raise UnreadableImageError("torn.png: is no image")

    def __str__(self) -> str:
        return "torn.png"


def test_an_unreadable_image_is_told_once_in_all_trainings_of_a_search() -> None:
    told: list[str] = []
    pictures = [*bright(11), replace(sample(12), source=Torn())]
    settings = TrainingSettings(batch_size=4, workers=0, max_unreadable=0.5)
    people = people_of(pictures, warn=told.append, held_out=0.0, training=settings)
    for seed in (1, 2):
        shades(people, "train", seed=seed)
    people.evaluated("train")
    assert len(told) == len(set(told))
    assert sum("torn.png" in text for text in told) >= 1


@dataclass
class Given:
    """A loader of batches that are there."""

    sizes: Sequence[int]
    value: float

    @property
    def steps(self) -> int:
        return len(self.sizes)

    def epoch(self, number: int) -> Iterator[Batch]:
        for size in self.sizes:
            images = torch.full((size, 3, 2, 2), self.value + number)
            yield Batch(images, torch.zeros(size, 2, 2), torch.ones(size, 2))


def test_pairs_end_with_the_shorter_loader_and_are_cut_to_the_smaller_batch() -> None:
    first, second = Given((4, 3, 4), 0.0), Given((4, 4), 10.0)
    loader = PairedLoader(first, second)
    assert loader.steps == 2
    found = [batch.images[:, 0, 0, 0].tolist() for batch in loader.epoch(1)]
    assert found == [[1.0] * 4 + [11.0] * 4, [1.0] * 3 + [11.0] * 3]


def test_boxes_of_a_detector_are_for_val_alone(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.json"
    boxes.write_text(
        '[{"image_id": 101, "category_id": 1, "bbox": [2, 2, 12, 12], "score": 0.9},'
        ' {"image_id": 101, "category_id": 1, "bbox": [3, 3, 10, 10], "score": 0.8}]'
    )
    evaluation = EvaluationSettings(held_out=0.25, flip_test=False, boxes=str(boxes))
    people = Splits(composed(evaluation=evaluation), warn=refuse, advance=lambda *_: None)
    assert len(people.evaluated("val")[1]) == 2
    assert len(people.evaluated("ranking")[1]) == 3
