"""What a strategy's steps are made of: pose networks, real values, parts of batches, the sandwich rule."""

from posenas.data.batch_parts import part
from posenas.learning.sandwich_step import Distillation, SandwichStep
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax

__all__ = [
    "Distillation",
    "PoseNetwork",
    "SandwichStep",
    "SharedPoseNetwork",
    "part",
    "relax",
]
