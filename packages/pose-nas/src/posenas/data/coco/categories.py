"""The people's categories of an annotation file: which they are, their keypoints and the skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.file_ids import FileId, file_id, same_id
from posenas.contract.finding import Finding, finding
from posenas.contract.keypoint_sets import KEYPOINT_SETS, keypoint_set_from_names, known_set, parse_pairs
from posenas.data.coco.values import quoted

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet

Entry = Mapping[str, Any]
_Limbs = Sequence[tuple[int, int]]
Counts = Mapping[FileId | None, int]
_NAMES_SHOWN = 100
_EXACTLY_ONE = "exactly one entry of `categories` must list the names of its keypoints, or several the same"


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


def people_categories(
    categories: Sequence[Entry],
    named: Counts,
    *,
    posed: Counts,
    wanted: str = "",
    unnamed: bool = False,
) -> list[Category]:
    """Return the categories with keypoints.

    If some of them are annotated, only these are returned, so that an empty group is passed over.

    Args:
        categories: the entries of `categories`.
        named: how many annotations have each category_id.
        posed: how many of these have keypoints.
        wanted: the name of the only one to return; empty for all.
        unnamed: whether a category that lists no keypoints counts, if its annotations have some.

    Raises:
        PosenasError: if there is none, or they list different keypoints.
    """
    candidates = [entry for entry in categories if _is_called(entry, wanted)]
    if wanted and not candidates:
        known = [str(entry.get("name", entry.get("id", ""))) for entry in categories]
        raise PosenasError(f"no category is called {wanted!r:.40}; {suggestion(wanted[:40], known):.200}")
    found = [_counted(entry, named) for entry in candidates if entry.get("keypoints")]
    found = [each for each in found if each.annotations] or found
    if not found and unnamed:
        posing = [entry for entry in candidates if "id" in entry]
        found = [each for each in (_counted(entry, posed) for entry in posing) if each.annotations]
    lists = [each.entry.get("keypoints") for each in found]
    if not found:
        count = sum(posed.values())
        remedy = (
            f"; {count} annotations have keypoints: name them with dataset.keypoint_names, as a list or as a "
            f"known set, one of {', '.join(KEYPOINT_SETS)}"
        )
        raise PosenasError(f"{_EXACTLY_ONE}; found: none{remedy if count and not unnamed else ''}")
    if any(names != lists[0] for names in lists):
        several = ", ".join(each.name for each in found)
        raise PosenasError(
            f"{_EXACTLY_ONE}; found: {several[:_NAMES_SHOWN]}; choose one with dataset.category"
        )
    return found


def _is_called(entry: Entry, name: str) -> bool:
    """Return whether a category has this name; every one has the empty name."""
    return not name or str(entry.get("name", entry.get("id", ""))) == name


def _counted(entry: Entry, named: Counts) -> Category:
    if "id" not in entry:
        raise PosenasError("the category with keypoints has no id; give it one")
    try:
        category = Category(file_id(entry["id"]), entry, 0)
    except ValueError as error:
        raise PosenasError(f"the id of the category with keypoints {error}") from None
    count = sum(number for value, number in named.items() if category.holds(value))
    return replace(category, annotations=count)


def people_keypoints(
    categories: Sequence[Category],
    *,
    given: Sequence[str] = (),
    sigmas: Sequence[float],
    pairs: Sequence[str],
    name: str,
    split: str,
) -> tuple[KeypointSet, list[Finding]]:
    """Return the keypoint set of all the categories, and what is wrong with the skeleton.

    Args:
        categories: the people's, at least one.
        given: the dataset's option: names of the keypoints, or of a known set; empty to go by the file.
        sigmas: the dataset's option: K dimensionless OKS constants; empty to go by the names.
        pairs: the dataset's option: `LEFT:RIGHT` each; empty to go by the names.
        name: the set's name if the category has none.
        split: the split's name, for the findings.

    Raises:
        PosenasError: if names repeat, are not as many as the file's, or sigmas or pairs do not fit them.
    """
    first = categories[0].entry
    names = first.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise PosenasError(f"`keypoints` of its category must be a list of names, not {quoted(names)}")
    renamed: list[Finding] = []
    if given:
        names, renamed = _given_names(given, names, split=split)
    limbs, wrong = _limbs(first.get("skeleton") or [], names, split=split)
    found = keypoint_set_from_names(
        names,
        limbs=limbs,
        sigmas=sigmas or None,
        name=str(first.get("name") or name),
        pairs=parse_pairs(pairs, names),
        categories=[each.id for each in categories],
    )
    return found, renamed + ([] if known_set(names) else wrong)  # a known set has limbs of its own


def _given_names(
    given: Sequence[str], names: Sequence[str], *, split: str
) -> tuple[list[str], list[Finding]]:
    """Return the names that the option gives, and the finding on names of the file that differ.

    Args:
        given: the option, a list or the name of a known set.
        names: the file's; empty if it names none.
        split: the split's name, for the finding.
    """
    if len(given) == 1 and given[0] not in KEYPOINT_SETS:
        hint = suggestion(given[0][:40], KEYPOINT_SETS)
        raise PosenasError(
            f"dataset.keypoint_names: {given[0]!r:.40} is neither a known set of keypoints nor a list of at "
            f"least two names; {hint}"
        )
    wanted = list(KEYPOINT_SETS[given[0]].names if len(given) == 1 else given)
    if names and len(names) != len(wanted):
        raise PosenasError(
            f"dataset.keypoint_names names {len(wanted)} keypoints, but its category {len(names)}"
        )
    other = [f"{old} is {new}" for old, new in zip(names, wanted, strict=False) if old != new]
    what = "keypoints have another name in the file than in dataset.keypoint_names, which counts"
    return wanted, finding(what, other, split=split)


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
