"""A supervised step of a compiled network against the same step uncompiled.

    OMP_NUM_THREADS=1 python benchmarks/compiled.py [--json FILE] [--pairs N]

A step is one of a network that is trained alone, as `training.compile` compiles it: targets, forward and
backward pass, but no optimiser. `seconds` is how long the first step takes, in which the network is compiled;
torch keeps compiled code in a cache, so it is set to a new folder. `loss` and `gradients` are how far the two
sides are apart, relative to the uncompiled one. The null ratio is the uncompiled step against itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import partial
from random import Random
from typing import Any

import figures
import torch
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size, make_batch, super_network
from posenas.contract.batches import Batch
from posenas.learning.compiling import compiled_step
from posenas.learning.training import SupervisedStep
from posenas.networks.pose_network import PoseNetwork
from ratios import alternate
from torch import Tensor

WORK: tuple[tuple[Backbone, int, Size], ...] = (("resnet50", 4, (256, 192)),)


def step_of(network: PoseNetwork, batch: Batch, step: Any) -> Tensor:
    """Takes a step that nothing is updated after; returns the loss and all gradients in one row."""
    network.zero_grad()
    told = step(network, batch, Random(0), update=print, progress=0.0)
    gradients = [each.grad.reshape(-1) for each in network.parameters() if each.grad is not None]
    return torch.cat([told["loss"].reshape(1), *gradients])


def apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def main() -> None:
    options = figures.arguments("compiled", __doc__.splitlines()[0], pairs=7)
    found = figures.Figures(
        "compiled",
        {"backbone, people and view": WORK, "precision": "float32", "pairs": options.pairs},
    )
    for backbone, people, size in WORK:
        space, batch = ElasticSpace(backbone), make_batch(people, size)
        shared = super_network(space, size)
        network, other = (shared.derive(space.largest()).train() for _ in range(2))
        name = f"{backbone} {people}x{size[0]}x{size[1]} largest"
        with tempfile.TemporaryDirectory() as cache:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
            compiled, plain = compiled_step(network, people), SupervisedStep()
            begun = time.process_time(), time.perf_counter()
            first = step_of(network, batch, compiled)
            found.add(f"{name} first step, seconds", time.perf_counter() - begun[1])
            found.add(f"{name} first step, seconds of this process's CPU", time.process_time() - begun[0])
            expected = step_of(other, batch, plain)
            found.add(f"{name} loss apart", apart(first[:1], expected[:1]))
            found.add(f"{name} gradients apart", apart(first[1:], expected[1:]))
            runs = partial(step_of, network, batch, compiled), partial(step_of, other, batch, plain)
            found.add(name, alternate(*runs, pairs=options.pairs))
            found.add(f"{name} null", alternate(runs[1], runs[1], pairs=options.pairs))
    found.write(options.json)


if __name__ == "__main__":
    main()
