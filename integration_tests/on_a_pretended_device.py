"""Prints what a sandwich step and an evaluation of whole bodies give on the CPU and a pretended device.

A program of its own, since the pretended device changes torch for the whole process. Its argument is the
folder with `simulated_device.py`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import torch
from head_zoom.head import ZoomHead
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_WHOLEBODY_133, Batch, HeadModule, WeightSharing
from posenas.composing.building import build_holder, build_network
from posenas.composing.checks.rehearsal import batches
from posenas.composing.joined import join
from posenas.learning.inference import EvaluationSettings, outputs_of, prepare
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.pose_network import SharedPoseNetwork

SPACE, HEAD = ElasticSpace("tiny", input_scales=(0.75, 1.0)), ZoomHead(input_size=(64, 64))


def moved(batch: Batch, device: torch.device) -> Batch:
    tensors = {name: value for name, value in vars(batch).items() if value is not None}
    return Batch(**{name: value.to(device) for name, value in tensors.items()})


def run(device: torch.device, syncs: Counter[tuple[str, str]]) -> Mapping[str, Any]:
    """Train one step and evaluate with a flip test; both with the lines that make the host wait, by kind."""
    joined = cast(WeightSharing, join(SPACE, HEAD))
    torch.manual_seed(0)
    (_, batch), *_ = batches(HEAD.view(), COCO_WHOLEBODY_133)
    batch = moved(replace(batch, images=torch.randn_like(batch.images)), device)
    holder = build_holder(joined, head=HEAD, keypoints=COCO_WHOLEBODY_133).to(device)
    build = partial(build_network, joined, head=HEAD, keypoints=COCO_WHOLEBODY_133)
    shared = SharedPoseNetwork(build, holder)
    optimizer = torch.optim.AdamW(shared.parameters(), lr=1e-3)
    syncs.clear()
    step = SandwichStep(joined, 2, "truth+teacher")
    losses = step(shared, batch, Random(0), update=lambda _: None, progress=0.0)
    optimizer.step()
    in_step = waited(syncs)
    network = shared.derive(joined.largest())
    syncs.clear()
    with torch.no_grad():
        prepare(network)
        outputs = outputs_of(network, batch.images, EvaluationSettings(flip_test=True), stride=1)
        poses = cast(HeadModule, network.head).decode(outputs, batch)
    in_evaluation = waited(syncs)
    return {
        "losses": {name: float(loss) for name, loss in losses.items()},
        "keypoints": poses.keypoints.cpu().tolist(),
        "step": in_step,
        "evaluation": in_evaluation,
    }


def waited(syncs: Counter[tuple[str, str]]) -> Mapping[str, int]:
    """Return how often the host waited, by what for and the file."""
    found: Counter[str] = Counter()
    for (what, line), times in syncs.items():
        found[f"{what} in {Path(line.rpartition(':')[0]).name}"] += times
    return found


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from simulated_device import DEVICE, Simulation  # type: ignore[import-not-found]

    on_cpu = run(torch.device("cpu"), Counter())  # after the import: the device is known before any gradients
    with Simulation() as simulation:
        on_device = run(DEVICE, simulation.syncs)
    print(json.dumps({"cpu": on_cpu, "device": on_device, "operations": simulation.operations}))
