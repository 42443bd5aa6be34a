"""The pose networks HRNet-W32 and HRNet-W48.

Source: Sun et al., Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
"""

from __future__ import annotations

from torch import nn

from posenas.networks.backbones.channels import scaled
from posenas.networks.layers.hrnet import HRNet, HRNetPlan, Stage
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.multi_resolution import Branch

_MODULES = (1, 4, 3)
"""The numbers of modules of the second, third and fourth stage."""


def hrnet(branch_width: int, width: float) -> HRNet:
    """Return an HRNet with fresh weights; its last level is `stage4.branch1`.

    Args:
        branch_width: channels of the branch at 1/4: 32 or 48. Each coarser branch has twice as many.
        width: times as many channels everywhere, in multiples of 8.
    """
    branches = tuple(Branch(scaled(branch_width * 2**index, width)) for index in range(4))
    stages = tuple(Stage(modules, branches[:number]) for number, modules in enumerate(_MODULES, 2))
    network = HRNet(
        HRNetPlan(stem_width=scaled(64, width), depth=4, bottleneck=Branch(scaled(64, width)), stages=stages)
    )
    initialise(network, nn.init.kaiming_normal_)
    return network
