"""One sandwich step against the same networks as static ones.

    OMP_NUM_THREADS=1 python benchmarks/sandwich.py [--json FILE] [--pairs N]

A step passes the largest, the smallest and two random networks forward and backward, with in-place
distillation, and adds their gradients up. The static side is the same four networks, cut out before, with the
same losses, their gradients dropped. Random networks differ from pair to pair; making and filling them
belongs to the step. Neither side's optimiser is timed. The null ratio is the static side against itself.
`tiny`'s steps are short and their times scatter, so that it has four times as many pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import cast

import figures
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size, make_batch, super_network
from posenas.contract.batches import Batch
from posenas.contract.components import Distillable, HeadModule
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from ratios import Ratio, alternate

RANDOM_NETWORKS = 2
WORK: tuple[tuple[Backbone, int, Size], ...] = (("resnet50", 8, (256, 192)), ("tiny", 32, (128, 96)))
TIMES_AS_MANY_PAIRS = {"resnet50": 1, "tiny": 4}


def static_networks(shared: SharedPoseNetwork, space: ElasticSpace, seed: int) -> list[PoseNetwork]:
    """Those that a sandwich step visits with this seed, the largest first."""
    rng = Random(seed)
    drawn = [space.sample(rng) for _ in range(RANDOM_NETWORKS)]
    return [shared.derive(genotype) for genotype in (space.largest(), space.smallest(), *drawn)]


def static_step(networks: list[PoseNetwork], batch: Batch) -> None:
    teacher_network, *others = networks
    head = cast(HeadModule, teacher_network.head)
    targets = head.targets(batch)
    teacher = teacher_network(batch.images, targets)
    head.loss(teacher, targets).backward()
    for network in others:
        outputs = network(batch.images, targets)
        taught = cast(Distillable, network.head).distillation_loss(outputs, teacher)
        (cast(HeadModule, network.head).loss(outputs, targets) + taught).backward()
    for network in networks:
        network.zero_grad()


def measure(space: ElasticSpace, batch: Batch, *, pairs: int) -> dict[str, Ratio]:
    height, width = batch.images.shape[2:]
    shared = super_network(space, (height, width))
    step = SandwichStep(space, RANDOM_NETWORKS, "truth+teacher")
    static = [static_networks(shared, space, seed) for seed in range(pairs + 1)]
    seeds = {side: cycle(pairs + 1) for side in ("elastic", "static", "null", "other null")}

    def pass_static(side: str) -> None:
        static_step(static[next(seeds[side])], batch)

    return {
        "step": alternate(
            lambda: step(shared, batch, Random(next(seeds["elastic"])), update=print, progress=0.0),
            partial(pass_static, "static"),
            pairs=pairs,
        ),
        "null": alternate(partial(pass_static, "null"), partial(pass_static, "other null"), pairs=pairs),
    }


def cycle(length: int) -> Iterator[int]:
    while True:
        yield from range(length)


def main() -> None:
    options = figures.arguments("sandwich", __doc__.splitlines()[0], pairs=7)
    found = figures.Figures(
        "sandwich",
        {
            "backbone, people and view": WORK,
            "random networks": RANDOM_NETWORKS,
            "precision": "float32",
            "pairs": {name: options.pairs * times for name, times in TIMES_AS_MANY_PAIRS.items()},
        },
    )
    for backbone, people, size in WORK:
        pairs = options.pairs * TIMES_AS_MANY_PAIRS[backbone]
        ratios = measure(ElasticSpace(backbone), make_batch(people, size), pairs=pairs)
        for what, ratio in ratios.items():
            found.add(f"{backbone} {people}x{size[0]}x{size[1]} {what}", ratio)
    found.write(options.json)


if __name__ == "__main__":
    main()
