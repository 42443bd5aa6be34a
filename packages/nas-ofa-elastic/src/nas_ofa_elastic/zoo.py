"""Networks that ViPNAS published, and the two ends of the space that it searched."""

from __future__ import annotations

from posenas import ZooEntry

from nas_ofa_elastic.mobilenetv3 import MOBILENETV3
from nas_ofa_elastic.resnet50 import RESNET50
from nas_ofa_elastic.space import ElasticSpace

S_VIPNAS_RES50 = ZooEntry(
    space="ofa",
    options={"backbone": "resnet50"},
    genotype={
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
    input_size=(256, 192),
    keypoints="coco-17",
    published={"parameters": 7.3e6, "paper_gflops": 1.44, "oks.AP": 0.710},
    source="ViPNAS, Xu et al., CVPR 2021, table 1 (S-ViPNet-Res50)",
)

VIPNAS_RES50_LARGEST, VIPNAS_RES50_SMALLEST = (
    ZooEntry(
        space="ofa",
        options={"backbone": "resnet50"},
        genotype={name: choice.values[end] for name, choice in RESNET50.dimensions().items()},
        input_size=(256, 192),
        keypoints="coco-17",
        published={},
        source=f"ViPNAS, Xu et al., CVPR 2021, table A2 ({which} values)",
    )
    for end, which in ((-1, "largest"), (0, "smallest"))
)

_HRNET = ElasticSpace("hrnet-w32")

VIPNAS_HRNET_W32_LARGEST, VIPNAS_HRNET_W32_SMALLEST = (
    ZooEntry(
        space="ofa",
        options={"backbone": "hrnet-w32"},
        genotype=genotype,
        input_size=(256, 192),
        keypoints="coco-17",
        published={},
        source=f"ViPNAS, Xu et al., CVPR 2021, table A3 ({which} values)",
    )
    for genotype, which in ((_HRNET.largest(), "largest"), (_HRNET.smallest(), "smallest"))
)

S_VIPNAS_MBV3 = ZooEntry(
    space="ofa",
    options={"backbone": "mobilenetv3"},
    genotype={
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
    input_size=(256, 192),
    keypoints="coco-17",
    published={"parameters": 5.4e6, "paper_gflops": 0.69, "oks.AP": 0.678},
    source="ViPNAS, Xu et al., CVPR 2021, table 1 (S-ViPNet-MobileNetV3); the released network, AP 0.700",
)

# Table A1's deconvolutions: 256 channels. Of its group numbers only 32 divides the 160 channels before them.
VIPNAS_MBV3_LARGEST, VIPNAS_MBV3_SMALLEST = (
    ZooEntry(
        space="ofa",
        options={"backbone": "mobilenetv3"},
        genotype={
            **{name: choice.values[end] for name, choice in MOBILENETV3.dimensions().items()},
            "deconv.width": 256,
            "deconv.groups": 32,
        },
        input_size=(256, 192),
        keypoints="coco-17",
        published={},
        source=f"ViPNAS, Xu et al., CVPR 2021, table A1 ({which} values)",
    )
    for end, which in ((-1, "largest"), (0, "smallest"))
)
