"""What is wrong with a dataset, in words and as a picture, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.batches import View
from posenas.data.crop import crop_matrix, transform, warp
from posenas.data.crops import PersonCrop, person_crops
from posenas.data.images import FileImage
from posenas.drawing import contact_sheet, draw_pose
from posenas.errors import PosenasError
from posenas.samples import UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from posenas.keypoints import KeypointSet
    from posenas.protocols import Dataset
    from posenas.samples import Person, Sample

_VIEW = View("person", height=256, width=224)
_PAIRS_IN_A_ROW = 4
_SEAM = 2
_EXAMPLES = 3
# Labels are rounded, so a pixel beyond the image is no mistake.
_TOLERANCE = 1.0
# Shoulders or hips narrower than this share of the trunk's length are seen from the side: no order to judge.
_SEEN_FROM_THE_SIDE = 0.2


@dataclass(frozen=True)
class SplitReport:
    """A split in figures.

    Attributes:
        people: annotated, without crowds.
        labelled_people: those with at least one labelled keypoint.
        labelled_keypoints: of all people together.
        opened: images that were opened; the others were only looked for.
    """

    name: str
    images: int
    people: int
    labelled_people: int
    labelled_keypoints: int
    crowds: int
    opened: int

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.images} images ({self.opened} opened), {self.people} people, "
            f"{self.labelled_people} of them with {self.labelled_keypoints} labelled keypoints, "
            f"{self.crowds} crowds"
        )


@dataclass(frozen=True)
class DatasetReport:
    """What `check_dataset` saw; no findings means that nothing is wrong."""

    keypoints: tuple[str, ...]
    splits: tuple[SplitReport, ...]
    findings: tuple[str, ...]

    def __str__(self) -> str:
        found = [f"- {finding}" for finding in self.findings] or ["nothing wrong was found"]
        return "\n".join([f"{len(self.keypoints)} keypoints", *map(str, self.splits), *found])


def check_dataset(
    dataset: Dataset, *, samples: int = 16, seed: int, out: Path, open_at_most: int = 1000
) -> DatasetReport:
    """Opens every split, draws people beside their mirrored twins, and lists what is wrong.

    A twin goes through the map and the flip pairs of training, so a wrong pair shows as a crossed skeleton.

    Args:
        samples: people to draw, from all splits alike.
        seed: chooses the people, and the images that are opened where they are too many.
        out: the picture; its folder must exist.
        open_at_most: images of each split that are decoded; every file is looked for.

    Raises:
        PosenasError: where a split cannot be opened at all, or the picture cannot be written.
    """
    rng = np.random.default_rng(seed)
    keypoints = dataset.keypoints()
    splits = {name: dataset.split(name) for name in dataset.splits()}
    reports, findings = [], _check_names(keypoints) + _check_overlap(splits)
    for name, content in splits.items():
        chosen = np.sort(rng.permutation(len(content))[:open_at_most]).tolist()
        reports.append(_report(name, content, opened=len(chosen)))
        checks = (
            _check_files(content, chosen),
            _check_ids(content),
            _check_people(content),
            _check_labels(content, keypoints),
        )
        findings += [f"{name}: {finding}" for each in checks for finding in each]
    _draw(splits, keypoints, samples, rng=rng, out=out)
    return DatasetReport(keypoints.names, tuple(reports), tuple(findings))


def _report(name: str, samples: Sequence[Sample], *, opened: int) -> SplitReport:
    everybody = [person for sample in samples for person in sample.people]
    people = [person for person in everybody if not person.crowd]
    labelled = [int((person.keypoints[:, 2] > 0).sum()) for person in people]
    return SplitReport(
        name=name,
        images=len(samples),
        people=len(people),
        labelled_people=sum(count > 0 for count in labelled),
        labelled_keypoints=sum(labelled),
        crowds=len(everybody) - len(people),
        opened=opened,
    )


def _check_names(keypoints: KeypointSet) -> list[str]:
    paired = {index for pair in keypoints.flip_pairs for index in pair}
    alone = [
        name
        for index, name in enumerate(keypoints.names)
        if index not in paired and ("left" in name.lower() or "right" in name.lower())
    ]
    return (
        [f"no mirror image is known for {_examples(alone)}: mirroring keeps the side wrong"] if alone else []
    )


def _check_overlap(splits: dict[str, Sequence[Sample]]) -> list[str]:
    counts = Counter(str(source) for content in splits.values() for source in {s.source for s in content})
    shared = [source for source, count in counts.items() if count > 1]
    return [f"{len(shared)} images are in more than one split: {_examples(shared)}"] if shared else []


def _check_files(samples: Sequence[Sample], chosen: Sequence[int]) -> Iterator[str]:
    missing = {
        index
        for index, sample in enumerate(samples)
        if isinstance(sample.source, FileImage) and not sample.source.path.is_file()
    }
    yield from _finding("images are missing", (str(samples[index].source) for index in sorted(missing)))
    unreadable, resized = [], []
    for index in chosen:
        sample = samples[index]
        if index in missing:
            continue
        try:
            height, width, _ = sample.source.read().shape
        except UnreadableImageError as error:
            unreadable.append(str(error))
            continue
        if (width, height) != (sample.width, sample.height):
            resized.append(f"{sample.source} is {width} x {height}, not {sample.width} x {sample.height}")
    yield from _finding("images cannot be read", unreadable)
    yield from _finding("images have another size than annotated", resized)


def _check_ids(samples: Sequence[Sample]) -> Iterator[str]:
    images = Counter(sample.id for sample in samples)
    yield from _finding(
        "image ids are used twice", (str(each) for each, count in images.items() if count > 1)
    )
    people = Counter(person.id for sample in samples for person in sample.people)
    # A person's id is optional: 0 says that there is none.
    twice = (str(each) for each, count in people.items() if count > 1 and each)
    yield from _finding("ids of people are used twice", twice)


def _check_people(samples: Sequence[Sample]) -> Iterator[str]:
    tests = {
        "people have a box of no size": lambda _, person: min(person.box[2:]) <= 0,
        "people have a box wholly outside their image": _box_is_outside,
        "people have a box that reaches beyond their image": _box_reaches_beyond,
        "people have no area, so OKS cannot judge them": lambda _, person: person.area <= 0,
        "people have no labelled keypoint: only heads for whole images learn from them": lambda _, person: (
            not (person.keypoints[:, 2] > 0).any()
        ),
        "people have labelled keypoints outside their image": _keypoint_is_outside,
    }
    for what, test in tests.items():
        yield from _finding(
            what,
            (
                f"{sample.source}, person {person.id}"
                for sample in samples
                for person in sample.people
                if not person.crowd and test(sample, person)
            ),
        )


def _box_is_outside(sample: Sample, person: Person) -> bool:
    x, y, width, height = person.box
    return x + width <= 0 or y + height <= 0 or x >= sample.width or y >= sample.height


def _box_reaches_beyond(sample: Sample, person: Person) -> bool:
    x, y, width, height = person.box
    beyond = max(-x, -y, x + width - sample.width, y + height - sample.height)
    return beyond > _TOLERANCE and not _box_is_outside(sample, person)


def _keypoint_is_outside(sample: Sample, person: Person) -> bool:
    points = person.keypoints[person.keypoints[:, 2] > 0, :2]
    last = np.array([sample.width - 1, sample.height - 1])
    return bool(((points < -_TOLERANCE) | (points > last + _TOLERANCE)).any())


def _check_labels(samples: Sequence[Sample], keypoints: KeypointSet) -> Iterator[str]:
    people = [(sample, person) for sample in samples for person in sample.people if not person.crowd]
    labelled = sum((person.keypoints[:, 2] > 0 for _, person in people), np.zeros(len(keypoints), np.int64))
    if not labelled.any():
        yield "no keypoint of anybody is labelled"
        return
    never = (name for name, count in zip(keypoints.names, labelled, strict=True) if not count)
    yield from _finding("keypoints are never labelled", never)
    twisted = (
        f"{sample.source}, person {person.id}" for sample, person in people if _is_twisted(person, keypoints)
    )
    yield from _finding(
        "people have left and right shoulders against left and right hips: twisted, or labels exchanged",
        twisted,
    )


def _is_twisted(person: Person, keypoints: KeypointSet) -> bool:
    """Whether shoulders and hips, both clearly seen, run in opposite directions across the trunk."""
    pairs = {
        part: pair
        for part in ("shoulder", "hip")
        for pair in keypoints.flip_pairs
        if part in keypoints.names[pair[0]].lower()
    }
    indices = [index for pair in pairs.values() for index in pair]
    if len(pairs) < 2 or not (person.keypoints[indices, 2] > 0).all():
        return False
    left_shoulder, right_shoulder, left_hip, right_hip = person.keypoints[indices, :2]
    trunk = (left_hip + right_hip - left_shoulder - right_shoulder) / 2
    length = float(trunk @ trunk)
    across = (_cross(trunk, left_shoulder - right_shoulder), _cross(trunk, left_hip - right_hip))
    return across[0] * across[1] < 0 and min(map(abs, across)) > _SEEN_FROM_THE_SIDE * length


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(first[0] * second[1] - first[1] * second[0])


def _finding(what: str, cases: Iterable[str]) -> list[str]:
    found = list(cases)
    return [f"{len(found)} {what}: {_examples(found)}"] if found else []


def _examples(found: Sequence[str]) -> str:
    return "; ".join([*found[:_EXAMPLES], *(["..."] if len(found) > _EXAMPLES else [])])


def _draw(
    splits: dict[str, Sequence[Sample]],
    keypoints: KeypointSet,
    count: int,
    *,
    rng: np.random.Generator,
    out: Path,
) -> None:
    people = [
        (name, content[crop.sample], crop)
        for name, content in splits.items()
        for crop in person_crops(content)
    ]
    pictures: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for index in rng.permutation(len(people)):
        if len(pictures) == count:
            break
        name, sample, crop = people[index]
        try:
            pictures.append(_twins(sample.source.read(), crop, keypoints))
        except UnreadableImageError:
            continue
        captions.append(f"{name}: {PurePath(str(sample.source)).name}")
    title = "orange: the person's left, blue: right. Each pair: as annotated, and mirrored as in training."
    sheet = contact_sheet(pictures, columns=_PAIRS_IN_A_ROW, captions=captions, title=title)
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    try:
        out.write_bytes(data.tobytes())
    except OSError as error:
        raise PosenasError(f"{out}: the picture cannot be written: {error.strerror}") from None


def _twins(image: NDArray[np.uint8], crop: PersonCrop, keypoints: KeypointSet) -> NDArray[np.uint8]:
    """The crop with its pose, and beside it the mirrored crop with the mirrored pose."""
    drawn: list[NDArray[np.uint8]] = []
    for flip in (False, True):
        matrix = crop_matrix(crop.box, _VIEW, flip=flip)
        pose = crop.keypoints[list(keypoints.mirrored)] if flip else crop.keypoints
        points = transform(matrix, pose[:, :2])
        drawn.append(
            draw_pose(warp(image, matrix, _VIEW), points, keypoint_set=keypoints, visible=pose[:, 2])
        )
    seam = np.full((_VIEW.height, _SEAM, 3), 255, np.uint8)
    return np.concatenate([drawn[0], seam, drawn[1]], axis=1)
