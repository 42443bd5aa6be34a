"""Annotations that are left out because their category is not the people's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posenas.contract.file_ids import FileId, IdIndex, file_id, same_id
from posenas.contract.finding import Finding, finding
from posenas.data.coco.people import Box, read_box
from posenas.data.coco.values import quoted

if TYPE_CHECKING:
    from posenas.contract.samples import Person

Entry = Mapping[str, Any]
# A category is of people's boxes if this share of the skeletons has one of them, which overlaps by so much.
_BOXED = 0.8
_OVERLAP = 0.5


def left_out_by_category(
    left_out: Mapping[FileId, Sequence[Entry]], categories: Sequence[Entry], *, split: str
) -> list[Finding]:
    """Return findings on annotations of categories that list no keypoints, or are not chosen or not listed.

    Args:
        left_out: the annotations by their category_id.
        categories: all entries of `categories`.
        split: the split's name, for the findings.
    """
    listed = [(file_id(each["id"]), each) for each in categories if _has_id(each)]
    found = []
    for value, others in left_out.items():
        known = [each for identity, each in listed if same_id(identity, value)]
        why = _why_left_out(known[0]) if known else "`categories` has no such entry"
        labelled = sum(_labelled_values(annotation) for annotation in others)
        though = f", though {labelled} keypoints of theirs are labelled" if labelled else ""
        what = f"annotations of category_id {quoted(value)} are left out{though}: {why}"
        found.append(Finding(what, len(others), split=split))
    return found


def _why_left_out(category: Entry) -> str:
    name = str(category.get("name", ""))
    reason = "is not the chosen category" if category.get("keypoints") else "lists no keypoints"
    return f"{name!r:.40} {reason}"


def _has_id(category: Entry) -> bool:
    try:
        file_id(category.get("id"))
    except ValueError:
        return False
    return True


def _labelled_values(annotation: Entry) -> int:
    """Return how many of an annotation's keypoints are labelled, as far as they are triples of numbers."""
    values = annotation.get("keypoints")
    visibilities = values[2::3] if isinstance(values, list) else []
    return sum(isinstance(each, int | float) and each > 0 for each in visibilities)


def more_boxes_than_skeletons(
    left_out: Mapping[FileId, Sequence[Entry]],
    people: Mapping[int, Sequence[Person]],
    images: Sequence[Entry],
    index: IdIndex,
    *,
    split: str,
) -> list[Finding]:
    """Return the finding on images with more boxes of people than skeletons.

    Tools that draw boxes and skeletons apart write boxes as annotations of a category of their own. It is
    known by its boxes, which are around the skeletons.

    Args:
        left_out: the annotations of other categories, by their category_id.
        people: by the position of their image.
        images: the entries of `images`.
        index: finds an image's position by its id.
        split: the split's name, for the finding.
    """
    cases = []
    shown = {position: [each for each in theirs if not each.crowd] for position, theirs in people.items()}
    for entries in left_out.values():
        boxes = _boxes(entries, index)
        skeletons = [(each.box, boxes.get(place, [])) for place, theirs in shown.items() for each in theirs]
        boxed = sum(any(_overlap(box, other) >= _OVERLAP for other in others) for box, others in skeletons)
        if boxed >= max(1, _BOXED * len(skeletons)):
            cases += [
                f"{images[place]['file_name']}: {len(others)} boxes, {len(shown.get(place, []))} skeletons"
                for place, others in boxes.items()
                if len(others) > len(shown.get(place, []))
            ]
    what = "images have more boxes of people than skeletons: those without one count as background"
    return finding(what, cases, split=split)


def _boxes(entries: Sequence[Entry], index: IdIndex) -> dict[int, list[Box]]:
    """Return boxes without keypoints by the position of their image; what cannot be read is passed over."""
    found: dict[int, list[Box]] = {}
    for annotation in entries:
        if annotation.get("keypoints"):
            continue
        try:
            box, position = read_box(annotation, "bbox"), index.find(file_id(annotation.get("image_id")))
        except ValueError:  # nothing depends on an annotation that is left out
            continue
        if box is not None and position is not None:
            found.setdefault(position, []).append(box)
    return found


def _overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes."""
    sides = [
        max(
            0.0,
            min(first[axis] + first[axis + 2], second[axis] + second[axis + 2])
            - max(first[axis], second[axis]),
        )
        for axis in (0, 1)
    ]
    common = sides[0] * sides[1]
    union = first[2] * first[3] + second[2] * second[3] - common
    return common / union if union > 0 else 0.0
