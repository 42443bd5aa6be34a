"""Zoo entries of the hand-made networks, at their published sizes."""

from __future__ import annotations

from posenas.contract.zoo import ZooEntry

_SIZE = (256, 192)

SIMPLE_BASELINE_R50 = ZooEntry(
    space="fixed",
    options={},
    genotype={"name": "simple-baseline-r50"},
    input_size=_SIZE,
    keypoints="coco-17",
    published={"parameters": 34.0e6, "paper_gflops": 8.99, "oks.AP": 0.704},
    source="Simple Baselines, Xiao et al., ECCV 2018; its costs as in ViPNAS, Xu et al., CVPR 2021, table 1",
)

HRNET_W32 = ZooEntry(
    space="fixed",
    options={},
    genotype={"name": "hrnet-w32"},
    input_size=_SIZE,
    keypoints="coco-17",
    published={"parameters": 28.5e6, "paper_gflops": 7.10, "oks.AP": 0.744},
    source="HRNet, Sun et al., CVPR 2019, table 1; from scratch its AP is 0.734",
)

HRNET_W48 = ZooEntry(
    space="fixed",
    options={},
    genotype={"name": "hrnet-w48"},
    input_size=_SIZE,
    keypoints="coco-17",
    published={"parameters": 63.6e6, "paper_gflops": 14.6, "oks.AP": 0.751},
    source="HRNet, Sun et al., CVPR 2019, table 1",
)

MOBILENETV2_POSE = ZooEntry(
    space="fixed",
    options={},
    genotype={"name": "mobilenetv2"},
    input_size=_SIZE,
    keypoints="coco-17",
    published={"parameters": 9.57e6, "gmacs": 1.59, "oks.AP": 0.646},
    source="mmpose 0.20, inference speed summary (topdown_heatmap, MobilenetV2); MACs with batch norm's",
)
