"""The people's categories of an annotation file: which they are, their keypoints and the skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, file_id, same_id
from posenas.contract.finding import Finding, finding
from posenas.contract.keypoint_sets import keypoint_set_from_names, known_set, parse_pairs
from posenas.data.coco.values import quoted

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet

Entry = Mapping[str, Any]
_Limbs = Sequence[tuple[int, int]]
_NAMES_SHOWN = 100


@dataclass(frozen=True)
class Category:
    """A category that lists keypoints, and how many annotations name it."""

    id: FileId
    entry: Entry
    annotations: int

    @property
    def name(self) -> str:
        """The category's name, or its id if it has none."""
        return str(self.entry.get("name", self.id))

    def holds(self, value: FileId | None) -> bool:
        """Return whether an annotation with this `category_id` is of the category; None is of every one."""
        return value is None or same_id(value, self.id)


def category_id(annotation: Entry) -> FileId | None:
    """Return an annotation's category_id; None if it has none.

    Raises:
        ValueError: if it is neither a number nor text.
    """
    value = annotation.get("category_id")
    try:
        return None if value is None else file_id(value)
    except ValueError as error:
        raise ValueError(f"its category_id {error}, not {quoted(value)}") from None


def people_categories(categories: Sequence[Entry], named: Mapping[FileId | None, int]) -> list[Category]:
    """Return the categories with keypoints.

    If some of them are annotated, only these are returned, so that an empty group is passed over.

    Args:
        categories: the entries of `categories`.
        named: how many annotations have each category_id.

    Raises:
        PosenasError: if there is none, or they list different keypoints.
    """
    found = [_counted(entry, named) for entry in categories if entry.get("keypoints")]
    found = [each for each in found if each.annotations] or found
    lists = [each.entry["keypoints"] for each in found]
    if not found or any(names != lists[0] for names in lists):
        names = ", ".join(each.name for each in found) or "none"
        raise PosenasError(
            "exactly one entry of `categories` must list the names of its keypoints, or several the same; "
            f"found: {names[:_NAMES_SHOWN]}"
        )
    return found


def _counted(entry: Entry, named: Mapping[FileId | None, int]) -> Category:
    if "id" not in entry:
        raise PosenasError("the category with keypoints has no id; give it one")
    try:
        category = Category(file_id(entry["id"]), entry, 0)
    except ValueError as error:
        raise PosenasError(f"the id of the category with keypoints {error}") from None
    count = sum(number for value, number in named.items() if category.holds(value))
    return replace(category, annotations=count)


def people_keypoints(
    categories: Sequence[Category], *, sigmas: Sequence[float], pairs: Sequence[str], name: str, split: str
) -> tuple[KeypointSet, list[Finding]]:
    """Return the keypoint set of all the categories, and what is wrong with the skeleton.

    Args:
        categories: the people's, at least one.
        sigmas: the dataset's option: K dimensionless OKS constants; empty to go by the names.
        pairs: the dataset's option: `LEFT:RIGHT` each; empty to go by the names.
        name: the set's name if the category has none.
        split: the split's name, for the findings.

    Raises:
        PosenasError: if names repeat, or sigmas or pairs do not fit them.
    """
    first = categories[0].entry
    names = first["keypoints"]
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise PosenasError(f"`keypoints` of its category must be a list of names, not {quoted(names)}")
    limbs, wrong = _limbs(first.get("skeleton") or [], names, split=split)
    found = keypoint_set_from_names(
        names,
        limbs=limbs,
        sigmas=sigmas or None,
        name=str(first.get("name") or name),
        pairs=parse_pairs(pairs, names),
        categories=[each.id for each in categories],
    )
    return found, [] if known_set(names) else wrong  # a known set has limbs of its own


def _limbs(skeleton: Any, names: Sequence[str], *, split: str) -> tuple[_Limbs, list[Finding]]:
    """Return the skeleton's limbs as pairs of indices from 0, and what is wrong with it.

    COCO counts from 1. A skeleton that names 0 counts from 0. There are no limbs if the skeleton is not one
    of these keypoints, since it is only drawn.
    """
    try:
        limbs = [(_whole(start), _whole(end)) for start, end in skeleton]
    except (OverflowError, TypeError, ValueError):
        what = "skeleton is no list of pairs of keypoint numbers and is not drawn"
        return [], finding(what, [quoted(skeleton)], split=split)
    ends = [end for limb in limbs for end in limb]
    base = 0 if 0 in ends else 1
    last = len(names) - 1 + base
    wrong = [limb for limb in limbs if limb[0] == limb[1] or not all(base <= end <= last for end in limb)]
    if wrong:
        what = f"lines of the skeleton join no two of keypoints {base} to {last}, so it is not drawn"
        return [], finding(what, (f"{start} and {end}" for start, end in wrong), split=split)
    doubtful: list[Finding] = []
    if limbs and last not in ends:
        what = f"keypoint, number {last}, is in no line of the skeleton; lines that count from 0 are one off"
        doubtful = finding(what, [names[-1]], split=split)
    return [(start - base, end - base) for start, end in limbs], doubtful


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError("no whole number")
    return int(value)


def left_out_by_category(
    left_out: Mapping[FileId, Sequence[Entry]], categories: Sequence[Entry], *, split: str
) -> list[Finding]:
    """Return findings on annotations of categories that list no keypoints, or that the file does not list.

    Args:
        left_out: the annotations by their category_id.
        categories: all entries of `categories`.
        split: the split's name, for the findings.
    """
    names = [(file_id(each["id"]), str(each.get("name", ""))) for each in categories if _has_id(each)]
    found = []
    for value, others in left_out.items():
        known = [name for identity, name in names if same_id(identity, value)]
        why = f"{known[0]!r:.40} lists no keypoints" if known else "`categories` has no such entry"
        labelled = sum(_labelled_values(annotation) for annotation in others)
        though = f", though {labelled} keypoints of theirs are labelled" if labelled else ""
        what = f"annotations of category_id {quoted(value)} are left out{though}: {why}"
        found.append(Finding(what, len(others), split=split))
    return found


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
