"""Zoo entries of the hand-made networks, at their published sizes."""

from __future__ import annotations

from collections.abc import Mapping

from posenas.contract.zoo import ZooEntry


def _entry(name: str, published: Mapping[str, float], *, source: str) -> ZooEntry:
    """Return the hand-made network of this name, for people of COCO in views of 256x192."""
    return ZooEntry(
        space="fixed",
        options={},
        genotype={"name": name},
        input_size=(256, 192),
        keypoints="coco-17",
        published=published,
        source=source,
        head={"name": "heatmap", "encoding": "gaussian", "loss": "mse", "sigma": 2.0},
    )


SIMPLE_BASELINE_R50 = _entry(
    "simple-baseline-r50",
    {"parameters": 34.0e6, "paper_gflops": 8.99, "oks.AP": 0.704},
    source="Simple Baselines, Xiao et al., ECCV 2018; its costs as in ViPNAS, Xu et al., CVPR 2021, table 1",
)

HRNET_W32 = _entry(
    "hrnet-w32",
    {"parameters": 28.5e6, "paper_gflops": 7.10, "oks.AP": 0.744},
    source="HRNet, Sun et al., CVPR 2019, table 1; from scratch its AP is 0.734",
)

HRNET_W48 = _entry(
    "hrnet-w48",
    {"parameters": 63.6e6, "paper_gflops": 14.6, "oks.AP": 0.751},
    source="HRNet, Sun et al., CVPR 2019, table 1",
)

MOBILENETV2_POSE = _entry(
    "mobilenetv2",
    {"parameters": 9.57e6, "gmacs": 1.59, "oks.AP": 0.646},
    source="mmpose 0.20, inference speed summary (topdown_heatmap, MobilenetV2); MACs with batch norm's",
)
