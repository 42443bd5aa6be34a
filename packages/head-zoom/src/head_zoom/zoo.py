"""ZoomNet, and the network without zooming that its paper compares it with.

Source: ZoomNAS (Xu et al., TPAMI 2022), table 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posenas import ZooEntry

_PAPER: Mapping[str, Any] = {"encoding": "gaussian", "loss": "mse", "sigma": 3.0}


def _entry(head: Mapping[str, Any], published: Mapping[str, float], *, row: str) -> ZooEntry:
    """Return HRNet-W32 with a head, for the keypoints of COCO-WholeBody in views of 384x288."""
    return ZooEntry(
        space="fixed",
        options={},
        genotype={"name": "hrnet-w32"},
        input_size=(384, 288),
        keypoints="coco-wholebody-133",
        published=published,
        source=f"ZoomNAS, Xu et al., TPAMI 2022, table 4 ({row})",
        head={**head, **_PAPER},
    )


ZOOMNET = _entry(
    {
        "name": "zoom",
        "networks": "w18",
        "stages": [0],
        "expansions": [1.0],
        "sizes": [64],
        "region_sigma": 3.0,
    },
    {
        "paper_gflops": 28.49,
        "wholebody.AP": 0.630,
        "wholebody.body.AP": 0.745,
        "wholebody.foot.AP": 0.609,
        "wholebody.face.AP": 0.880,
        "wholebody.hand.AP": 0.579,
    },
    row="ZoomNet",
)

HRNET_W32_WHOLEBODY = _entry(
    {"name": "heatmap"},
    {
        "paper_gflops": 16.04,
        "wholebody.AP": 0.586,
        "wholebody.body.AP": 0.701,
        "wholebody.foot.AP": 0.586,
        "wholebody.face.AP": 0.727,
        "wholebody.hand.AP": 0.516,
    },
    row="HRNet",
)
