"""Published networks: genotypes with the figures their papers print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ZooEntry:
    """One published network, offered by an entry point of the group `posenas.zoo`.

    Attributes:
        space: the entry-point name of the search space that builds it.
        options: of the space.
        genotype: the network.
        input_size: (height, width) in pixels.
        keypoints: the name of the keypoint set it was published for.
        published: what the source prints, such as `parameters`, `paper_gflops` or `oks.AP`.
        source: paper and table.
        head: the head's entry-point name as `name`, beside options other than the input's size.
    """

    space: str
    options: Mapping[str, Any]
    genotype: Mapping[str, Any]
    input_size: tuple[int, int]
    keypoints: str
    published: Mapping[str, float | str]
    source: str
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "heatmap"})
