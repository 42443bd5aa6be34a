"""Passes of a process that keeps the memory that it has freed, against one that gives it back.

    OMP_NUM_THREADS=1 python benchmarks/freed_memory.py [--json FILE] [--pairs N]

What `posenas.networks.devices.keep_freed_memory` saves: evaluation passes of 64 people and training steps of
16, of `ofa`'s `tiny` in the precision that the device chooses and of EvoPose2D's ancestor at a quarter of its
width in float32. Giving back is by the thresholds that glibc comes to by itself after a large block was
freed. Both ways set theirs before each turn. The null ratio is keeping against keeping.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

import figures
import torch
from posenas.composing.building import build_network, compute_for, make
from posenas.contract.batches import Batch
from posenas.contract.keypoint_sets import COCO_17
from posenas.learning.training import SupervisedStep
from posenas.networks.devices import keep_freed_memory
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.standard.heads.heatmap import HeatmapHead
from ratios import alternate

SPACES = {"ofa": {}, "evo": {"width": 0.25}}
SIZES = ((128, 96), (256, 192))
GLIBC = {"map_above": 32 * 2**20, "trim_above": 64 * 2**20}


def network_of(space: str) -> PoseNetwork:
    made = make("space", ComponentChoice(space, SPACES[space]))
    genotype = made.largest() if space == "ofa" else made.ancestor()
    compute = compute_for(Recipe(), made)
    return build_network(made, genotype, head=HeatmapHead(), keypoints=COCO_17, compute=compute)


def batch_of(people: int, size: tuple[int, int]) -> Batch:
    images = torch.randn(people, 3, *size).contiguous(memory_format=torch.channels_last)
    return Batch(images, 90 * torch.rand(people, 17, 2), torch.ones(people, 17))


def evaluate(network: PoseNetwork, batch: Batch) -> None:
    network.eval()
    with torch.no_grad():
        for _ in range(4):
            network(batch.images)


def train(network: PoseNetwork, batch: Batch) -> None:
    network.train()
    for _ in range(4):
        SupervisedStep()(network, batch, Random(0), update=print, progress=0.0)


def after(thresholds: Mapping[str, int], work: Callable[[], None]) -> None:
    keep_freed_memory(**thresholds)
    work()


def main() -> None:
    options = figures.arguments("freed_memory", __doc__.splitlines()[0], pairs=9)
    found = figures.Figures("freed_memory", {"spaces": SPACES, "views": SIZES, "pairs": options.pairs})
    for space, size in itertools.product(SPACES, SIZES):
        network = network_of(space)
        for name, work in {
            "evaluation": partial(evaluate, network, batch_of(64, size)),
            "training": partial(train, network, batch_of(16, size)),
        }.items():
            what = f"{space} {size[0]}x{size[1]} {name}"
            kept, given_back = partial(after, {}, work), partial(after, GLIBC, work)
            found.add(what, alternate(kept, given_back, pairs=options.pairs))
            found.add(f"{what} null", alternate(kept, kept, pairs=options.pairs))
    found.write(options.json)


if __name__ == "__main__":
    main()
