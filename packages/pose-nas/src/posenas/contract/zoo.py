"""Zoo entries: published networks, as genotypes with the figures that their papers print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from posenas.contract.errors import suggestion
from posenas.contract.keypoint_sets import KEYPOINT_SETS
from posenas.contract.records import check_record


@dataclass(frozen=True)
class ZooEntry:
    """A published network, offered by an entry point of the group `posenas.zoo`.

    Attributes:
        space: the entry-point name of the search space that builds it.
        options: the space's options.
        genotype: the network.
        input_size: (height, width) in pixels.
        keypoints: the name of the keypoint set it was published for.
        published: what the source prints, such as `parameters`, `paper_gflops` or `oks.AP`.
        source: paper and table.
        head: the head's entry-point name as `name`, beside its options other than the input's size.
    """

    space: str
    options: Mapping[str, Any]
    genotype: Mapping[str, Any]
    input_size: tuple[int, int]
    keypoints: str
    published: Mapping[str, float | str]
    source: str
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "heatmap"})


def zoo_problem(entry: object) -> str:
    """Return why an object is no zoo entry, in words that follow its name; empty where it is one."""
    if not isinstance(entry, ZooEntry):
        return f"is of type {type(entry).__name__}, not a posenas.zoo.ZooEntry"
    try:
        check_record(ZooEntry, {field.name: getattr(entry, field.name) for field in fields(entry)})
    except (TypeError, ValueError) as error:
        return f"has a wrong field: {error}"
    if entry.keypoints not in KEYPOINT_SETS:
        return f"names keypoints {entry.keypoints!r}; {suggestion(entry.keypoints, KEYPOINT_SETS)}"
    return "" if isinstance(entry.head.get("name"), str) else "has a head without a name"
