"""Making a child with inherited weights against one forward pass of it.

    OMP_NUM_THREADS=1 python benchmarks/child_creation.py [--json FILE] [--pairs N]

Making it is building the pose network of a mutated genotype with fresh weights and transferring its parent's
(EvoPose2D's ancestor). The forward pass is of 32 people, in training mode and float32. The null ratio is
making against making.
"""

from __future__ import annotations

from functools import partial
from random import Random

import figures
import torch
from nas_evo.space import EvoSpace
from posenas.composing.building import build_network
from posenas.contract.genotype import Genotype
from posenas.contract.keypoint_sets import COCO_17
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.transfer import transfer
from posenas.standard.heads.heatmap import HeatmapHead
from ratios import alternate
from torch import Tensor

VIEWS = ((256, 192), (128, 96))
WIDTHS = (1.0, 0.25)
PEOPLE = 32


def build(space: EvoSpace, genotype: Genotype) -> PoseNetwork:
    return build_network(space, genotype, head=HeatmapHead(), keypoints=COCO_17)


def create(space: EvoSpace, genotype: Genotype, parent: dict[str, Tensor]) -> PoseNetwork:
    network = build(space, genotype)
    transfer(network, parent)
    return network


@torch.no_grad()
def pass_forward(network: PoseNetwork, images: Tensor) -> None:
    network(images)


def main() -> None:
    options = figures.arguments("child_creation", __doc__.splitlines()[0], pairs=7)
    found = figures.Figures(
        "child_creation",
        {"views": VIEWS, "widths": WIDTHS, "people": PEOPLE, "precision": "float32", "pairs": options.pairs},
    )
    for width in WIDTHS:
        space = EvoSpace(width=width)
        parent = build(space, space.ancestor()).state_dict()
        child = space.mutate(space.ancestor(), Random(0))
        made = partial(create, space, child, parent)
        network = made()
        for height, across in VIEWS:
            images = torch.randn(PEOPLE, 3, height, across).contiguous(memory_format=torch.channels_last)
            ratio = alternate(made, partial(pass_forward, network, images), pairs=options.pairs)
            found.add(f"width {width:g}, {height}x{across}", ratio)
        found.add(f"width {width:g} null", alternate(made, made, pairs=options.pairs))
    found.write(options.json)


if __name__ == "__main__":
    main()
