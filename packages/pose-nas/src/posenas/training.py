"""What a strategy's steps are made of: pose networks, real values, parts of batches, the sandwich rule.

`constant` and `in_one_copy` are for steps and heads, which must not let the host wait for a device.
"""

from posenas.data.batch_parts import part
from posenas.learning.sandwich_step import Distillation, SandwichStep
from posenas.networks.constants import constant
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax
from posenas.runs.one_copy import in_one_copy

__all__ = [
    "Distillation",
    "PoseNetwork",
    "SandwichStep",
    "SharedPoseNetwork",
    "constant",
    "in_one_copy",
    "part",
    "relax",
]
