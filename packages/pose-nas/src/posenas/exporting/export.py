"""The export of a network: the file, its proof, and the manifest with both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from posenas.composing.building import make_pair, outline_network
from posenas.composing.named_networks import NamedNetwork
from posenas.composing.options import option_values
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.data.kinds_of_view import views_of
from posenas.exporting.conversion import to_onnx
from posenas.exporting.judge import Judge
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
from posenas.exporting.proof import Proof
from posenas.exporting.quantisation import multiplies_bytes, quantised
from posenas.exporting.runtime import check_packages, fed_by, open_exported, open_model, runtime
from posenas.exporting.wishes import DETECTION_RULES
from posenas.networks.counting import measure
from posenas.prediction.trained import TrainedNetwork
from posenas.runs.files import write_atomically

_CALIBRATION = 128
"""The training people that the ranges of values in int8 are taken from, at least."""
_CALIBRATION_BATCH = 16


@dataclass(frozen=True)
class Wish:
    """What is asked of an export.

    Attributes:
        file: the ONNX file to write; its manifest lies beside it.
        opset: version of ONNX's operators.
        people: how many the file is compared with torch on, at least.
        tolerance: pixels of the view that a keypoint may lie elsewhere.
        most_lost: how much of the metric a file in int8 may lose; None for no such file.
        warn: told what the user should know, a line each.
    """

    file: Path
    opset: int
    people: int
    tolerance: float
    most_lost: float | None
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


def check_export(file: Path, *, int8: bool) -> None:
    """Check that files can be exported, before anything is loaded.

    Args:
        file: the ONNX file to write.
        int8: whether there is to be one in int8 too.

    Raises:
        PosenasError: if something is already in its place, or a package is not installed.
    """
    files = (file, int8_path(file)) if int8 else (file,)
    for path in (*files, *map(manifest_path, files)):
        if path.exists():
            raise PosenasError(f"{path}: exists already; choose another --output, or delete it")
    if file.suffix != ".onnx":
        raise PosenasError(
            f"--output {file}: the name must end in .onnx; its manifest takes the same with .json"
        )
    check_packages()


def export_network(trained: TrainedNetwork, found: NamedNetwork, wish: Wish) -> list[Exported]:
    """Write a network's files and manifests once each file was proven to find what torch finds.

    Args:
        trained: the network, on the CPU and in float32.
        found: its name, space and genotype.
        wish: what is asked.

    Returns:
        The file in float32, and after it the one in int8 if it is wished for.

    Raises:
        PosenasError: if the network cannot be exported, or a file gives other poses; that file is not left
            then.
    """
    module = bytes_to_poses(trained.network, trained.view, head=trained.recipe.head.name)
    model = to_onnx(module, examples_for(trained.view), opset=wish.opset)
    crowd = crowd_of(trained, "val", people=wish.people, warn=wish.warn)
    judge = Judge(trained, crowd, crowd.views(trained.view, warn=wish.warn), wish.tolerance)
    tables = {**_versions(wish.opset), **_about(trained, found)}

    def written(file: Path, content: bytes, check: Callable[[Proof], None], precision: str) -> Exported:
        exported = open_model(content, name=file.name)
        proof = judge.proof(exported)
        check(proof)
        if not proof.keypoints:
            wish.warn(f"nobody was found in {proof.views} views, so positions are not compared")
        speed = judge.speed(exported)
        write_atomically(file, content)
        told = {**tables, **exported.signature(), "proof": {**proof.as_dict(), **speed}}
        write_manifest(file, {"precision": precision, **told})
        open_exported(file)  # what lies on the disk is what was proven
        return Exported(file, proof, speed)

    files = [written(wish.file, model.SerializeToString(), Proof.check, "float32")]
    if wish.most_lost is not None:
        if not multiplies_bytes():
            wish.warn("this CPU has no instructions that multiply bytes; in int8 it may be slower")
        content = quantised(model, _calibration(trained, wish))
        most = wish.most_lost
        files.append(written(int8_path(wish.file), content, lambda proof: check_loss(proof, most), "int8"))
        if files[1].proof.torch == 0:
            wish.warn(f"{files[1].proof.metric} is 0 already by torch, so what int8 loses is not told by it")
        warn_if_slower(files[0].speed, files[1].speed, warn=wish.warn)
    return files


def int8_path(file: Path) -> Path:
    """Return the path of the file in int8: `NAME.int8.onnx` beside `NAME.onnx`."""
    return file.with_suffix(".int8.onnx")


def check_loss(proof: Proof, most: float) -> None:
    """Raise PosenasError if a file in int8 loses too much, or nobody can tell how much it loses.

    Args:
        proof: of the file.
        most: how much of the metric may be lost.
    """
    if proof.lost is None:
        raise PosenasError(
            f"--int8: what it loses cannot be told, since the people are {proof.source} and have other "
            "keypoints than the network; leave it out"
        )
    if proof.lost > most:
        raise PosenasError(
            f"--int8: {proof.metric} goes from {proof.torch:.4f} to {proof.onnx:.4f}, which is worse by more "
            f"than {most:g}; the file in int8 is not kept, the one in float32 is; leave --int8 out, or allow "
            "more by --max-ap-loss"
        )


def warn_if_slower(
    float32: Mapping[str, Any], int8: Mapping[str, Any], *, warn: Callable[[str], None]
) -> None:
    """Say so if a file in int8 gains less over torch than the one in float32.

    Args:
        float32, int8: the speeds of both, as in their manifests; each was measured in turns with torch.
        warn: told in a line.
    """
    gains = [speed["torch_ms"] / speed["onnx_ms"] for speed in (float32, int8)]
    if gains[1] < gains[0]:
        warn(
            f"in int8 it is slower on this CPU: {gains[1]:.2f} times as fast as torch, in float32 "
            f"{gains[0]:.2f} times"
        )


def _calibration(trained: TrainedNetwork, wish: Wish) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the inputs of training people."""
    crowd = crowd_of(trained, "train", people=_CALIBRATION, warn=wish.warn)
    views = crowd.views(trained.view, warn=wish.warn)
    return map(fed_by, views.batches(_CALIBRATION_BATCH, device=torch.device("cpu")))


def examples_for(view: View) -> tuple[torch.Tensor, ...]:
    """Return inputs of two views, for tracing."""
    images = torch.zeros(2, view.height, view.width, 3, dtype=torch.uint8)
    return (images, torch.ones(2)) if views_of(view).finds_people else (images,)


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
        "detections": {name: getattr(trained.settings, name) for name in DETECTION_RULES},
        "keypoints": keypoints_table(trained.keypoints),
        "network": network_table(
            space=recipe.space.name,
            genotype=found.genotype,
            head=recipe.head.name,
            options=option_values(head),
            costs=costs.as_dict(),
        ),
    }
