"""The file of the keypoints that a run's network predicts: `best/keypoints.json`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import file_id
from posenas.contract.keypoint_sets import keypoint_set_from_names, parse_pairs
from posenas.runs.strict_json import parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from posenas.contract.keypoints import KeypointSet


def keypoints_as_dict(keypoints: KeypointSet) -> dict[str, Any]:
    """Return names, mirrored pairs (empty if they are unknown) and the ids of people's categories.

    The regions stand beside them, as names of keypoints, unless the names tell them.
    """
    names = keypoints.names
    pairs = [f"{names[left]}:{names[right]}" for left, right in keypoints.flip_pairs] or ["none"]
    table = {
        "names": list(names),
        "pairs": [] if keypoints.unpaired else pairs,
        "categories": list(keypoints.categories),
    }
    if keypoints.regions == keypoint_set_from_names(names).regions:
        return table
    regions = {name: [names[index] for index in indices] for name, indices in keypoints.regions.items()}
    return {**table, "regions": regions}


def keypoints_from(content: bytes, path: Path) -> KeypointSet:
    """Return the set of what `keypoints_as_dict` gives, or of a list of names, as in older files.

    Raises:
        PosenasError: if the content is damaged; the message names the path.
    """
    try:
        value = parse_json(content)
        table = value if isinstance(value, dict) else {"names": value}
        names, pairs, categories = table.get("names"), table.get("pairs", []), table.get("categories", [1])
        if not isinstance(names, list) or not isinstance(pairs, list) or not isinstance(categories, list):
            raise ValueError("no lists of names, pairs and categories")
        if not names or not all(isinstance(each, str) for each in (*names, *pairs)):
            raise ValueError("no names of keypoints")
        ids = [file_id(each) for each in categories] or [1]
        found = keypoint_set_from_names(names, pairs=parse_pairs(pairs, names), categories=ids)
        return replace(found, regions=_regions(table["regions"], names)) if "regions" in table else found
    except (PosenasError, ValueError) as error:
        raise PosenasError(
            f"{path}: not the keypoints of a run ({error!s:.100}); restore the file, or train again"
        ) from None


def _regions(table: object, names: list[str]) -> dict[str, tuple[int, ...]]:
    if not isinstance(table, dict) or not all(isinstance(each, list) for each in table.values()):
        raise ValueError("no lists of the regions' keypoints")
    return {region: tuple(names.index(each) for each in members) for region, members in table.items()}
