"""Networks that ViPNAS published, and the two ends of the spaces that it searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posenas import ZooEntry

from nas_ofa_elastic.mobilenetv3 import MOBILENETV3
from nas_ofa_elastic.space import ElasticSpace


def _entry(
    backbone: str, genotype: Mapping[str, Any], published: Mapping[str, float], *, table: str
) -> ZooEntry:
    """Return a network of the paper, for people of COCO in views of 256x192.

    Args:
        backbone: an option of the space.
        genotype: one value for each of the backbone's dimensions.
        published: what the paper prints.
        table: where the paper prints it, and which network it is.
    """
    return ZooEntry(
        space="ofa",
        options={"backbone": backbone},
        genotype=genotype,
        input_size=(256, 192),
        keypoints="coco-17",
        published=published,
        source=f"ViPNAS, Xu et al., CVPR 2021, {table}",
        head={"name": "heatmap", "encoding": "gaussian", "loss": "mse", "sigma": 2.0},
    )


S_VIPNAS_RES50 = _entry(
    "resnet50",
    {
        "stem.width": 48,
        "stage1.depth": 4,
        "stage1.width": 80,
        "stage1.kernel": 3,
        "stage1.groups": 16,
        "stage1.attention": True,
        "stage2.depth": 6,
        "stage2.width": 160,
        "stage2.kernel": 5,
        "stage2.groups": 16,
        "stage2.attention": False,
        "stage3.depth": 7,
        "stage3.width": 304,
        "stage3.kernel": 5,
        "stage3.groups": 16,
        "stage3.attention": True,
        "stage4.depth": 3,
        "stage4.width": 608,
        "stage4.kernel": 5,
        "stage4.groups": 16,
        "stage4.attention": True,
        "deconv.width": 144,
        "deconv.groups": 16,
    },
    {"parameters": 7.3e6, "paper_gflops": 1.44, "oks.AP": 0.710},
    table="table 1 (S-ViPNet-Res50)",
)

_RES50 = ElasticSpace("resnet50")
VIPNAS_RES50_LARGEST = _entry("resnet50", _RES50.largest(), {}, table="table A2 (largest values)")
VIPNAS_RES50_SMALLEST = _entry("resnet50", _RES50.smallest(), {}, table="table A2 (smallest values)")

_HRNET = ElasticSpace("hrnet-w32")
VIPNAS_HRNET_W32_LARGEST = _entry("hrnet-w32", _HRNET.largest(), {}, table="table A3 (largest values)")
VIPNAS_HRNET_W32_SMALLEST = _entry("hrnet-w32", _HRNET.smallest(), {}, table="table A3 (smallest values)")

S_VIPNAS_MBV3 = _entry(
    "mobilenetv3",
    {
        "stage1.group_width": 2,
        "stage1.attention": True,
        "stage2.depth": 4,
        "stage2.kernel": 7,
        "stage2.expansion": 5,
        "stage2.group_width": 1,
        "stage2.attention": True,
        "stage3.depth": 4,
        "stage3.kernel": 7,
        "stage3.expansion": 4,
        "stage3.group_width": 8,
        "stage3.attention": False,
        "stage4.depth": 4,
        "stage4.kernel": 5,
        "stage4.expansion": 5,
        "stage4.group_width": 4,
        "stage4.attention": True,
        "stage5.depth": 4,
        "stage5.kernel": 7,
        "stage5.expansion": 5,
        "stage5.group_width": 2,
        "stage5.attention": True,
        "stage6.depth": 4,
        "stage6.kernel": 5,
        "stage6.expansion": 6,
        "stage6.group_width": 4,
        "stage6.attention": True,
        "deconv.width": 160,
        "deconv.groups": 160,
    },
    {"parameters": 5.4e6, "paper_gflops": 0.69, "oks.AP": 0.678},
    table="table 1 (S-ViPNet-MobileNetV3); the released network, AP 0.700",
)

# Table A1's deconvolutions: 256 channels. Of its group numbers only 32 divides the 160 channels before them.
_DECONVOLUTIONS = {"deconv.width": 256, "deconv.groups": 32}
VIPNAS_MBV3_LARGEST, VIPNAS_MBV3_SMALLEST = (
    _entry(
        "mobilenetv3",
        {name: choice.values[end] for name, choice in MOBILENETV3.dimensions().items()} | _DECONVOLUTIONS,
        {},
        table=f"table A1 ({which} values)",
    )
    for end, which in ((-1, "largest"), (0, "smallest"))
)
