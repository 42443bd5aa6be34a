"""Published networks of the reference data: tensors by the authors' names, and files as they pack them."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch
from torch import Tensor, nn

FOLDER = (
    Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")).parent
    / "checkpoints"
)
LACKING = "no checkpoints beside POSENAS_TEST_DATA"
IMPORTERS = {
    "evopose2d-xs": "keras",
    "kapao-s": "kapao",
    "keras-efficientnet-b0": "keras",
    "mmpose-hrnet-w32": "hrnet",
    "mmpose-mobilenetv2": "mobilenetv2",
    "mmpose-simple-baseline-r50": "resnet",
    "mmpose-vipnas-res50": "vipnas",
    "official-hrnet-w32": "hrnet",
    "official-simple-baseline-r50": "resnet",
    "timm-hrnet-w32": "hrnet",
    "torchvision-efficientnet-b0": "efficientnet",
    "torchvision-mobilenet-v2": "mobilenetv2",
    "torchvision-resnet50": "resnet",
}
_STRIDES = (8, 16, 32, 64)


def filler() -> ModuleType:
    """Return the module that fills tensors by their names."""
    spec = importlib.util.spec_from_file_location("filler", FOLDER / "filler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference(name: str) -> dict[str, Any]:
    """Return what is known of a published network."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def empty_tensors(name: str) -> dict[str, Tensor]:
    """Return the published tensors by name, without values."""
    return {
        entry["name"]: torch.empty(entry["shape"], dtype=getattr(torch, entry["dtype"]), device="meta")
        for entry in reference(name)["entries"]
    }


def write(name: str, path: Path, values: Mapping[str, Any] | None = None) -> Path:
    """Write a published file as its authors pack it, and return its path.

    Args:
        name: of the reference.
        path: of the file.
        values: arrays by name; None for those of the rule.
    """
    values = filler().fill_all(reference(name)) if values is None else values
    if reference(name)["file"]["format"].startswith("HDF5"):
        group = "model_weights/" if name.startswith("evopose2d") else ""
        with h5py.File(path, "w") as file:
            for own, value in values.items():
                file[f"{group}{own.partition('/')[0]}/{own}"] = value
        return path
    state = {own: torch.from_numpy(np.array(value)) for own, value in values.items()}
    match name.partition("-")[0]:
        case "mmpose":
            meta = {"dataset_meta": {"sigmas": np.ones(17, np.float32), "name": "coco"}, "epoch": 210}
            torch.save({"meta": meta, "state_dict": state}, path, _use_new_zipfile_serialization=False)
        case "kapao":
            torch.save({"epoch": -1, "model": pickled(state), "ema": None, "optimizer": None}, path)
        case "official":
            torch.save(state, path, _use_new_zipfile_serialization=False)
        case _:
            torch.save(state, path)
    return path


def pickled(state: Mapping[str, Tensor]) -> nn.Module:
    """Return a module whose state dict this is: a tree of modules of no use but to be pickled."""
    root = nn.Module()
    for name, value in state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]  # type: ignore[assignment]
        module.register_buffer(last, value)
    return root


def outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return all levels of a pose network by `level NAME`, its maps, and KAPAO's grids by stride."""
    levels = network.backbone(images)
    found = {f"level {name}": value for name, value in levels.items()}
    head = network.head(levels)
    if isinstance(head, Tensor):
        return found | {"heatmaps": head}
    return found | {f"raw{stride}": grid for stride, grid in zip(_STRIDES, head, strict=True)}
