"""The command that writes a network into a file which runs without torch."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posenas.cli.shared_options import finite, json_last_option, set_option
from posenas.cli.terminal import say
from posenas.cli.weights_options import check_weights, weights_options
from posenas.contract.errors import PosenasError
from posenas.exporting.wishes import DETECTION_RULES, MAX_AP_LOSS, OPSET, OPSETS

if TYPE_CHECKING:
    from posenas.exporting.export import Exported


@click.command()
@click.argument("network")
@weights_options
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write; its manifest lies beside it.  [default: exports/NETWORK.onnx]",
)
@click.option(
    "--opset",
    type=click.IntRange(OPSETS[0], OPSETS[-1]),
    default=OPSET,
    show_default=True,
    help="Version of ONNX's operators.",
)
@click.option(
    "--people",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="How many people the file is compared with torch on, at least.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    callback=finite,
    default=0.1,
    show_default=True,
    help="Pixels of the view that a keypoint of the file may lie from torch's.",
)
@click.option("--int8", is_flag=True, help="Also write NAME.int8.onnx, with the backbone in int8.")
@click.option(
    "--max-ap-loss",
    type=click.FloatRange(min=0),
    callback=finite,
    help="How much of the AP, or of the evaluator's first metric, the file in int8 may lose.  [default: "
    f"{MAX_AP_LOSS:g}]",
)
@set_option("Set an option, such as head.pose_threshold=0.1.")
@json_last_option
def export(
    network: str,
    init: str | None,
    space: str | None,
    output: Path | None,
    opset: int,
    people: int,
    tolerance: float,
    int8: bool,
    max_ap_loss: float | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write NETWORK as an ONNX file with its decoding, and prove that it finds the same poses.

    NETWORK is a finished run's folder. With --init FILE it is any network, with the weights of FILE: a zoo
    entry, a genotype's JSON file or a run's folder.
    """
    check_weights(network, init=init, space=space)
    if max_ap_loss is not None and not int8:
        raise PosenasError("--max-ap-loss is of the file in int8; add --int8, or leave it out")
    _check_assignments(assignments)
    from posenas.composing.named_networks import find_network
    from posenas.exporting.export import Wish, check_export, export_network
    from posenas.networks.devices import use_threads
    from posenas.prediction.trained import load_filled, load_trained

    file = output or Path("exports") / f"{Path(network).resolve().name.removesuffix('.json')}.onnx"
    check_export(file, int8=int8)
    use_threads(0)
    flags = {"device": "cpu", "precision": "32"}
    warn = partial(say, err=True)
    if init is None:
        trained = load_trained(Path(network), assignments=assignments, flags=flags)
    else:
        trained, told = load_filled(network, init=init, space=space, assignments=assignments, flags=flags)
        warn(told)
    wish = Wish(
        file,
        opset=opset,
        people=people,
        tolerance=tolerance,
        most_lost=(MAX_AP_LOSS if max_ap_loss is None else max_ap_loss) if int8 else None,
        warn=lambda text: warn(f"warning: {text}"),
    )
    files = export_network(trained, find_network(network, space=space), wish)
    for exported in files:
        _tell(exported, err=as_json)
    if as_json:
        click.echo(json.dumps({"files": [_plain(exported) for exported in files]}))


def _check_assignments(assignments: tuple[str, ...]) -> None:
    """Refuse options of evaluations that no exported file has."""
    from posenas.runs.recipe import parse_assignment

    for (table, *key), _ in map(parse_assignment, assignments):
        if table == "evaluation" and key and key[0] not in DETECTION_RULES:
            raise PosenasError(
                f"--set evaluation.{'.'.join(key)}: an exported file has options of the head, and "
                f"{', '.join(f'evaluation.{rule}' for rule in DETECTION_RULES)} in its manifest; leave it out"
            )


def _tell(exported: Exported, *, err: bool) -> None:
    proof, speed, file = exported.proof, exported.speed, exported.file
    lines = [f"people      {proof.views} views of {proof.source}, without the flip test"]
    if proof.torch is not None:
        lines.append(f"{proof.metric:<12}torch {proof.torch:.4f}, file {proof.onnx:.4f}")
    lines += [
        f"maps        differ by {proof.maps_difference:.1e} of their largest value",
        f"keypoints   drift by {proof.mean_drift:.1e} pixels in the mean, {proof.largest_drift:.1e} at most; "
        f"{proof.moved} of {proof.keypoints} by more than {proof.tolerance:g}",
        f"time        torch {speed['torch_ms']:.1f} ms, file {speed['onnx_ms']:.1f} ms a view, one thread",
        f"{file}: {file.stat().st_size / 1e6:.1f} MB; beside it {file.with_suffix('.json').name}",
    ]
    for line in lines:
        say(line, err=err)


def _plain(exported: Exported) -> dict[str, Any]:
    proof = {**exported.proof.as_dict(), **exported.speed}
    return {"file": str(exported.file), "bytes": exported.file.stat().st_size, "proof": proof}
