"""The ids of images that poses are predicted in, and the category of people, from an annotation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, file_id, same_id
from posenas.data.coco.annotations import entries, read_images
from posenas.data.coco.values import quoted
from posenas.data.images.search import last_parts
from posenas.data.other_formats import read_coco_json


@dataclass(frozen=True)
class AnnotatedImages:
    """The images and categories of an annotation file.

    Attributes:
        path: the file, for messages.
        ids: by the file's name, without folders; None where several images have the name.
        categories: the entries of `categories`.
    """

    path: Path
    ids: Mapping[str, FileId | None]
    categories: Sequence[Mapping[str, Any]]

    def ids_of(self, files: Sequence[Path]) -> list[FileId]:
        """Return the id of each file.

        Raises:
            PosenasError: if an image is not in the annotation file, or cannot be told from another one.
        """
        missing = [file.name for file in files if file.name not in self.ids]
        if missing:
            raise PosenasError(
                f"{self.path}: {len(missing)} of {len(files)} images are not in its `images`: "
                f"{missing[0]}{', ...' if missing[1:] else ''}; choose the images that it is about, or leave "
                "--ids-of out"
            )
        found = [self.ids[file.name] for file in files]
        if None in found:
            name = files[found.index(None)].name
            raise PosenasError(f"{self.path}: several of its images are called {name}; predict in one folder")
        ids = [each for each in found if each is not None]
        (again, count), *_ = Counter(ids).most_common(1)
        if count > 1:
            raise PosenasError(f"{self.path}: {count} files are image {quoted(again)}; rename or remove one")
        return ids

    def category(self, identity: FileId) -> Mapping[str, Any] | None:
        """Return the entry of a category; None if the file lists none of this id."""
        return next((each for each in self.categories if same_id(file_id(each["id"]), identity)), None)


def read_annotated_images(path: Path) -> AnnotatedImages:
    """Return what an annotation file says about its images.

    Raises:
        PosenasError: if it cannot be read, or is not of COCO's form.
    """
    content = read_coco_json(path)
    try:
        images = read_images(content if isinstance(content, dict) else {})
        categories = entries(content, "categories") if "categories" in content else []
        for entry in categories:
            file_id(entry.get("id"))
    except ValueError as error:
        raise PosenasError(f"{path}: the id of a category {error}") from None
    except PosenasError as error:
        raise PosenasError(f"{path}: {error}") from None
    ids: dict[str, FileId | None] = {}
    other: dict[str, FileId | None] = {}
    for image in images:
        name, *more = last_parts(image["file_name"])
        ids[name] = None if name in ids else file_id(image["id"])
        for each in more:
            other[each] = None if each in other else file_id(image["id"])
    return AnnotatedImages(path, {**other, **ids}, categories)
