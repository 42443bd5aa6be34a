"""The same small networks in float32 on the CPU and on a device: levels, loss, gradients and poses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, cast

import torch
from gpu_measuring import Bench, Item
from gpu_steps import moved
from posenas.composing.building import build_network, make_pair
from posenas.composing.checks.rehearsal import batches
from posenas.contract.batches import Batch, Poses
from posenas.contract.components import HeadModule
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import ComponentChoice
from torch import Tensor, nn

TOLERANCE = 1e-3
"""Largest difference of levels, losses or gradients, as a share of the largest among them."""
PIXELS, STRAYING = 0.1, 0.01
"""So many pixels may a keypoint differ, and this share of keypoints more: where maps have two like peaks."""

SPACES: Mapping[str, Mapping[str, Any]] = {
    "fixed": {"width": 0.25},
    "ofa": {"backbone": "tiny"},
    "evo": {},
    "cnf": {},
    "autopose": {"stages": 1},
    "yolo": {"size": "tiny"},
}
HEADS: Mapping[str, tuple[int, int]] = {
    "heatmap": (64, 64),
    "vector": (64, 64),
    "zoom": (64, 64),
    "kapao": (128, 128),
}
TOGETHER: Mapping[tuple[str, str], Mapping[str, Any]] = {("cnf", "zoom"): {"stages": [0]}}
"""Options of heads without which a space does not fit."""


def equality_items(*, small: bool) -> dict[str, Item]:
    pairs = [(space, head) for space in SPACES for head in HEADS]
    shown = [("ofa", "heatmap"), ("yolo", "kapao"), ("ofa", "zoom")] if small else pairs
    return {f"{space} {head}": partial(equality, space=space, head=head) for space, head in shown}


def equality(bench: Bench, *, space: str, head: str) -> dict[str, Any]:
    """The largest differences of one network; or why space and head do not work together."""
    torch.manual_seed(0)
    keypoints = COCO_WHOLEBODY_133 if head == "zoom" else COCO_17
    try:
        made, its_head = make_pair(
            ComponentChoice(space, dict(SPACES[space])),
            ComponentChoice(head, {"input_size": list(HEADS[head]), **TOGETHER.get((space, head), {})}),
        )
        network = build_network(made, made.sample(Random(0)), head=its_head, keypoints=keypoints)
    except PosenasError as error:
        return {"refused": str(error)}
    (_, batch), *_ = batches(its_head.view(), keypoints)
    batch = replace(batch, images=torch.randn_like(batch.images))
    on_device = deepcopy(network).to(bench.device)
    with in_full_float32():
        one, other = computed(network, batch), computed(on_device, moved(batch, bench.device))
        poses = decoded(network, batch), decoded(on_device, moved(batch, bench.device))
    found = {what: largest_difference(one[what], other[what]) for what in one}
    straying = share_of_straying(*poses)
    equal = max(found.values()) <= TOLERANCE and straying is not None and straying <= STRAYING
    return {**found, "share of straying keypoints": straying, "equal": equal}


@contextlib.contextmanager
def in_full_float32() -> Iterator[None]:
    """Switch TF32 off, in which CUDA would round what it multiplies to ten bits."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def computed(network: PoseNetwork, batch: Batch) -> dict[str, list[Tensor]]:
    """Levels, loss and gradients of a training step in which nothing is dropped.

    What is dropped at random differs between devices, as their random generators do. So only batch norms are
    in training mode.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    levels = network.backbone(batch.images)
    head = cast(HeadModule, network.head)
    targets = head.targets(batch)
    loss = head.loss(network.head(levels, targets), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    return {"levels": list(levels.values()), "loss": [loss], "gradients": gradients}


@torch.no_grad()
def decoded(network: PoseNetwork, batch: Batch) -> Poses:
    network.eval()
    return cast(HeadModule, network.head).decode(network(batch.images), batch)


def largest_difference(ours: list[Tensor], others: list[Tensor]) -> float:
    """Return the largest difference of tensors, as a share of the largest element among them all.

    Gradients that cancel out, such as those of biases before a batch norm, are rounding errors alone, so that
    a tensor's own largest element would be no measure.
    """
    largest = max(float(tensor.detach().abs().max()) for tensor in ours)
    differences = [
        float((one.detach().cpu() - other.detach().cpu()).abs().max())
        for one, other in zip(ours, others, strict=True)
    ]
    return max(differences) / max(largest, 1e-30)


def share_of_straying(ours: Poses, others: Poses) -> float | None:
    """Return the share of keypoints that lie further apart than `PIXELS`; None if poses are not as many."""
    if ours.keypoints.shape != others.keypoints.shape:
        return None
    apart = (ours.keypoints.cpu() - others.keypoints.cpu()).norm(dim=-1)
    return float((apart > PIXELS).double().mean()) if apart.numel() else 0.0
