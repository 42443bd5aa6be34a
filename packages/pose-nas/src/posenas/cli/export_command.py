"""The command that writes a network into a file which runs without torch."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posenas.cli.shared_options import json_last_option, set_option
from posenas.cli.terminal import say
from posenas.cli.weights_options import check_weights, weights_options

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
    type=click.IntRange(18, 23),
    default=20,
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
    default=0.1,
    show_default=True,
    help="Pixels of the view that a keypoint of the file may lie from torch's.",
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
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write NETWORK as an ONNX file with its decoding, and prove that it finds the same poses.

    NETWORK is a finished run's folder. With --init FILE it is any network, with the weights of FILE: a zoo
    entry, a genotype's JSON file or a run's folder.
    """
    check_weights(network, init=init, space=space)
    from posenas.composing.named_networks import find_network
    from posenas.exporting.export import Wish, check_export, export_network
    from posenas.networks.devices import use_threads
    from posenas.prediction.trained import load_filled, load_trained

    file = output or Path("exports") / f"{Path(network).resolve().stem}.onnx"
    check_export(file)
    use_threads(0)
    flags = {"device": "cpu", "precision": "32"}
    warn = partial(say, err=True)
    if init is None:
        trained = load_trained(Path(network), assignments=assignments, flags=flags)
    else:
        trained, told = load_filled(network, init=init, space=space, assignments=assignments, flags=flags)
        warn(told)
    wish = Wish(
        file, opset=opset, people=people, tolerance=tolerance, warn=lambda text: warn(f"warning: {text}")
    )
    _tell(export_network(trained, find_network(network, space=space), wish), as_json=as_json)


def _tell(exported: Exported, *, as_json: bool) -> None:
    proof, speed, file = exported.proof, exported.speed, exported.file
    say(f"people      {proof.views} views of {proof.source}, without the flip test", err=as_json)
    if proof.torch is not None:
        say(f"{proof.metric:<12}torch {proof.torch:.4f}, ONNX {proof.onnx:.4f}", err=as_json)
    say(f"maps        differ by {proof.maps_difference:.1e} of their largest value", err=as_json)
    say(
        f"keypoints   drift by {proof.mean_drift:.1e} pixels in the mean, {proof.largest_drift:.1e} at most; "
        f"{proof.moved} of {proof.keypoints} by more than {proof.tolerance:g}",
        err=as_json,
    )
    say(
        f"time        torch {speed['torch_ms']:.1f} ms, ONNX {speed['onnx_ms']:.1f} ms a view, one thread",
        err=as_json,
    )
    say(
        f"{file}: {file.stat().st_size / 1e6:.1f} MB; beside it {file.with_suffix('.json').name}", err=as_json
    )
    if as_json:
        plain: dict[str, Any] = {"file": str(file), "bytes": file.stat().st_size}
        click.echo(json.dumps({**plain, "proof": {**proof.as_dict(), **speed}}))
