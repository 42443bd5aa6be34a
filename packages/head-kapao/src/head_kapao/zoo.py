"""KAPAO in its three sizes, for the keypoints of COCO and of CrowdPose."""

from __future__ import annotations

from posenas import ZooEntry

from head_kapao.sizes import Size, published


def _coco(size: Size, *, parameters: float, precision: float) -> ZooEntry:
    return ZooEntry(
        space="yolo",
        options={"size": size},
        genotype=published(size),
        input_size=(1280, 1280),
        keypoints="coco-17",
        published={"parameters": parameters, "oks.AP": precision},
        source=f"KAPAO, McNally, thesis (2022), table 4.2 ({size.upper()}, without test-time augmentation)",
        head={"name": "kapao"},
    )


def _crowdpose(size: Size, *, precision: float) -> ZooEntry:
    return ZooEntry(
        space="yolo",
        options={"size": size},
        genotype=published(size),
        input_size=(1280, 1280),
        keypoints="crowdpose-14",
        published={"oks.AP": precision},
        source=f"KAPAO, McNally, thesis (2022), table 4.4 ({size.upper()}, with test-time augmentation)",
        head={"name": "kapao"},
    )


KAPAO_S = _coco("s", parameters=12.6e6, precision=0.630)
KAPAO_M = _coco("m", parameters=35.8e6, precision=0.685)
KAPAO_L = _coco("l", parameters=77.0e6, precision=0.706)
KAPAO_S_CROWDPOSE = _crowdpose("s", precision=0.638)
KAPAO_M_CROWDPOSE = _crowdpose("m", precision=0.671)
KAPAO_L_CROWDPOSE = _crowdpose("l", precision=0.689)
