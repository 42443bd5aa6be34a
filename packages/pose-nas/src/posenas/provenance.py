"""What a run computes on: its data, its code and its machine, as its journal notes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import posenas
from posenas.compose import Composition
from posenas.data.digests import annotations_digest, images_digest, keypoints_digest
from posenas.files import content_name
from posenas.plugins import COMPONENT_KINDS, CORE, offering
from posenas.recipe import Recipe

SPLITS = ("train", "val")
"""Those that a run reads."""


@dataclass(frozen=True)
class Provenance:
    """Short texts by name, such as `torch`: two that differ are told in these words.

    Attributes:
        data: digests of what the dataset gives and of the files that the recipe names.
        code: versions of posenas, of torch and of the packages of the chosen components.
        machine: what a result may depend on in its last digits.
    """

    data: Mapping[str, str]
    code: Mapping[str, str]
    machine: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def changes(self, now: Provenance) -> list[str]:
        """What a run must not go on with in silence: data and code that differ, in words."""
        return _changes(self.data, now.data) + _changes(self.code, now.code)

    def moves(self, now: Provenance) -> list[str]:
        """What differs in the machine, in words."""
        return _changes(self.machine, now.machine)


@dataclass(frozen=True)
class Accepted:
    """Changes that a run went on with.

    Attributes:
        steps: how many were finished before.
        changes: in words, as `Provenance.changes` gives them.
    """

    steps: int
    changes: Sequence[str]


def provenance_of(composition: Composition) -> Provenance:
    """Reads the samples of both splits and asks for the size of each image file: a second or two for 150,000
    people. The threads are those that torch has now."""
    return Provenance(_data(composition), _code(composition.recipe), _machine(composition))


def _data(composition: Composition) -> dict[str, str]:
    found = {"keypoints": keypoints_digest(composition.keypoints)}
    for split in SPLITS:
        samples = composition.dataset.split(split)
        found[f"annotations of {split}"] = annotations_digest(samples)
        found[f"image files of {split}"] = images_digest(samples)
    if composition.evaluation.boxes:
        found["evaluation.boxes"] = content_name(Path(composition.evaluation.boxes).read_bytes())
    if composition.latency.table_digest:
        found["latency.table"] = composition.latency.table_digest
    return found


def _code(recipe: Recipe) -> dict[str, str]:
    plugins = (offering(kind, getattr(recipe, kind).name) for kind in COMPONENT_KINDS)
    versions = {plugin.distribution: plugin.version for plugin in plugins if plugin.distribution != CORE}
    return versions | {"posenas": posenas.__version__, "torch": torch.__version__}


def _machine(composition: Composition) -> dict[str, str]:
    compute = composition.compute
    on_gpu = compute.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(compute.device) if on_gpu else compute.device.type,
        "precision": "32" if compute.autocast_dtype is None else "bf16",
        "threads": str(torch.get_num_threads()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} ({before.get(name, 'none')}, now {now.get(name, 'none')})"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
