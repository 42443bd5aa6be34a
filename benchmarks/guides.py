"""What guides are worth to the smallest networks after a key frame (ViPNAS, section 4.5, and figure 6 a).

    OMP_NUM_THREADS=1 python benchmarks/guides.py --runs FOLDER [--seeds 3] [--first-seed 0]
        [--epochs 12] [--json FILE]

A seed takes about 10 minutes on one core. It can be stopped and started again, and seeds can be run side by
side: a last call with all of them only reads what is there. Nothing is searched, so that nothing but the
guides can make a difference. On each seed a key frame's network is trained on drawn people. Then, with every
frame after it alike, and weights that a super-network has given them in one pass:

- fusion: the smallest network, whose `stem` is concatenated with the guide, trained for twelve passes;
- without: the same network without the fusion, and with single changes to the next value until it has at
  least as many GMACs, trained as long.

Scores, drift, and what three seeds can tell are those of `video.py`. Within 5 pixels of the view of 128x96 is
about half a head's size, at which PoseTrack's mAP counts a keypoint as found. The operation, the stage and
the number of passes were chosen on another seed, 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import finish, opened, options, seeds_of, spread
from nas_ofa_elastic.video import ElasticVideoSpace
from posenas.contract.genotype import Genotype
from video import (
    DATASET,
    IMAGES,
    KEY_EPOCHS,
    SANDWICH,
    WHAT,
    composed,
    key_frames,
    of_videos,
    other_clips,
    super_network,
    trained,
    unfused,
)

FUSION = {"fusion.operation": "concatenate", "fusion.stage": "stem"}
SHARED_EPOCHS, EPOCHS = 1, 12
WAYS = ("fusion", "without")


def smallest(space: ElasticVideoSpace) -> Genotype:
    """The smallest network of every frame, with the one fusion."""
    fusion = {
        name: value
        for name in space.dimensions()
        for end, value in FUSION.items()
        if name.endswith(f".{end}")
    }
    return {**space.smallest(), **fusion}


def one_seed(folder: Path, seed: int, *, epochs: int) -> dict[str, Any]:
    key_run = folder / f"key-frames-{seed}"
    key_frames(key_run, seed)
    clips = other_clips(composed(seed, IMAGES, SANDWICH), seed)
    found: dict[str, Any] = {}
    for way in WAYS:
        composition = of_videos(seed, key_run, fusion=way == "fusion")
        with opened(composition, folder / f"{way}-{seed}") as problem:
            genotype = smallest(ElasticVideoSpace(key_run=str(key_run.resolve())))
            if way == "without":
                genotype = unfused(problem, genotype, gmacs=found["fusion"]["gmacs"])
            shared = super_network(problem, epochs=SHARED_EPOCHS)
            found[way] = trained(problem, genotype, shared, clips, epochs=epochs)
    return found


def summarised(seeds: Mapping[str, Any]) -> dict[str, Any]:
    """Each score's spread by way, and the spread of the differences seed by seed."""

    def score(seed: str, way: str, what: str) -> float:
        found = seeds[seed][way]
        return float(found["AP"] if what == "AP" else found["within_5_pixels"][what])

    return {
        what: {
            **{way: spread([score(seed, way, what) for seed in seeds]) for way in WAYS},
            "fusion minus without": spread(
                [score(seed, "fusion", what) - score(seed, "without", what) for seed in seeds]
            ),
        }
        for what in WHAT
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes of each network")
    arguments = parser.parse_args()
    seeds = {
        str(seed): one_seed(arguments.runs, seed, epochs=arguments.epochs) for seed in seeds_of(arguments)
    }
    settings = {
        "fusion": FUSION,
        "key_epochs": KEY_EPOCHS,
        "shared_epochs": SHARED_EPOCHS,
        "epochs": arguments.epochs,
        "dataset": DATASET,
    }
    finish(arguments.json, settings, summarised(seeds), seeds=seeds)


if __name__ == "__main__":
    main()
