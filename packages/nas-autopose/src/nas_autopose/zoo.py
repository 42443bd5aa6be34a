"""One network that was found in the space `autopose` here; AutoPose's own are published as a figure alone."""

from __future__ import annotations

from collections.abc import Sequence

from posenas import ZooEntry, option_values

from nas_autopose.mixture import only
from nas_autopose.operations import Operation
from nas_autopose.space import AutoPoseSpace

_SPACE = AutoPoseSpace(channels=6, scales=3, stages=3)
_INDIVIDUAL: Sequence[Operation] = (
    *("skip", "skip", "skip", "max3", "skip"),
    *("conv1", "max3", "max3", "skip", "conv1"),
)
_AGGREGATION: Sequence[Operation] = ("conv5", "avg3", "max3", "max3", "avg3", "avg3", "conv5")
_BRANCHES: Sequence[Sequence[bool]] = (
    (True, True, False),
    (True, False, True),
    (False, False, True),
)
"""Whether the branches at 1/4, 1/8 and 1/16 are on, by stage."""

AUTOPOSE_LIKE = ZooEntry(
    space="autopose",
    options=option_values(_SPACE),
    genotype={
        **{
            f"stage{stage}.branch{branch}": on
            for stage, row in enumerate(_BRANCHES, start=1)
            for branch, on in enumerate(row, start=1)
        },
        "individual.alpha": [only(operation) for operation in _INDIVIDUAL],
        "aggregation.alpha": [only(operation) for operation in _AGGREGATION],
        "width": 2,
    },
    input_size=(128, 128),
    keypoints="lsp-14",
    published={"parameters": 434_294, "pck.PCK@0.2": 0.372},
    source="not AutoPose's authors but posenas: recipes/lspet-autopose.toml, seed 0",
)
