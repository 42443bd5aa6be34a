"""Any dataset in COCO's keypoint format. The file's category names its keypoints, so nothing is assumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from posenas.data.images import FileImage
from posenas.errors import PosenasError, suggestion
from posenas.keypoint_sets import keypoint_set_from_names
from posenas.samples import Person, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.keypoints import KeypointSet

# How many images are looked for before a folder counts as the wrong one; a few may be missing.
_IMAGES_TRIED = 20


@dataclass(frozen=True)
class CocoDataset:
    """People in files of COCO's keypoint format.

    A person without a `bbox`, or with one of no size, has the box around the labelled keypoints; one without
    `area` has the box's. Images without people and crowds are kept: evaluation needs them. Two fields that
    COCO's own files lack are read for the evaluators: an annotation's `bbox_head` (x, y, width, height, as in
    PoseTrack18) and an image's `crowdIndex` (as in CrowdPose).
    """

    root: Annotated[str, "folder with the annotations and the images"] = ""
    train: Annotated[str, "annotation file below root; empty looks for the usual names"] = ""
    val: Annotated[str, "annotation file below root; empty looks for the usual names"] = ""
    train_images: Annotated[str, "image folder below root; empty looks for the usual ones"] = ""
    val_images: Annotated[str, "image folder below root; empty looks for the usual ones"] = ""
    sigmas: Annotated[tuple[float, ...], "OKS constants, one a keypoint; empty chooses by name"] = ()

    def keypoints(self) -> KeypointSet:
        return self._val[0]

    def splits(self) -> Sequence[str]:
        return ("train", "val")

    def split(self, name: str) -> Sequence[Sample]:
        """The images of `train` or `val`, in the order of the file.

        Raises:
            PosenasError: where a file is missing or malformed, holds nobody, or the splits' keypoints differ.
        """
        if name not in self.splits():
            raise PosenasError(f"dataset coco: no split {name!r}; {suggestion(name, self.splits())}")
        if name == "val":
            return self._val[1]
        if self._train[0].names != self.keypoints().names:
            train, val = self._train[0].names, self.keypoints().names
            raise PosenasError(
                f"{self._annotations('train')} and {self._annotations('val')} name different keypoints: "
                f"{', '.join(train)} and {', '.join(val)}; give both the same, in the same order"
            )
        return self._train[1]

    def instructions(self) -> str:
        return (
            "dataset.root is a folder with annotations in COCO's keypoint format and the images. For COCO "
            "itself, from https://cocodataset.org/#download: annotations/person_keypoints_train2017.json, "
            "annotations/person_keypoints_val2017.json, images/train2017/*.jpg, images/val2017/*.jpg. Other "
            "names: dataset.train, dataset.val, dataset.train_images, dataset.val_images, below root."
        )

    # Kept, since both properties are asked for often and COCO's training file takes seconds to read.
    @cached_property
    def _train(self) -> tuple[KeypointSet, tuple[Sample, ...]]:
        return self._read("train")

    @cached_property
    def _val(self) -> tuple[KeypointSet, tuple[Sample, ...]]:
        return self._read("val")

    def _read(self, split: str) -> tuple[KeypointSet, tuple[Sample, ...]]:
        path = self._annotations(split)
        content = read_json(path)
        if not isinstance(content, dict):
            raise PosenasError(
                f"{path}: not COCO annotations: no object with images, annotations, categories"
            )
        category = _keypoint_category(content, path)
        keypoints = _keypoint_set(category, self.sigmas, path)
        people = _people_by_image(content, category["id"], len(keypoints), path)
        images = _by_id(content, path)
        strangers = sorted(set(people) - set(images))
        if strangers:
            raise PosenasError(f"{path}: people are annotated in image {strangers[0]}, but `images` lacks it")
        if not people:
            raise PosenasError(f"{path}: no person is annotated; choose another file with dataset.{split}")
        folder = self._images(split, [str(image["file_name"]) for image in images.values()], path)
        samples = (_sample(image, folder, people.get(number, ()), path) for number, image in images.items())
        return keypoints, tuple(samples)

    def _annotations(self, split: str) -> Path:
        root = self._root()
        named = {"train": self.train, "val": self.val}[split]
        tried = [root / named] if named else [root / usual for usual in _usual_annotations(split)]
        for path in tried:
            if path.is_file():
                return path
        names = named or ", ".join(_usual_annotations(split))
        raise PosenasError(f"{root}: no annotations for {split}: there is no {names}; set dataset.{split}")

    def _images(self, split: str, names: Sequence[str], annotations: Path) -> Path:
        root = self._root()
        named = {"train": self.train_images, "val": self.val_images}[split]
        folders = (named,) if named else _usual_folders(split)
        for folder in folders:
            if any((root / folder / name).is_file() for name in names[:_IMAGES_TRIED]):
                return root / folder
        raise PosenasError(
            f"{annotations}: none of its first images ({names[0]}, ...) lies in {root}, folder "
            f"{', '.join(folders)}; set dataset.{split}_images"
        )

    def _root(self) -> Path:
        if not self.root:
            raise PosenasError(f"dataset coco: dataset.root is not set. {self.instructions()}")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise PosenasError(
                f"dataset coco: dataset.root = {root.absolute()} is no folder. {self.instructions()}"
            )
        return root


def read_json(path: Path) -> Any:
    """A file's content. Raises PosenasError, with line and column where it is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise PosenasError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise PosenasError(
            f"{path}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}; get the file again"
        ) from None
    except RecursionError:
        raise PosenasError(
            f"{path}: not annotations: its JSON is nested too deep; get the file again"
        ) from None
    except UnicodeDecodeError as error:
        raise PosenasError(f"{path}: not JSON: byte {error.start} is no text; get it again") from None


def _usual_annotations(split: str) -> tuple[str, ...]:
    return (
        f"annotations/person_keypoints_{split}2017.json",
        f"annotations/person_keypoints_{split}.json",
        f"annotations/{split}.json",
        f"{split}.json",
    )


def _usual_folders(split: str) -> tuple[str, ...]:
    return (f"images/{split}2017", f"{split}2017", f"images/{split}", split, "images", ".")


def _keypoint_category(content: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The one category that names keypoints."""
    categories = [each for each in _entries(content, "categories", path) if each.get("keypoints")]
    if len(categories) != 1:
        found = ", ".join(str(each.get("name", each.get("id"))) for each in categories) or "none"
        raise PosenasError(
            f"{path}: exactly one entry of `categories` must list the names of its keypoints; found: {found}"
        )
    if "id" not in categories[0]:
        raise PosenasError(f"{path}: the category with keypoints has no id; give it one")
    return categories[0]


def _keypoint_set(category: Mapping[str, Any], sigmas: tuple[float, ...], path: Path) -> KeypointSet:
    names = category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PosenasError(f"{path}: `keypoints` of its category must be a list of names, not {names!r:.40}")
    limbs = category.get("skeleton") or []
    try:
        first = min((int(end) for limb in limbs for end in limb), default=1)
        pairs = [(int(start) - min(first, 1), int(end) - min(first, 1)) for start, end in limbs]
        return keypoint_set_from_names(
            names, limbs=pairs, sigmas=sigmas or None, name=str(category.get("name") or path.stem)
        )
    except (TypeError, ValueError):
        raise PosenasError(f"{path}: `skeleton` of its category must be a list of pairs of numbers") from None
    except PosenasError as error:
        raise PosenasError(f"{path}: {error}") from None


def _by_id(content: Mapping[str, Any], path: Path) -> dict[int, Mapping[str, Any]]:
    images: dict[int, Mapping[str, Any]] = {}
    for number, image in enumerate(_entries(content, "images", path)):
        if "id" not in image or "file_name" not in image:
            raise PosenasError(f"{path}: entry {number} of `images` has no id or no file_name")
        if type(image["id"]) is not int or not isinstance(image["file_name"], str):
            raise PosenasError(
                f"{path}: entry {number} of `images`: id must be a whole number and file_name text, "
                f"not {image['id']!r:.40} and {image['file_name']!r:.40}"
            )
        if image["id"] in images:
            raise PosenasError(f"{path}: two images have the id {image['id']}; make ids unique")
        images[image["id"]] = image
    return images


def _people_by_image(
    content: Mapping[str, Any], category: int, keypoints: int, path: Path
) -> dict[int, list[Person]]:
    people: dict[int, list[Person]] = {}
    for number, annotation in enumerate(_entries(content, "annotations", path)):
        if annotation.get("category_id", category) != category:
            continue
        name = f"{path}: annotation {annotation.get('id', f'number {number}')}"
        try:
            person = _person(annotation, keypoints)
            people.setdefault(int(annotation["image_id"]), []).append(person)
        except KeyError as error:
            raise PosenasError(f"{name} has no {error}; add it") from None
        except (TypeError, ValueError) as error:
            raise PosenasError(f"{name}: {error}; mend or remove it") from None
    return people


def _person(annotation: Mapping[str, Any], keypoints: int) -> Person:
    values = annotation.get("keypoints") or [0] * (3 * keypoints)
    if len(values) != 3 * keypoints:
        raise ValueError(f"{len(values)} keypoint values, but {keypoints} keypoints are {3 * keypoints}")
    pose = np.array(values, np.float64).reshape(keypoints, 3)
    if not np.isfinite(pose).all():
        raise ValueError("a keypoint is not a finite number")
    box = _box(annotation)
    width, height = box[2:]
    if min(width, height) <= 0 and (pose[:, 2] > 0).any():
        box = _box_around(pose)
    area = float(annotation.get("area") or box[2] * box[3])
    if not np.isfinite((*box, area)).all() or area < 0:
        raise ValueError("its bbox and area must be finite numbers, the area not negative")
    return Person(
        box=box,
        keypoints=pose,
        area=area,
        crowd=bool(annotation.get("iscrowd", 0)),
        id=int(annotation.get("id", 0)),
        head_box=_head_box(annotation),
    )


def _box(annotation: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """All zero where there is none."""
    values = annotation.get("bbox") or (0, 0, 0, 0)
    if not isinstance(values, list | tuple) or len(values) != 4:
        raise ValueError("its bbox must be four numbers")
    try:
        x, y, width, height = (float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError("its bbox must be four numbers") from None
    return x, y, width, height


def _head_box(annotation: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """None where there is none, or one without extent."""
    values = [float(value) for value in annotation.get("bbox_head") or ()]
    if values and (len(values) != 4 or not np.isfinite(values).all()):
        raise ValueError("its bbox_head must be four finite numbers")
    if not values or max(values[2:]) <= 0:
        return None
    x, y, width, height = values
    return x, y, width, height


def _box_around(pose: NDArray[np.float64]) -> tuple[float, float, float, float]:
    points = pose[pose[:, 2] > 0, :2]
    (left, top), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
    return float(left), float(top), float(width), float(height)


def _sample(image: Mapping[str, Any], folder: Path, people: Sequence[Person], path: Path) -> Sample:
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, OverflowError, TypeError, ValueError):
        raise PosenasError(
            f"{path}: image {image['id']} has no width and height in pixels; add them"
        ) from None
    if min(width, height) <= 0:
        raise PosenasError(
            f"{path}: image {image['id']} is {width} x {height} pixels; mend its width and height"
        )
    return Sample(
        id=int(image["id"]),
        source=FileImage(folder / str(image["file_name"])),
        width=width,
        height=height,
        people=tuple(people),
        crowd_index=_crowd_index(image, path),
    )


def _crowd_index(image: Mapping[str, Any], path: Path) -> float | None:
    value = image.get("crowdIndex")
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0
    ):
        raise PosenasError(
            f"{path}: image {image['id']}: crowdIndex must be a number from 0, not {value!r:.40}"
        )
    return None if value is None else float(value)


def _entries(content: Mapping[str, Any], name: str, path: Path) -> list[Mapping[str, Any]]:
    entries = content.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PosenasError(f"{path}: `{name}` is missing or no list of objects; COCO annotations have one")
    return entries
