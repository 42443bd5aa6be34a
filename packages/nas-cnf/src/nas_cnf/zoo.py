"""The paper's fabrics as backbones, and its pose networks before the search has moved their alpha and beta.

Source: PoseNFS (Yang et al., 2019). Its counts of parameters include a second input of every cell, which Eq.
2 does not have and which nothing is ever sent to. Its GFLOPs do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from posenas import ZooEntry, option_values

from nas_cnf.operations import OPERATIONS, WITHOUT_POOLING
from nas_cnf.space import CnfSpace

_TWO_INPUTS = "the paper's also counts the edges of a second input of every cell, which is never fed"
_STEMS = "with a stem in each part, which its code makes and no image reaches, 3.019 M"
_LONGER_CELLS = f"{_TWO_INPUTS}, and ways from two layers back, which its equations do not have"

_SIGMAS = {256: 2.0, 384: 3.0}
"""The standard deviations of the targets, in pixels of the maps, by the height of the input.

The paper's code has the same.
"""


def _entry(
    backbone: str,
    *,
    parts: int,
    input_size: tuple[int, int],
    keypoints: str,
    published: Mapping[str, float | str],
    source: str,
    channels: int = 10,
    hidden: int = 1,
) -> ZooEntry:
    """Return a network whose choices all weigh the same; if it has parts, its head is the paper's."""
    space = CnfSpace(
        backbone=backbone,
        width=1.0,
        parts=parts,
        layers=3,
        coarsest=32,
        channels=channels,
        hidden=hidden,
        operations=WITHOUT_POOLING,
        backbone_operations=OPERATIONS,
    )
    maps = {"encoding": "gaussian", "sigma": _SIGMAS[input_size[0]]}
    vector = {"name": "vector", "dimension": 8, "groups": "auto"}
    return ZooEntry(
        space="cnf",
        options=option_values(space),
        genotype=space.ancestor(),
        input_size=input_size,
        keypoints=keypoints,
        published=published,
        source=f"PoseNFS, Yang et al., 2019, {source}",
        head=(vector if parts else {"name": "heatmap", "loss": "mse"}) | maps,
    )


FABRIC_1, FABRIC_2, FABRIC_3 = (
    _entry(
        name,
        parts=0,
        input_size=(256, 256),
        keypoints="mpii-16",
        published={"parameters": parameters, "parameters_difference": difference},
        source="section IV-A and table VIII (backbone)",
    )
    for name, parameters, difference in (
        ("fabric-1", 5.8e6, _LONGER_CELLS),
        ("fabric-2", 6.8e6, _TWO_INPUTS),
        ("fabric-3", 10.5e6, _LONGER_CELLS),
    )
)

POSENFS_MOBILENETV2 = _entry(
    "mobilenetv2",
    parts=3,
    input_size=(256, 256),
    keypoints="mpii-16",
    published={
        "parameters": 3.3e6,
        "parameters_difference": f"{_TWO_INPUTS}; {_STEMS}",
        "paper_gflops": 1.2,
        "pckh.PCKh@0.5": 0.870,
    },
    source="table II (synchronous)",
)

POSENFS_1 = _entry(
    "mobilenetv2",
    parts=3,
    channels=16,
    input_size=(384, 288),
    keypoints="coco-17",
    published={
        "parameters": 6.1e6,
        "parameters_difference": _TWO_INPUTS,
        "paper_gflops": 4.0,
        "oks.AP on test-dev": 0.674,
    },
    source="table VII (Ours-1)",
)

POSENFS_2 = _entry(
    "resnet50",
    parts=3,
    input_size=(384, 288),
    keypoints="coco-17",
    published={
        "parameters": 27.5e6,
        "paper_gflops": 11.4,
        "paper_gflops_difference": "11.33 GMACs are here; the paper's other figures are of its own rule",
        "oks.AP on test-dev": 0.709,
    },
    source="table VII (Ours-2)",
)

POSENFS_3 = _entry(
    "hrnet-w32",
    parts=5,
    channels=16,
    input_size=(384, 288),
    keypoints="coco-17",
    published={
        "parameters": 15.8e6,
        "parameters_difference": f"after pruning, and {_TWO_INPUTS}",
        "paper_gflops": 14.8,
        "oks.AP": 0.730,
        "oks.AP on test-dev": 0.723,
    },
    source="section IV-D and table VII (Ours-3, here before it is pruned)",
)

POSENFS_A = _entry(
    "mobilenetv2",
    parts=3,
    hidden=2,
    input_size=(384, 384),
    keypoints="mpii-16",
    published={
        "parameters": 5.2e6,
        "parameters_difference": f"{_TWO_INPUTS}, and MobileNetV2's last block, which is not used",
        "paper_gflops": 4.6,
        "pckh.PCKh@0.5 on test": 0.902,
    },
    source="table V (Ours-a)",
)

POSENFS_B = _entry(
    "hrnet-w32",
    parts=5,
    channels=16,
    input_size=(256, 256),
    keypoints="mpii-16",
    published={
        "parameters": 16.4e6,
        "parameters_difference": _TWO_INPUTS,
        "paper_gflops": 9.4,
        "pckh.PCKh@0.5": 0.901,
    },
    source="table VI (Ours-b)",
)

POSENFS_C = _entry(
    "hrnet-w32",
    parts=3,
    channels=12,
    hidden=2,
    input_size=(256, 256),
    keypoints="mpii-16",
    published={
        "parameters": 12.9e6,
        "parameters_difference": _TWO_INPUTS,
        "paper_gflops": 8.3,
        "pckh.PCKh@0.5": 0.899,
    },
    source="table VI (Ours-c)",
)
