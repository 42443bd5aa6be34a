"""Cutting a network out of the shared weights against one forward pass of it.

    OMP_NUM_THREADS=1 python benchmarks/extract.py [--json FILE] [--pairs N]

Cutting out is making the network of a genotype and filling it with copies of its slices: what a search does
before it evaluates a candidate. The forward pass is in evaluation mode and float32, at 256x192, of 64 people
(evaluation's default batch), of 16 and of a single one. The null ratio is cutting out against cutting out.
"""

from __future__ import annotations

from functools import partial
from random import Random

import figures
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, make_batch, pass_forward, super_network
from ratios import alternate

BACKBONES: tuple[Backbone, ...] = ("resnet50", "mobilenetv3")
SIZE = (256, 192)
PEOPLE = (64, 16, 1)


def main() -> None:
    options = figures.arguments("extract", __doc__.splitlines()[0], pairs=9)
    found = figures.Figures(
        "extract",
        {
            "backbones": BACKBONES,
            "view": SIZE,
            "people": PEOPLE,
            "precision": "float32",
            "pairs": options.pairs,
        },
    )
    for backbone in BACKBONES:
        space = ElasticSpace(backbone)
        shared = super_network(space, SIZE)
        networks = {
            "largest": space.largest(),
            "middle": space.sample(Random(0)),
            "smallest": space.smallest(),
        }
        for name, genotype in networks.items():
            cut_out = partial(shared.derive, genotype)
            network = cut_out().eval()
            for people in PEOPLE:
                forward = partial(pass_forward, network, make_batch(people, SIZE).images)
                found.add(
                    f"{backbone} {name} {people} people", alternate(cut_out, forward, pairs=options.pairs)
                )
            found.add(f"{backbone} {name} null", alternate(cut_out, cut_out, pairs=options.pairs))
    found.write(options.json)


if __name__ == "__main__":
    main()
