"""The export of a network: the file, its proof, and the manifest with both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from posenas.composing.building import make, make_pair, outline_network, qualified
from posenas.composing.named_networks import NamedNetwork
from posenas.composing.options import option_values
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.exporting.conversion import to_onnx
from posenas.exporting.manifest import (
    keypoints_table,
    manifest_path,
    network_table,
    normalisation_table,
    view_table,
    write_manifest,
)
from posenas.exporting.network import bytes_to_poses
from posenas.exporting.people import crowd_of
from posenas.exporting.proof import Proof, prove
from posenas.exporting.runtime import INSTALL, open_model, runtime
from posenas.exporting.speed import measure_speed
from posenas.networks.counting import measure
from posenas.prediction.trained import TrainedNetwork
from posenas.runs.files import write_atomically

_DETECTION_RULES = ("box_threshold", "keypoint_threshold", "oks_nms")


@dataclass(frozen=True)
class Wish:
    """What is asked of an export.

    Attributes:
        file: the ONNX file to write; its manifest lies beside it.
        opset: version of ONNX's operators.
        people: how many the file is compared with torch on, at least.
        tolerance: pixels of the view that a keypoint may lie elsewhere.
        warn: told what the user should know, a line each.
    """

    file: Path
    opset: int
    people: int
    tolerance: float
    warn: Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """A written file.

    Attributes:
        file: the ONNX file.
        proof: how it was compared with torch.
        speed: milliseconds of one view, as in the manifest.
    """

    file: Path
    proof: Proof
    speed: dict[str, Any]


def check_export(file: Path) -> None:
    """Check that a file can be exported, before anything is loaded.

    Raises:
        PosenasError: if something is already in its place, or a package is not installed.
    """
    for path in (file, manifest_path(file)):
        if path.exists():
            raise PosenasError(f"{path}: exists already; choose another --output, or delete it")
    if file.suffix != ".onnx":
        raise PosenasError(
            f"--output {file}: the name must end in .onnx; its manifest takes the same with .json"
        )
    runtime()
    try:
        import onnxscript  # noqa: F401  # torch imports it late, and fails with many lines
    except ImportError as error:
        raise PosenasError(f"files are written by onnxscript, which is not installed: {INSTALL}") from error


def export_network(trained: TrainedNetwork, found: NamedNetwork, wish: Wish) -> Exported:
    """Write a network's file and manifest once the file was proven to give what torch gives.

    Args:
        trained: the network, on the CPU and in float32.
        found: its name, space and genotype.
        wish: what is asked.

    Raises:
        PosenasError: if the network cannot be exported, or the file gives other poses; nothing is left then.
    """
    recipe = trained.recipe
    module = bytes_to_poses(trained.network, trained.view, head=recipe.head.name)
    model = to_onnx(module, examples_for(trained.view), opset=wish.opset)
    content = model.SerializeToString()
    exported = open_model(content, name=wish.file.name)
    crowd = crowd_of(trained, "val", people=wish.people, warn=wish.warn)
    views = crowd.views(trained.view, warn=wish.warn)
    evaluator = make("evaluator", recipe.evaluator)
    metric = qualified(recipe, evaluator.metrics()[0].name)
    proof = prove(
        trained, exported, crowd, views=views, evaluator=evaluator, metric=metric, tolerance=wish.tolerance
    )
    proof.check()
    speed = measure_speed(trained, exported, next(iter(views.batches(1, device=torch.device("cpu")))))
    write_atomically(wish.file, content)
    tables = {
        "precision": "float32",
        **_versions(wish.opset),
        **_about(trained, found),
        **exported.signature(),
        "proof": {**proof.as_dict(), **speed},
    }
    write_manifest(wish.file, tables)
    return Exported(wish.file, proof, speed)


def examples_for(view: View) -> tuple[torch.Tensor, ...]:
    """Return inputs of two views, for tracing."""
    images = torch.zeros(2, view.height, view.width, 3, dtype=torch.uint8)
    return (images,) if view.kind == "person" else (images, torch.ones(2))


def _versions(opset: int) -> dict[str, Any]:
    import onnx

    return {
        "versions": {
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": runtime().__version__,
        },
        "opset": opset,
    }


def _about(trained: TrainedNetwork, found: NamedNetwork) -> dict[str, Any]:
    """Return the tables of the manifest that do not depend on the file."""
    recipe, view = trained.recipe, trained.view
    space, head = make_pair(recipe.space, recipe.head)
    outline = outline_network(space, found.genotype, head=head, keypoints=trained.keypoints)
    costs = measure(outline, (view.height, view.width))
    return {
        "view": view_table(view),
        "colours": "rgb",
        "normalisation": normalisation_table(view),
        "flip_test": False,
        "detections": {name: getattr(trained.settings, name) for name in _DETECTION_RULES},
        "keypoints": keypoints_table(trained.keypoints),
        "network": network_table(
            space=recipe.space.name,
            genotype=found.genotype,
            head=recipe.head.name,
            options=option_values(head),
            costs=costs.as_dict(),
        ),
    }
