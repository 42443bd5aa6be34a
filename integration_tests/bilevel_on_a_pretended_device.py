"""Prints what a step of `bilevel` and an update of its controller give on the CPU and a pretended device.

A program of its own, since the pretended device changes torch for the whole process. Its argument is the
estimator.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any, cast

import torch
from nas_autopose.choices import undecided
from nas_autopose.controller import Controller
from nas_autopose.gumbel_step import Annealing, Estimator, GumbelStep, Networks
from nas_autopose.policy_gradient import PolicyGradient
from nas_autopose.space import AutoPoseSpace
from posenas import COCO_17, Batch
from posenas.composing.building import build_network
from posenas.learning.architecture import Architecture
from posenas.learning.optimizers import make_optimizers
from posenas.learning.settings import TrainingSettings
from posenas.learning.updates import Updates
from posenas.networks.pose_network import SharedPoseNetwork
from posenas.networks.real_values import relax, restore
from posenas.standard.heads.heatmap import HeatmapHead
from pretended_device import Watched, install

SPACE = AutoPoseSpace(channels=1, scales=2, stages=1)
GATES = ("stage1.branch1", "stage1.branch2")
SIZE = (32, 32)
PEOPLE = 4


def make_batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(PEOPLE, 3, *SIZE, generator=generator)
    keypoints = torch.rand(PEOPLE, 17, 2, generator=generator) * SIZE[0]
    return Batch(images, keypoints, torch.ones(PEOPLE, 17))


def run(device: torch.device, waits: Counter[tuple[str, str]], estimator: Estimator) -> Mapping[str, Any]:
    """Move weights and cells in two steps, and let a controller learn from two draws.

    The first step is not counted: there the network is made.
    """
    torch.manual_seed(0)
    head = HeatmapHead(input_size=SIZE)
    build = partial(build_network, SPACE, head=head, keypoints=COCO_17)
    network = SharedPoseNetwork(
        build,
        build(undecided(SPACE)).to(device),
        relax=partial(relax, SPACE),
        restore=partial(restore, SPACE),
    )
    values = relax(SPACE, network.shared.holder)
    optimizers = make_optimizers(network, TrainingSettings(), Architecture(list(values.values()), 0.03, 0.0))
    updates = Updates(network, optimizers, clip_norm=0.0)
    rest = tuple((name, value) for name, value in undecided(SPACE).items() if name not in GATES)
    controller = Controller([2, 2], Random(0), hidden=4)
    policy = PolicyGradient(controller, learning_rate=0.1, entropy_weight=1e-3, decay=0.9)
    drawn = [controller.sample(Random(seed)) for seed in range(2)]
    step = GumbelStep(SPACE, estimator, Annealing(1.0, 1.0), Networks(rest, GATES, ((True, False),)))
    batch, losses = moved(make_batch(), device), []
    for number in range(2):
        waits.clear()
        updates.begin(PEOPLE)
        told = step(network, batch, Random(number), update=updates.update, progress=0.5)
        updates.end(due=True)
        in_step = waited(waits)
        losses.append({name: float(loss) for name, loss in told.items()})
    waits.clear()
    for rewards in ([0.1, 0.2], [0.3, 0.1]):
        policy.update(drawn, rewards)
    in_update = waited(waits)
    return {
        "losses": losses,
        "values": {name: value.detach().cpu().tolist() for name, value in values.items()},
        "controller": [each.tolist() for each in controller.parameters()],
        "step": in_step,
        "update": in_update,
    }


def moved(batch: Batch, device: torch.device) -> Batch:
    tensors = {name: value for name, value in vars(batch).items() if value is not None}
    return Batch(**{name: value.to(device) for name, value in tensors.items()})


def waited(waits: Counter[tuple[str, str]]) -> Mapping[str, int]:
    """Return how often the host waited, by what for and the file."""
    found: Counter[str] = Counter()
    for (what, line), times in waits.items():
        found[f"{what} in {line.rpartition(':')[0]}"] += times
    return found


if __name__ == "__main__":
    pretended = install()
    chosen = cast(Estimator, sys.argv[1])
    on_cpu = run(torch.device("cpu"), Counter(), chosen)
    with Watched() as watched:
        on_device = run(pretended, watched.waits, chosen)
    print(json.dumps({"cpu": on_cpu, "device": on_device, "operations": watched.operations}))
