"""The ResNet-50 space of ViPNAS (Xu et al., CVPR 2021, table A2), for inputs of about 256x192."""

from __future__ import annotations

from functools import partial

from posenas.layers import pooled_stem
from torch import nn

from nas_ofa_elastic.family import Family, StageRange

_KERNELS = (3, 5)
_GROUPS = (64, 48, 32, 16)


def _steps(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1, 16))


RESNET50 = Family(
    stem=pooled_stem,
    stem_width=_steps(32, 64),
    stages=(
        StageRange((3, 4), _steps(64, 80), _KERNELS, _GROUPS, stride=1),
        StageRange((4, 5, 6), _steps(128, 160), _KERNELS, _GROUPS, stride=2),
        StageRange((6, 7, 8), _steps(256, 320), _KERNELS, _GROUPS, stride=2),
        StageRange((3, 4), _steps(512, 640), _KERNELS, _GROUPS, stride=2),
    ),
    deconv_width=_steps(64, 256),
    deconv_groups=_GROUPS,
    initialise=partial(nn.init.normal_, std=0.001),
)
