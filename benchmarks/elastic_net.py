"""An active sub-network against the same network cut out, which is static.

    OMP_NUM_THREADS=1 python benchmarks/elastic_net.py [--json FILE] [--pairs N]

An active sub-network is a static one whose weights are copies of slices, so its forward pass is the static
one's; `forward` shows that. `forward and backward` is what a training step does for each network: activate
it, pass forward and backward, and add its gradients into the shared buffer, against forward and backward of
the cut-out network (gradients dropped after each, which is the cheapest it can be). A training asks for the
largest and the smallest network in every step, so both are activated again; for `middle` a random network is
drawn for every pair, never seen before, and the time in which it is made counts too. Weights have the same
values on both sides.

256x192 is the papers' view; the last lines, of a small batch at a third of the pixels, have so little
computation to each weight that the cost of copying weights and adding gradients shows. The null ratio is the
cut-out network against itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

import figures
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size, make_batch, pass_backward, pass_forward, super_network
from posenas.contract.genotype import Genotype
from posenas.networks.pose_network import SharedPoseNetwork
from ratios import Ratio, alternate
from torch import Tensor

WORK: tuple[tuple[Backbone, int, Size], ...] = (
    ("resnet50", 8, (256, 192)),
    ("mobilenetv3", 8, (256, 192)),
    ("resnet50", 4, (128, 128)),
)


def measure(
    shared: SharedPoseNetwork, genotypes: list[Genotype], images: Tensor, *, pairs: int
) -> dict[str, Ratio]:
    """`genotypes` are one for each run of a side, `pairs` + 1 in all; or a single one for every run."""
    cut_out = [shared.derive(genotype) for genotype in genotypes]
    turns = {side: cycle(len(genotypes)) for side in ("active", "static", "null", "other null")}

    def activate_and_pass() -> None:
        pass_backward(shared.activate(genotypes[next(turns["active"])]), images)

    def pass_static(side: str) -> None:
        network = cut_out[next(turns[side])]
        pass_backward(network, images)
        network.zero_grad()

    active, static = shared.activate(genotypes[0]).eval(), shared.derive(genotypes[0]).eval()
    return {
        "forward": alternate(
            partial(pass_forward, active, images), partial(pass_forward, static, images), pairs=pairs
        ),
        "forward and backward": alternate(activate_and_pass, partial(pass_static, "static"), pairs=pairs),
        "null": alternate(partial(pass_static, "null"), partial(pass_static, "other null"), pairs=pairs),
    }


def cycle(length: int) -> Iterator[int]:
    while True:
        yield from range(length)


def main() -> None:
    options = figures.arguments("elastic_net", __doc__.splitlines()[0], pairs=9)
    found = figures.Figures(
        "elastic_net",
        {"backbone, people and view": WORK, "precision": "float32", "pairs": options.pairs},
    )
    for backbone, people, size in WORK:
        space, rng = ElasticSpace(backbone), Random(0)
        shared, images = super_network(space, size), make_batch(people, size).images
        networks = {
            "largest": [space.largest()],
            "middle": [space.sample(rng) for _ in range(options.pairs + 1)],
            "smallest": [space.smallest()],
        }
        for name, genotypes in networks.items():
            for what, ratio in measure(shared, genotypes, images, pairs=options.pairs).items():
                found.add(f"{backbone} {people}x{size[0]}x{size[1]} {name} {what}", ratio)
    found.write(options.json)


if __name__ == "__main__":
    main()
