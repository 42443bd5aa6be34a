"""One branch of four on, in the super-network, against a network built with that branch alone.

    OMP_NUM_THREADS=1 python benchmarks/gated.py [--json FILE] [--pairs N]

In every stage of `autopose` the same branch is on and the others are off. A training step activates it in the
super-network, passes forward and backward, and takes Adam's step; `fresh` builds the network in every step,
and `kept` asks for one that was active before. The other side is the same network with weights of its own,
built once, with Adam of its own. A pass forward is compared without gradients. Operations are weighed by the
softmax of alpha (`soft`), or one is left on each edge (`single`). The null ratio is the other side against
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import cast

import figures
from nas_autopose.space import AutoPoseSpace
from networks import make_batch, pass_forward, super_network
from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule
from posenas.contract.genotype import Genotype
from posenas.learning.optimizers import make_optimizers
from posenas.learning.settings import TrainingSettings
from posenas.learning.updates import Updates
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from ratios import alternate
from torch import nn

SIZE = (128, 96)
PEOPLE = 16
SPACE = AutoPoseSpace(scales=4, stages=3)
BRANCHES = (1, 4)
"""The finest branch and the coarsest one."""


def one_branch(branch: int, *, single: bool) -> Genotype:
    gates = {name: name.endswith(f"branch{branch}") for name in SPACE.dimensions() if "branch" in name}
    genotype = {**SPACE.sample(Random(0)), **gates}
    return SPACE.discrete(genotype) if single else genotype


def training_step(owner: nn.Module, network: Callable[[], PoseNetwork], batch: Batch) -> Callable[[], object]:
    """Returns a step of the network's training that moves the owner's weights by Adam."""
    updates = Updates(owner, make_optimizers(owner, TrainingSettings()), clip_norm=0.0)

    def step() -> None:
        updates.begin(PEOPLE)
        active = network()
        head = cast(HeadModule, active.head)
        targets = head.targets(batch)
        head.loss(active(batch.images, targets), targets).backward()
        updates.end(due=True)

    return step


def activated(shared: SharedPoseNetwork, genotype: Genotype, *, kept: bool) -> PoseNetwork:
    if not kept:
        shared._active.clear()
    return shared.activate(genotype)


def main() -> None:
    options = figures.arguments("gated", __doc__.splitlines()[0], pairs=15)
    found = figures.Figures(
        "gated",
        {
            "space": repr(SPACE),
            "people": PEOPLE,
            "view": SIZE,
            "precision": "float32",
            "pairs": options.pairs,
        },
    )
    batch = make_batch(PEOPLE, SIZE)
    shared = super_network(SPACE, SIZE)
    for branch in BRANCHES:
        for kind in ("soft", "single"):
            genotype = one_branch(branch, single=kind == "single")
            alone = shared.derive(genotype)
            built = training_step(alone, lambda alone=alone: alone, batch)
            sides = {
                "step, fresh": training_step(shared, partial(activated, shared, genotype, kept=False), batch),
                "step, kept": training_step(shared, partial(activated, shared, genotype, kept=True), batch),
                "step, null": built,
            }
            for what, side in sides.items():
                found.add(f"branch {branch} {kind} {what}", alternate(side, built, pairs=options.pairs))
            active = activated(shared, genotype, kept=True)
            forward = alternate(
                partial(pass_forward, active, batch.images),
                partial(pass_forward, alone, batch.images),
                pairs=options.pairs,
            )
            found.add(f"branch {branch} {kind} forward", forward)
    found.write(options.json)


if __name__ == "__main__":
    main()
