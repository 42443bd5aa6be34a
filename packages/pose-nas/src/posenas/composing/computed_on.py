"""What a composition computes on now, to be compared with what a run computed on before."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

import posenas
from posenas.composing.composition import Composition
from posenas.composing.distributions import CORE, required_versions
from posenas.composing.loading import offering
from posenas.contract.costs import Conditioned
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.data.digests import Moved, annotations_digest, images_digest, keypoints_digest
from posenas.networks.latency.measure import device_name
from posenas.runs.files import content_name
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import cost_table

SPLITS = ("train", "val")
"""The splits that a run reads."""


def provenance_of(composition: Composition, *, processes: int = 1, moved: Moved = ()) -> Provenance:
    """Return what a composition computes on now.

    It reads the samples of both splits and asks for the size of each image file, which takes a second or two
    for 150,000 people. The threads are those that torch has now.

    Args:
        composition: what computes.
        processes: how many train together.
        moved: folders of images that lie elsewhere than where what this is compared with was computed.
    """
    several = {} if processes == 1 else {"processes": str(processes)}
    code = _code(composition)
    machine = _machine(composition) | several
    return Provenance(_data(composition, moved), code, machine, _environment(code))


def _data(composition: Composition, moved: Moved) -> dict[str, str]:
    found = {"keypoints": keypoints_digest(composition.keypoints)}
    for split in SPLITS:
        samples = composition.dataset.split(split)
        found[f"annotations of {split}"] = annotations_digest(samples)
        found[f"image files of {split}"] = images_digest(samples, moved=moved)
    if composition.evaluation.boxes:
        found["evaluation.boxes"] = content_name(Path(composition.evaluation.boxes).read_bytes())
    for cost in composition.costs.bound:
        files = cost.meter.files() if isinstance(cost.meter, Conditioned) else {}
        found |= {
            f"{cost_table(cost.name)}.{option}": content_name(path.read_bytes())
            for option, path in files.items()
        }
    return found


def _code(composition: Composition) -> dict[str, str]:
    recipe = composition.recipe
    plugins = [offering(kind, getattr(recipe, kind).name) for kind in COMPONENT_KINDS]
    plugins += [offering("cost", cost.name) for cost in composition.costs.asked]
    versions = {plugin.distribution: plugin.version for plugin in plugins if plugin.distribution != CORE}
    return versions | {"posenas": posenas.__version__, "torch": torch.__version__}


def _machine(composition: Composition) -> dict[str, str]:
    compute = composition.compute
    on_gpu = compute.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(compute.device) if on_gpu else compute.device.type,
        "precision": compute.precision + (", deterministic" if compute.deterministic else ""),
        "threads": str(torch.get_num_threads()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _environment(code: Mapping[str, str]) -> dict[str, str]:
    """Return the processor, and versions of what the code computes with."""
    own = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "processor": device_name(torch.device("cpu")),
    }
    needed: dict[str, str] = {}
    for distribution in sorted(code.keys() - {"posenas", "torch"}):
        needed |= required_versions(distribution)
    return {name: version for name, version in needed.items() if name not in code} | own
