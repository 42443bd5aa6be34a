"""Findings on a dataset from its annotations alone; no picture is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.components import Noticing
from posenas.contract.finding import Finding, finding
from posenas.data.checking.body_findings import body_findings
from posenas.data.checking.people_table import PeopleTable, people_table
from posenas.data.checking.person_findings import beyond_image, box_findings, label_findings
from posenas.data.checking.region_findings import region_findings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.components import Dataset
    from posenas.contract.samples import Sample

# At least this many images must look exchanged, and this share of those that labels reach beyond.
_EXCHANGED_IMAGES = 3
_EXCHANGED_SHARE = 0.8
# Two pictures with this many equal labelled keypoints are the same picture.
_SAME_LABELS = 3
_NAMES_SHOWN = 60


def find(dataset: Dataset, splits: Sequence[str] = ("train", "val")) -> tuple[Finding, ...]:
    """Return every finding on these splits and on what they have in common.

    Raises:
        PosenasError: if a split cannot be read.
    """
    content = {name: dataset.split(name) for name in splits}
    found = [*unpaired_findings(dataset), *overlap_findings(content)]
    for name, samples in content.items():
        found += split_findings(dataset, name, samples)
    return tuple(found)


def split_findings(dataset: Dataset, name: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    """Yield the findings on one split.

    Args:
        dataset: tells the keypoints and what it noticed itself.
        name: the split's.
        samples: of the split; their sizes may be other ones than annotated.
    """
    keypoints = dataset.keypoints()
    if isinstance(dataset, Noticing):
        yield from dataset.noticed(name)
    crowds = crowd_findings(name, samples)
    yield from crowds
    yield from _id_findings(name, samples)
    table = people_table(samples, len(keypoints), split=name)
    exchanged = _exchanged_images(table)
    yield from finding(
        "images have width and height exchanged, as far as labels tell: people reach beyond them, and would "
        "not in an image turned by 90 degrees",
        (str(samples[index].source) for index in exchanged),
        split=name,
    )
    table = table.with_sizes_exchanged(exchanged)
    nowhere = (table.boxes[:, 2:].max(axis=1, initial=0) <= 0) & ~table.labelled.any(axis=1)
    if nowhere.any() and not nowhere.all():
        yield from table.finding(
            "people have neither a box nor a labelled keypoint, as tools write somebody who is outside the "
            "image; they do not count",
            nowhere,
        )
        table = table.only(~nowhere)
    yield from box_findings(table)
    yield from label_findings(table, keypoints, crowds_labelled=bool(crowds))
    yield from body_findings(table, keypoints)
    yield from region_findings(table, keypoints)


def unpaired_findings(dataset: Dataset) -> list[Finding]:
    """Return the finding on keypoints whose mirror image nobody told, if there are any."""
    remedy = (
        "give the pairs, such as dataset.pairs=LEFT:RIGHT,LEFT:RIGHT, or dataset.pairs=none if there are none"
        if hasattr(dataset, "pairs")
        else "its dataset has no option for the pairs: its authors give them by "
        "keypoint_set_from_names(names, pairs=...), empty if there are none"
    )
    return finding(
        "keypoints have no known mirror image, so nothing is mirrored in training and flip test; " + remedy,
        (name[:_NAMES_SHOWN] for name in dataset.keypoints().unpaired),
    )


def overlap_findings(splits: Mapping[str, Sequence[Sample]]) -> list[Finding]:
    """Return findings on pictures in more than one split.

    Pictures of different names count as one if a person in each has the same labels.
    """
    sources = {name: {str(sample.source) for sample in samples} for name, samples in splits.items()}
    counts = Counter(source for each in sources.values() for source in each)
    # In the order of the samples, so that the examples are the same each time.
    ordered = dict.fromkeys(str(sample.source) for samples in splits.values() for sample in samples)
    shared = {source for source, count in counts.items() if count > 1}
    found = finding("images are in more than one split", (each for each in ordered if each in shared))
    labels = [_labels(samples, without=shared) for samples in splits.values()]
    again = {key for key, count in Counter(key for each in labels for key in each).items() if count > 1}
    copies = {name: None for each in labels for key, name in each.items() if key in again and _tells(key)}
    return found + finding(
        "images of different splits have other names and the same labels, so they are one picture", copies
    )


def _labels(samples: Sequence[Sample], *, without: set[str]) -> dict[bytes, str]:
    """Return the names of images by a person's labels; labels of two people in the split are left out."""
    found: dict[bytes, str] = {}
    twice: set[bytes] = set()
    for sample in samples:
        name = str(sample.source)
        for person in () if name in without else sample.people:
            key = person.keypoints.tobytes()
            if key in found:
                twice.add(key)
            found[key] = name
    return {key: name for key, name in found.items() if key not in twice}


def _tells(labels: bytes) -> bool:
    """Return whether the labels are too many for anybody else to have the same."""
    return int(np.count_nonzero(np.frombuffer(labels).reshape(-1, 3)[:, 2] > 0)) >= _SAME_LABELS


def crowd_findings(split: str, samples: Sequence[Sample]) -> list[Finding]:
    """Return the finding on people left out as crowds although keypoints of theirs are labelled."""
    labels = [
        (str(sample.source), int(np.count_nonzero(person.keypoints[:, 2] > 0)), person.id)
        for sample in samples
        for person in sample.people
        if person.crowd
    ]
    cases = [f"{name}, person {number}" for name, count, number in labels if count]
    total = sum(count for _, count, _ in labels)
    what = f"people are left out because iscrowd is 1, though {total} keypoints of theirs are labelled"
    return finding(what, cases, split=split)


def _id_findings(split: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    sources = Counter(str(sample.source) for sample in samples)
    twice = (name for name, count in sources.items() if count > 1)
    yield from finding("images are listed under more than one id", twice, split=split)
    images = Counter(sample.written_id for sample in samples)
    again = (str(each) for each, count in images.items() if count > 1)
    yield from finding("image ids are used twice", again, split=split)
    people = Counter(person.id for sample in samples for person in sample.people)
    # A person's id is optional: 0 says that there is none.
    same = (str(each) for each, count in people.items() if count > 1 and each != 0)
    yield from finding("ids of people are used twice", same, split=split)


def _exchanged_images(table: PeopleTable) -> NDArray[np.int64]:
    """Return the images that labels reach beyond, and would not if width and height were exchanged.

    None are returned if they are few of all that labels reach beyond.
    """
    beyond = np.unique(table.images[beyond_image(table)])
    turned = table.with_sizes_exchanged(beyond)
    fitting = np.setdiff1d(beyond, table.images[beyond_image(turned)])
    enough = len(fitting) >= max(_EXCHANGED_IMAGES, _EXCHANGED_SHARE * len(beyond))
    return fitting if enough else fitting[:0]
