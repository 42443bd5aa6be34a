"""A supervised step of a compiled network against the same step uncompiled.

    OMP_NUM_THREADS=1 python benchmarks/compiled.py [--json FILE] [--pairs N]

A step is one of a network that is trained alone, as `training.compile` compiles it: targets, forward and
backward pass, but no optimiser. `first step` is the CPU's seconds for the step in which the network is
compiled, with those of the C++ compiler; torch keeps compiled code in a folder, so it gets a new one. `loss`
and `gradients` are how far the compiled step is from the uncompiled one, relative to that. Fresh weights and
batch norm over a few people magnify roundings: `float64` is how far the uncompiled step is from one whose
backbone computes in float64. The null ratio is the uncompiled step against itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any

import figures
import torch
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size, make_batch, super_network
from posenas.contract.batches import Batch
from posenas.learning.compiling import compiled_step
from posenas.learning.training import SupervisedStep, supervise
from posenas.networks.pose_network import PoseNetwork
from ratios import alternate
from torch import Tensor

WORK: tuple[tuple[Backbone, int, Size], ...] = (("resnet50", 4, (256, 192)),)


def step_of(network: PoseNetwork, batch: Batch, step: Any) -> Tensor:
    """Takes a step that nothing is updated after; returns the loss and all gradients in one row."""
    network.zero_grad()
    told = step(network, batch, Random(0), update=print, progress=0.0)
    gradients = [each.grad.float().reshape(-1) for each in network.parameters() if each.grad is not None]
    return torch.cat([told["loss"].reshape(1), *gradients])


def precisely(network: PoseNetwork, batch: Batch, _rng: Random, **_: object) -> Mapping[str, Tensor]:
    """As a supervised step, with a backbone in float64."""
    backbone = network.backbone.double()

    def passes(images: Tensor, targets: Any) -> Any:
        levels = {name: level.float() for name, level in backbone(images.double()).items()}
        return network.head(levels, targets)

    return supervise(network, batch, passes=passes)


def seconds() -> float:
    """Of this process's CPU time, and of that of its children that have ended."""
    return sum(os.times()[:4])


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
        with tempfile.TemporaryDirectory() as cache, ExitStack() as opened:
            os.environ |= {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
            plain, compiled = SupervisedStep(), opened.enter_context(compiled_step(network, people))
            begun = seconds()
            first = step_of(network, batch, compiled)
            found.add(f"{name} first step, seconds", seconds() - begun)
            expected, precise = step_of(other, batch, plain), step_of(deepcopy(other), batch, precisely)
            for what, side in (("compiled", first), ("float64", precise)):
                found.add(f"{name} {what} loss apart", apart(side[:1], expected[:1]))
                found.add(f"{name} {what} gradients apart", apart(side[1:], expected[1:]))
            runs = partial(step_of, network, batch, compiled), partial(step_of, other, batch, plain)
            found.add(name, alternate(*runs, pairs=options.pairs))
            found.add(f"{name} null", alternate(runs[1], runs[1], pairs=options.pairs))
    found.write(options.json)


if __name__ == "__main__":
    main()
