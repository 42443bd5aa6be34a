"""The check of a dataset: what is wrong with it, in words and as a picture, before any training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.finding import Finding, finding
from posenas.contract.samples import UnreadableImageError
from posenas.data.affine import crop_matrix, transform, warp
from posenas.data.checking.findings import overlap_findings, split_findings, unpaired_findings
from posenas.data.drawing import contact_sheet, draw_pose
from posenas.data.images.file_image import FileImage
from posenas.data.images.source import read_source
from posenas.data.person_crop import PersonCrop, person_crops
from posenas.data.regions import regions_in_view
from posenas.data.strokes import MIDDLE, draw_line, within_reach
from posenas.runs.files import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from posenas.contract.components import Dataset
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample

_VIEW = View("person", height=256, width=224)
_VIEW_OF_REGIONS = View("person", height=640, width=560)
_PAIRS_IN_A_ROW = 4
_PAIRS_OF_REGIONS_IN_A_ROW = 2
_SEAM = 2


@dataclass(frozen=True)
class SplitReport:
    """A split in figures.

    Attributes:
        people: annotated people, without crowds.
        labelled_people: those with at least one labelled keypoint.
        labelled_keypoints: of all people together.
        crowds: annotated crowds.
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
    """The result of `check_dataset`; if it has no findings, nothing is wrong."""

    keypoints: tuple[str, ...]
    splits: tuple[SplitReport, ...]
    findings: tuple[str, ...]

    def __str__(self) -> str:
        found = [f"- {finding}" for finding in self.findings] or ["nothing wrong was found"]
        return "\n".join([f"{len(self.keypoints)} keypoints", *map(str, self.splits), *found])


def check_dataset(
    dataset: Dataset, *, samples: int = 16, seed: int, out: Path, open_at_most: int = 1000
) -> DatasetReport:
    """Open every split, draw people beside their mirrored twins, and list what is wrong.

    A twin goes through the map and the flip pairs of training, so a wrong pair shows as a crossed skeleton.

    Args:
        dataset: what is checked.
        samples: people to draw, from all splits alike.
        seed: chooses the people, and the images that are opened if they are too many.
        out: the picture's file; its folder must exist.
        open_at_most: images of each split that are decoded; every file is looked for.

    Raises:
        PosenasError: if a split cannot be opened at all, or the picture cannot be written.
    """
    rng = np.random.default_rng(seed)
    keypoints = dataset.keypoints()
    splits = {name: dataset.split(name) for name in dataset.splits()}
    reports, findings = [], unpaired_findings(dataset) + overlap_findings(splits)
    for name, content in splits.items():
        chosen = np.sort(rng.permutation(len(content))[:open_at_most]).tolist()
        reports.append(_report(name, content, opened=len(chosen)))
        opened = _open(content, chosen)
        findings += _file_findings(name, content, opened)
        findings += split_findings(dataset, name, _as_opened(content, opened))
    _draw(splits, keypoints, samples, rng=rng, out=out)
    return DatasetReport(keypoints.names, tuple(reports), tuple(map(str, findings)))


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


class _Opened(NamedTuple):
    """The image files of a split after they were opened, by the positions of their samples.

    Attributes:
        missing: files that are not there.
        unreadable: messages about files that cannot be read.
        sizes: width and height of the pictures that were opened.
    """

    missing: set[int]
    unreadable: dict[int, str]
    sizes: dict[int, tuple[int, int]]


def _open(samples: Sequence[Sample], chosen: Sequence[int]) -> _Opened:
    missing = {
        index
        for index, sample in enumerate(samples)
        if isinstance(sample.source, FileImage) and not is_file(sample.source.path)
    }
    opened = _Opened(missing, {}, {})
    for index in chosen:
        if index in missing:
            continue
        try:
            height, width, _ = read_source(samples[index].source).shape
        except UnreadableImageError as error:
            opened.unreadable[index] = str(error)
        else:
            opened.sizes[index] = width, height
    return opened


def _file_findings(split: str, samples: Sequence[Sample], opened: _Opened) -> Iterator[Finding]:
    missing = (str(samples[index].source) for index in sorted(opened.missing))
    yield from finding("images are missing", missing, split=split)
    yield from finding("images cannot be read", opened.unreadable.values(), split=split)
    exchanged = _exchanged(samples, opened)
    wrong = {index: size for index, size in opened.sizes.items() if size != _annotated(samples[index])}
    told = {
        index: f"{samples[index].source} is {width} x {height}, not {samples[index].width} x "
        f"{samples[index].height}"
        for index, (width, height) in wrong.items()
    }
    yield from finding(
        "images have width and height exchanged in the annotations",
        (text for index, text in told.items() if index in exchanged),
        split=split,
    )
    yield from finding(
        "images have another size than annotated",
        (text for index, text in told.items() if index not in exchanged),
        split=split,
    )


def _annotated(sample: Sample) -> tuple[int, int]:
    return sample.width, sample.height


def _exchanged(samples: Sequence[Sample], opened: _Opened) -> set[int]:
    """Return the opened images that are annotated with width and height exchanged."""
    return {
        index
        for index, size in opened.sizes.items()
        if size != _annotated(samples[index]) and size[::-1] == _annotated(samples[index])
    }


def _as_opened(samples: Sequence[Sample], opened: _Opened) -> Sequence[Sample]:
    """Return the samples with width and height put right where they are exchanged.

    If that is so in all opened images, the unopened ones are put right too. Labels are then judged by the
    picture that they are on.
    """
    exchanged = _exchanged(samples, opened)
    if not exchanged:
        return samples
    always = all(index in exchanged or size[0] == size[1] for index, size in opened.sizes.items())
    return [
        replace(sample, width=sample.height, height=sample.width)
        if index in exchanged or (always and index not in opened.sizes)
        else sample
        for index, sample in enumerate(samples)
    ]


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
            pictures.append(_twins(read_source(sample.source), crop, keypoints))
        except UnreadableImageError:
            continue
        captions.append(f"{name}: {PurePath(str(sample.source)).name}")
    title = "orange: the person's left, blue: right. Each pair: as annotated, and mirrored as in training."
    columns = _PAIRS_OF_REGIONS_IN_A_ROW if keypoints.regions else _PAIRS_IN_A_ROW
    sheet = contact_sheet(pictures, columns=columns, captions=captions, title=title)
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    try:
        out.write_bytes(data.tobytes())
    except OSError as error:
        raise PosenasError(f"{out}: the picture cannot be written: {error.strerror}") from None


def _twins(image: NDArray[np.uint8], crop: PersonCrop, keypoints: KeypointSet) -> NDArray[np.uint8]:
    """Return the crop with its pose, and beside it the mirrored crop with the mirrored pose.

    Crops of people with regions are larger, and show the boxes of the regions.
    """
    view = _VIEW_OF_REGIONS if keypoints.regions else _VIEW
    drawn: list[NDArray[np.uint8]] = []
    for flip in (False, True):
        matrix = crop_matrix(crop.box, view, flip=flip)
        pose = crop.keypoints[list(keypoints.mirrored)] if flip else crop.keypoints
        points = transform(matrix, pose[:, :2])
        shown = warp(image, matrix, view)
        size = view.height, view.width
        (regions,) = regions_in_view([crop], matrix, keypoints=keypoints, size=size, flip=flip)
        _add_boxes(shown, regions)
        drawn.append(draw_pose(shown, points, keypoint_set=keypoints, visible=pose[:, 2]))
    seam = np.full((view.height, _SEAM, 3), 255, np.uint8)
    return np.concatenate([drawn[0], seam, drawn[1]], axis=1)


def _add_boxes(canvas: NDArray[np.uint8], regions: NDArray[np.float64]) -> None:
    """Draw the outlines of those of (R, 5, 3) regions that are known."""
    for *corners, centre in regions:
        if centre[2]:
            places = [within_reach(corner[:2], canvas) for corner in (*corners, corners[0])]
            for ends in pairwise(places):
                draw_line(canvas, ends, colour=MIDDLE, width=1)
