"""The HRNet-W32 space of ViPNAS (Xu et al., CVPR 2021, table A3), for inputs of about 256x192.

The table prints ranges. The steps of widths and depths are those of ZoomNAS (Xu et al., TPAMI 2022), whose
body network is searched in the same space; group numbers halve.
"""

from __future__ import annotations

from posenas.layers import BranchRange, ElasticHRNet, branch_range

HRNET_W32 = ElasticHRNet(
    stem_width=(16, 32, 48, 64),
    depth=((2, 3, 4), (4,), (8, 12, 16), (8, 12)),
    bottleneck=BranchRange((16, 32, 48, 64), (16, 8, 4, 2, 1)),
    branches=(
        branch_range(8, 32, step=8),
        branch_range(16, 64, step=16),
        branch_range(32, 128, step=32),
        branch_range(64, 256, step=64),
    ),
)
