"""EvoPose2D in its four sizes, and the ancestor that it evolved from."""

from __future__ import annotations

from posenas import ZooEntry

from nas_evo.genes import ANCESTOR, Quartet, genotype_of

_S = (
    Quartet(1, 3, 16, 1),
    Quartet(3, 3, 24, 2),
    Quartet(2, 5, 40, 2),
    Quartet(4, 3, 80, 2),
    Quartet(2, 5, 112, 1),
    Quartet(4, 5, 128, 1),
    Quartet(2, 3, 80, 1),
)
_XS = (*_S[:5], Quartet(4, 5, 128, 2), _S[6])

EVOPOSE2D_XS = ZooEntry(
    space="evo",
    options={"width": 1.0},
    genotype=genotype_of(_XS),
    input_size=(256, 192),
    keypoints="coco-17",
    published={"parameters_with_statistics": 2.53e6, "thesis_gflops": 0.47, "oks.AP": 0.680},
    source="EvoPose2D, McNally, thesis (2022), tables 3.3 and 3.5 (XS: S with stride 2 in module 6)",
)

EVOPOSE2D_S = ZooEntry(
    space="evo",
    options={"width": 1.0},
    genotype=genotype_of(_S),
    input_size=(256, 192),
    keypoints="coco-17",
    published={"parameters_with_statistics": 2.53e6, "thesis_gflops": 1.07, "oks.AP": 0.702},
    source="EvoPose2D, McNally, thesis (2022), tables 3.3 and 3.5 (S)",
)

EVOPOSE2D_M = ZooEntry(
    space="evo",
    options={"scaled_for": [384, 288], "width": 1.0},
    genotype=genotype_of(_S),
    input_size=(384, 288),
    keypoints="coco-17",
    published={"parameters_with_statistics": 7.34e6, "thesis_gflops": 5.59, "oks.AP": 0.751},
    source="EvoPose2D, McNally, thesis (2022), table 3.5 (M: S scaled to 384x288)",
)

EVOPOSE2D_L = ZooEntry(
    space="evo",
    options={"scaled_for": [512, 384], "width": 1.0},
    genotype=genotype_of(_S),
    input_size=(512, 384),
    keypoints="coco-17",
    published={"parameters_with_statistics": 14.7e6, "thesis_gflops": 17.7, "oks.AP": 0.766},
    source="EvoPose2D, McNally, thesis (2022), table 3.5 (L: S scaled to 512x384)",
)

# The thesis's figures of EfficientNet-B0 (5.82 M, 0.60 GFLOPs, AP 0.684) are with the 1280 channels on top.
EFFICIENTNET_B0_POSE = ZooEntry(
    space="evo",
    options={"width": 1.0},
    genotype=genotype_of(ANCESTOR),
    input_size=(256, 192),
    keypoints="coco-17",
    published={},
    source="EvoPose2D, McNally, thesis (2022), table 3.1 (the common ancestor)",
)
