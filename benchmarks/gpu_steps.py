"""What steps of training, an evaluation of candidates and the feeding with crops cost on a device."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from gpu_measuring import Bench, Item, begin_memory, peak_memory, seconds_of, share_of_peak, spread
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, make_batch
from pipeline import imitate_photographs
from posenas.composing.building import build_holder, build_network, make_pair, network_costs
from posenas.composing.named_networks import find_network
from posenas.contract.batches import Batch
from posenas.contract.genotype import Genotype
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.problem import Step
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth
from posenas.data.augment import Augmentation
from posenas.data.crops import EvaluatedCrops, crop_loader
from posenas.data.images.file_image import FileImage
from posenas.data.person_crop import person_crops
from posenas.learning.inference import EvaluationSettings, predict, recalibrate
from posenas.learning.optimizers import make_optimizers
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import SupervisedStep
from posenas.learning.updates import Updates
from posenas.networks.multiplications import KnownCalls
from posenas.networks.pose_network import SharedPoseNetwork
from posenas.standard.evaluators.oks import OksEvaluator
from posenas.standard.heads.heatmap import HeatmapHead
from sandwich import RANDOM_NETWORKS, static_networks, static_step
from torch import nn

BACKBONES: tuple[Backbone, ...] = ("resnet50", "mobilenetv3", "hrnet-w32")
NETWORKS = (
    "simple-baseline-r50",
    "hrnet-w32",
    "s-vipnas-res50",
    "s-vipnas-mbv3",
    "efficientnet-b0-pose",
    "evopose2d-s",
    "kapao-s",
)
VIEW, BATCH, IMAGES = (256, 192), 64, 32
PEOPLE, CALIBRATION, CANDIDATES = 6352, 2000, 500
PEOPLE_IN_AN_IMAGE = 3
SEEDS = 8
"""The different draws of random networks that steps go through."""


def sandwich_items(*, small: bool) -> dict[str, Item]:
    backbones: tuple[Backbone, ...] = ("tiny",) if small else BACKBONES
    return {name: partial(sandwich, backbone=name) for name in backbones}


def supervised_items(*, small: bool) -> dict[str, Item]:
    return {
        name: partial(supervised, name=name)
        for name in (NETWORKS[3:4] + NETWORKS[-1:] if small else NETWORKS)
    }


def evaluation_items(*, small: bool) -> dict[str, Item]:
    backbones: tuple[Backbone, ...] = ("tiny",) if small else BACKBONES
    return {name: partial(evaluation, backbone=name) for name in backbones}


def feed_items(*, small: bool) -> dict[str, Item]:  # noqa: ARG001
    return {"crops": feed}


def sandwich(bench: Bench, *, backbone: Backbone) -> dict[str, Any]:
    """A sandwich step with two random networks, and its gradients against those of the same static ones."""
    size, people = ((64, 48), 2) if bench.small else (VIEW, BATCH)
    space, shared = shared_network(bench, backbone, size)
    batch = moved(make_batch(people, size), bench.device)
    step = SandwichStep(space, RANDOM_NETWORKS, "truth+teacher")
    begin_memory(bench.device)
    training = trained(bench, shared, batch, step)
    static = static_networks(shared, space, 0)
    taken = seconds_of(
        bench,
        {
            "step": training,
            "gradients": lambda: step(shared, batch, Random(0), update=print, progress=0.0),
            "static": lambda: static_step(static, batch),
        },
    )
    macs = mean_macs(space, HeatmapHead(input_size=size))
    ratios = [one / other for one, other in zip(taken["gradients"], taken["static"], strict=True)]
    return figures_of(bench, taken["step"], people, macs=macs) | {"ratio to static": spread(ratios)}


def mean_macs(space: ElasticSpace, head: HeatmapHead) -> float:
    """Return the multiply-adds of a sandwich step for one person, the mean of all seeds' random networks."""
    known: KnownCalls = {}

    def macs(genotype: Genotype) -> int:
        return network_costs(space, genotype, head=head, keypoints=COCO_17, known=known).macs

    rngs = [Random(seed) for seed in range(SEEDS)]
    drawn = [macs(space.sample(rng)) for rng in rngs for _ in range(RANDOM_NETWORKS)]
    return macs(space.largest()) + macs(space.smallest()) + RANDOM_NETWORKS * statistics.fmean(drawn)


def supervised(bench: Bench, *, name: str) -> dict[str, Any]:
    """A step of a network of the zoo against the truth; KAPAO's with whole images of three people each."""
    named = find_network(name)
    size = named.head.options["input_size"]
    whole = named.head.name == "kapao"
    if bench.small:
        size = (128, 128) if whole else (64, 64)
    count = 2 if bench.small else IMAGES if whole else BATCH
    space, head = make_pair(
        named.space, replace(named.head, options={**named.head.options, "input_size": size})
    )
    torch.manual_seed(0)
    network = build_network(space, named.genotype, head=head, keypoints=COCO_17, compute=bench.compute)
    network.to(bench.device)
    batch = moved(image_batch(count, size) if whole else make_batch(count, size), bench.device)
    begin_memory(bench.device)
    taken = seconds_of(bench, {"step": trained(bench, network, batch, SupervisedStep())})
    macs = network_costs(space, named.genotype, head=head, keypoints=COCO_17).macs
    return figures_of(bench, taken["step"], count, macs=macs)


def evaluation(bench: Bench, *, backbone: Backbone) -> dict[str, Any]:
    """Candidates cut out, recalibrated, predicted with the flip test and scored, one after the other."""
    size, people, calibration = ((64, 48), 4, 2) if bench.small else (VIEW, PEOPLE, CALIBRATION)
    space, shared = shared_network(bench, backbone, size)
    crops, truth = drawn_crops(people, size)
    first = replace(crops, images=crops.images[:calibration], keypoints=crops.keypoints[:calibration])
    settings, rng = EvaluationSettings(), Random(0)

    def evaluate() -> None:
        network = shared.derive(space.sample(rng)).to(bench.device)
        batches = first.batches(settings.batch_size, device=bench.device)
        recalibrate(network, (batch.images for batch in batches))
        predictions = predict(network, crops, settings=settings, device=bench.device)
        OksEvaluator().evaluate(predictions, truth)

    begin_memory(bench.device)
    taken = spread(seconds_of(bench, {"candidate": evaluate})["candidate"])
    return {
        "seconds of a candidate": taken,
        "people": people,
        "people a second": people / taken["median"],
        "hours of 500 candidates, projected": CANDIDATES * taken["median"] / 3600,
        "peak memory": peak_memory(bench.device),
    }


def feed(bench: Bench) -> dict[str, Any]:
    """Crops a second of the loader, from photographs of smooth noise, with a process for each core."""
    size = (64, 48) if bench.small else VIEW
    workers = 0 if bench.small else len(os.sched_getaffinity(0))
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        samples = imitate_photographs(Path(folder))
        samples = samples[:8] if bench.small else samples * 64
        loader = crop_loader(
            person_crops(samples),
            samples,
            view=HeatmapHead(input_size=size).view(),
            keypoints=COCO_17,
            augmentation=Augmentation(),
            batch_size=4 if bench.small else BATCH,
            seed=0,
            workers=workers,
            device=bench.device,
            on_unreadable=print,
            cache_bytes=0,
        )
        for epoch in range(bench.rounds):
            start, crops = time.perf_counter(), 0
            for batch in loader.epoch(epoch):
                crops += len(batch.images)
            rates.append(crops / (time.perf_counter() - start))
            if time.monotonic() > bench.deadline:
                break
    # The first epoch starts the processes.
    return {
        "crops a second": statistics.median(rates[1:] or rates),
        "processes": workers,
        "rounds": len(rates),
    }


def shared_network(
    bench: Bench, backbone: Backbone, size: tuple[int, int]
) -> tuple[ElasticSpace, SharedPoseNetwork]:
    torch.manual_seed(0)
    space = ElasticSpace(backbone)
    parts = {"head": HeatmapHead(input_size=size), "keypoints": COCO_17, "compute": bench.compute}
    holder = build_holder(space, **parts).to(bench.device)
    return space, SharedPoseNetwork(partial(build_network, space, **parts), holder)


def trained(bench: Bench, network: nn.Module, batch: Batch, step: Step) -> Callable[[], None]:
    """Return what trains a network for one batch, as the training loop does, with the usual optimiser."""
    optimizers = make_optimizers(network.train(), TrainingSettings())
    updates = Updates(network, optimizers, clip_norm=0.0, loss_scale=bench.compute.loss_scale)
    numbers = iter(range(10**9))

    def train() -> None:
        updates.begin(len(batch.images))
        step(network, batch, Random(next(numbers) % SEEDS), update=updates.update, progress=0.0)
        updates.end(due=True)

    return train


def figures_of(bench: Bench, seconds: list[float], samples: int, *, macs: float) -> dict[str, Any]:
    taken = spread(seconds)
    return {
        "seconds": taken,
        "batch": samples,
        "samples a second": samples / taken["median"],
        "share of peak": share_of_peak(macs * samples, taken["median"], bench.peak),
        "peak memory": peak_memory(bench.device),
    }


def moved(batch: Batch, device: torch.device) -> Batch:
    tensors: Mapping[str, Any] = {name: each for name, each in vars(batch).items() if each is not None}
    return Batch(**{name: each.to(device) for name, each in tensors.items()})


def image_batch(images: int, size: tuple[int, int]) -> Batch:
    """Whole images with three people each, whose keypoints lie in their boxes."""
    generator = torch.Generator().manual_seed(2)
    height, width = size
    people = images * PEOPLE_IN_AN_IMAGE
    corners = torch.rand(people, 2, generator=generator) * torch.tensor([width, height]) / 2
    extents = torch.tensor([width, height]) / 3
    within = torch.rand(people, 17, 2, generator=generator)
    return Batch(
        torch.rand(images, height, width, 3, generator=generator).permute(0, 3, 1, 2),
        corners[:, None] + within * extents,
        torch.ones(people, 17),
        boxes=torch.cat([corners, corners + extents], dim=1),
        views=torch.arange(images).repeat_interleave(PEOPLE_IN_AN_IMAGE),
        pitch=torch.ones(images),
    )


def drawn_crops(people: int, size: tuple[int, int]) -> tuple[EvaluatedCrops, GroundTruth]:
    """Crops of noise, each of an image of its own, and the truth about them."""
    rng = np.random.default_rng(0)
    height, width = size
    poses = rng.uniform((0, 0), (width, height), (people, 17, 2))
    images = torch.from_numpy(rng.integers(0, 256, (people, height, width, 3), dtype=np.uint8))
    seen, area = np.full((17, 1), 2.0), float(width * height)
    samples = [
        Sample(
            number,
            FileImage(Path(f"{number}.jpg")),
            width,
            height,
            (Person((0.0, 0.0, float(width), float(height)), np.hstack([pose, seen]), area),),
        )
        for number, pose in enumerate(poses)
    ]
    crops = EvaluatedCrops(
        images,
        np.tile(np.eye(2, 3), (people, 1, 1)),
        np.arange(people),
        np.ones(people),
        torch.from_numpy(poses).float(),
        torch.ones(people, 17),
        torch.zeros(people, 0, 5, 3),
        np.ones(people, bool),
        np.full(people, area),
    )
    return crops, GroundTruth(COCO_17, samples)
