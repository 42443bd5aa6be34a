"""Taking batch norm's statistics anew against a forward pass of the same images.

    OMP_NUM_THREADS=1 python benchmarks/bn_recal.py [--json FILE] [--pairs N]

The forward pass is the cut-out network's in evaluation mode, in float32. The null ratio is the forward pass
against itself.
"""

from __future__ import annotations

from random import Random

import figures
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size, make_batch, pass_forward, super_network
from posenas.learning.inference import recalibrate
from posenas.networks.pose_network import PoseNetwork
from ratios import Ratio, alternate
from torch import Tensor

WORK: tuple[tuple[Backbone, int, Size], ...] = (
    ("resnet50", 16, (256, 192)),
    ("mobilenetv3", 16, (256, 192)),
    ("tiny", 64, (128, 96)),
)


def measure(network: PoseNetwork, images: Tensor, *, pairs: int) -> dict[str, Ratio]:
    network.eval()

    def forward() -> None:
        pass_forward(network, images)

    return {
        "recalibration": alternate(lambda: recalibrate(network, [images]), forward, pairs=pairs),
        "null": alternate(forward, forward, pairs=pairs),
    }


def main() -> None:
    options = figures.arguments("bn_recal", __doc__.splitlines()[0], pairs=7)
    found = figures.Figures(
        "bn_recal",
        {"backbone, people and view": WORK, "precision": "float32", "pairs": options.pairs},
    )
    for backbone, people, size in WORK:
        space = ElasticSpace(backbone)
        shared, images = super_network(space, size), make_batch(people, size).images
        networks = {
            "largest": space.largest(),
            "middle": space.sample(Random(0)),
            "smallest": space.smallest(),
        }
        for name, genotype in networks.items():
            ratios = measure(shared.derive(genotype), images, pairs=options.pairs)
            for what, ratio in ratios.items():
                found.add(f"{backbone} {name} {what}", ratio)
    found.write(options.json)


if __name__ == "__main__":
    main()
