"""KAPAO in its three sizes, for the keypoints of COCO and of CrowdPose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from posenas import ZooEntry

from head_kapao.sizes import Size, published


def _coco(size: Size, *, parameters: float, precision: float) -> ZooEntry:
    """Return KAPAO of this size as published for COCO."""
    figures = {"parameters": parameters, "oks.AP": precision}
    return _entry(size, figures, keypoints="coco-17", table="4.2", test="without")


def _crowdpose(size: Size, *, precision: float) -> ZooEntry:
    """Return KAPAO of this size as published for CrowdPose."""
    return _entry(size, {"oks.AP": precision}, keypoints="crowdpose-14", table="4.4", test="with")


def _entry(
    size: Size, figures: Mapping[str, float], *, keypoints: str, table: str, test: Literal["with", "without"]
) -> ZooEntry:
    return ZooEntry(
        space="yolo",
        options={"size": size},
        genotype=published(size),
        input_size=(1280, 1280),
        keypoints=keypoints,
        published=figures,
        source=f"KAPAO, McNally, thesis (2022), table {table} "
        f"({size.upper()}, {test} test-time augmentation)",
        head={"name": "kapao"},
    )


KAPAO_S = _coco("s", parameters=12.6e6, precision=0.630)
KAPAO_M = _coco("m", parameters=35.8e6, precision=0.685)
KAPAO_L = _coco("l", parameters=77.0e6, precision=0.706)
KAPAO_S_CROWDPOSE = _crowdpose("s", precision=0.638)
KAPAO_M_CROWDPOSE = _crowdpose("m", precision=0.671)
KAPAO_L_CROWDPOSE = _crowdpose("l", precision=0.689)
