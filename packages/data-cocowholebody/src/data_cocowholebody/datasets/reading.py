"""Reading COCO-WholeBody's annotation files: which they are, and what they must have."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posenas import COCO_17, PosenasError
from posenas.annotations import SPLITS, PeopleEntries, Reading, ReadPeople, annotation_files, read_split

from data_cocowholebody.datasets.parts import PARTS

if TYPE_CHECKING:
    from posenas import KeypointSet
    from posenas.annotations import AnnotatedSplit, FileOptions

_PROJECT = "https://github.com/jin-s13/COCO-WholeBody"


def read_annotated(
    options: FileOptions,
    split: str,
    *,
    dataset: str,
    keypoints: KeypointSet,
    read: Callable[[Mapping[str, Any], Mapping[str, Any]], ReadPeople],
    who: str,
) -> AnnotatedSplit:
    """Return the images of a split with people, faces or hands.

    Args:
        options: the dataset's.
        split: `train` or `val`.
        dataset: its name, for messages.
        keypoints: what each of them has.
        read: gives those of an annotation, from it and the entry of its image.
        who: the word for one of them, for messages.

    Raises:
        PosenasError: if a file is missing, malformed, or not COCO-WholeBody's.
    """

    def understand(chosen: PeopleEntries) -> Reading:
        _check_names(chosen, split)
        _check_fields(chosen, split)
        categories = tuple(each.id for each in chosen.categories)
        return Reading(replace(keypoints, categories=categories), read, who=who)

    usual = {each: _usual_annotations(each) for each in SPLITS}
    files = annotation_files(options, split, dataset=dataset, usual=usual, instructions=instructions())
    return read_split(files, understand, shrink=_shrinking())


def instructions() -> str:
    """Return which files must lie where, and where they come from."""
    return (
        "dataset.root is a folder with annotations/coco_wholebody_train_v1.0.json and _val_v1.0.json from "
        f"{_PROJECT} (licence: not to be passed on) and COCO's images, train2017 and val2017, from "
        "https://cocodataset.org/#download. Other names: dataset.train, .val, .train_images, .val_images."
    )


def _usual_annotations(split: str) -> tuple[str, ...]:
    own = f"coco_wholebody_{split}_v1.0.json"
    return (f"annotations/{own}", own, f"annotations/{split}.json", f"{split}.json")


def _check_names(chosen: PeopleEntries, split: str) -> None:
    names = chosen.categories[0].entry["keypoints"]
    if not isinstance(names, list) or tuple(names) != COCO_17.names:
        raise PosenasError(
            "its category must list the names of COCO's 17 keypoints, also where annotations have 133; "
            f"{_remedy(split)}"
        )


def _check_fields(chosen: PeopleEntries, split: str) -> None:
    fields = [field for part in PARTS for field in part.fields]
    if not any(field in annotation for _, annotation in chosen.annotations for field in fields):
        raise PosenasError(
            f"no annotation has {PARTS[0].values} or another field of whole bodies, as in COCO's own files; "
            f"{_remedy(split)}"
        )


def _remedy(split: str) -> str:
    return f"set dataset.{split} to coco_wholebody_{split}_v1.0.json from {_PROJECT}"


_LISTS = ("keypoints", *(part.values for part in PARTS))


def _shrinking() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that takes what is not read out of an annotation, and packs its lists of numbers.

    A list of Python's numbers has 32 bytes for each of them, an array has 8. Most parts are not valid, and
    all their zeros are one array.
    """
    zeros: dict[int, array[float]] = {}

    def shrink(entry: dict[str, Any]) -> dict[str, Any]:
        entry.pop("segmentation", None)
        for name in _LISTS:
            values = entry.get(name)
            if not isinstance(values, list) or not values:
                continue
            try:
                packed = array("d", values)
            except (OverflowError, TypeError):  # not numbers: what reads them says so
                continue
            entry[name] = packed if any(packed) else zeros.setdefault(len(packed), packed)
        return entry

    return shrink
