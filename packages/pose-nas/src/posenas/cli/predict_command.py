"""The command that finds poses with a trained network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posenas.cli.shared_options import json_last_option, set_option
from posenas.cli.terminal import say
from posenas.cli.weights_options import check_weights, weights_options
from posenas.contract.errors import PosenasError

if TYPE_CHECKING:
    from posenas.prediction.display import FrameBar, FrameLines
    from posenas.prediction.labelling import LabelForm
    from posenas.prediction.output import OutputFolder
    from posenas.prediction.predict import Tally


def _number(_: click.Context, __: click.Parameter, value: float) -> float:
    """Return the number, but refuse "nan", which `float` reads and with which nothing compares.

    Raises:
        PosenasError: for "nan".
    """
    if math.isnan(value):
        raise PosenasError("--threshold nan: not a number; give one, such as 0.3")
    return value


@click.command()
@click.argument("network")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@weights_options
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for predictions.json and what is drawn.  [default: a new one in predictions/]",
)
@click.option(
    "--boxes",
    type=click.Path(path_type=Path),
    help="A detector's boxes, a COCO results file, for heads that look at one person at a time.  "
    "[default: the whole frame is one box]",
)
@click.option(
    "--ids-of",
    type=click.Path(path_type=Path),
    help="An annotation file with the ids of the images, by their names.  "
    "[default: 1, 2, ... in the order of the names]",
)
@click.option(
    "--annotations",
    type=click.Path(path_type=Path),
    help="A new file for the poses of images as annotations that labelling tools load; those below "
    "--threshold are left out.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("coco", "yolo")),
    default="coco",
    show_default=True,
    help="Format of --annotations: coco is a JSON file, yolo a folder of ultralytics' text files.",
)
@click.option(
    "--threshold",
    type=float,
    callback=_number,
    default=0.3,
    show_default=True,
    help="Poses with a lower score are written, but not drawn.",
)
@click.option(
    "--every-frame",
    is_flag=True,
    help="Have the key frame's network of a network for clips look at each frame, for comparison.",
)
@click.option(
    "--smooth", is_flag=True, help="Smooth each person's poses by a One-Euro filter, with such a network."
)
@click.option("--frames", type=click.IntRange(min=1), help="Only the first N frames.  [default: all]")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Frames at once."
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=2**27,
    show_default=True,
    help="Images with more pixels are not read.",
)
@click.option("--device", help="auto, cpu or cuda.  [default: the run's]")
@set_option(
    "Set an option, such as head.pose_threshold=0.1, or evaluation.flip_test=false to be twice as fast."
)
@json_last_option
def predict(
    network: str,
    source: Path,
    init: str | None,
    space: str | None,
    output: Path | None,
    boxes: Path | None,
    ids_of: Path | None,
    annotations: Path | None,
    form: LabelForm,
    threshold: float,
    every_frame: bool,
    smooth: bool,
    frames: int | None,
    batch_size: int,
    max_pixels: int,
    device: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find poses in INPUT, an image, a folder of images, a video or a camera's number, with NETWORK.

    NETWORK is a finished run's folder. With --init FILE it is any network, with the weights of FILE: a zoo
    entry, a genotype's JSON file or a run's folder.
    """
    check_weights(network, init=init, space=space)
    with _display() as display:
        from posenas.networks.devices import keep_freed_memory, use_threads
        from posenas.prediction.annotated_images import read_annotated_images
        from posenas.prediction.camera import Camera
        from posenas.prediction.labelling import check_new, check_source, make_labels
        from posenas.prediction.output import check_unused
        from posenas.prediction.predict import predict_source
        from posenas.prediction.predictors import make_predictor
        from posenas.prediction.sources import open_source
        from posenas.prediction.trained import load_filled, load_trained
        from posenas.runs.run import unused_path

        output = output or unused_path(Path("predictions"), source.resolve().stem)
        check_unused(output)
        if annotations is not None:
            check_new(annotations, form)
        elif form != "coco":
            raise PosenasError(f"--format {form} is of --annotations; add --annotations FOLDER")
        use_threads(0)
        keep_freed_memory()
        annotated = None if ids_of is None else read_annotated_images(ids_of)
        opened = open_source(
            source, limit=frames, warn=display.warned, annotated=annotated, most_pixels=max_pixels
        )
        if annotations is not None:
            check_source(opened, source, form)
        flags = {"device": device}
        if init is None:
            trained = load_trained(Path(network), assignments=assignments, flags=flags)
        else:
            trained, told = load_filled(network, init=init, space=space, assignments=assignments, flags=flags)
            say(told, err=True)
        predictor = make_predictor(
            trained, opened, boxes=boxes, every_frame=every_frame, smooth=smooth, warn=display.warned
        )
        pre_labels = None
        if annotations is not None:
            category = annotated.category(trained.keypoints.categories[0]) if annotated else None
            pre_labels = make_labels(
                annotations, form, keypoints=trained.keypoints, threshold=threshold, category=category
            )
        tally, folder = predict_source(
            predictor,
            opened,
            output,
            threshold=threshold,
            batch_size=batch_size,
            pre_labels=pre_labels,
            advanced=display.advanced,
        )
        if predictor.boxes.beside:
            display.warned(
                f"{boxes}: {predictor.boxes.beside} boxes lie beside their frames; they are left out"
            )
    if tally.stopped and not (isinstance(opened, Camera) and tally.frames):
        raise PosenasError(_stopped(tally, opened.total, folder))
    if opened.rate is None:
        say(_numbering(ids_of, opened.total), err=as_json)
    _tell(tally, folder, threshold=threshold, as_json=as_json)


@contextmanager
def _display() -> Iterator[FrameBar | FrameLines]:
    """Show the progress of frames, and restore the terminal at the end.

    Ctrl-C before the first frame ends in one line too, even if it comes while modules are imported.
    """
    display = None
    try:
        from rich.console import Console

        from posenas.prediction.display import make_frame_display

        display = make_frame_display(Console(stderr=True))
        yield display
    except KeyboardInterrupt:
        raise PosenasError("stopped before the first frame; nothing was written") from None
    finally:
        if display is not None:
            display.close()


def _numbering(ids_of: Path | None, images: int | None) -> str:
    if ids_of is not None:
        return f"image_id: as in {ids_of}"
    return f"image_id: 1 to {images}, in the order of the files' names; --ids-of FILE takes those of FILE"


def _stopped(tally: Tally, total: int | None, folder: OutputFolder) -> str:
    if not tally.frames:
        return "stopped before the first frame; nothing was written"
    of = "" if total is None else f" of {total}"
    return f"stopped after {tally.frames}{of} frames; {folder.path} holds what was done"


def _tell(tally: Tally, folder: OutputFolder, *, threshold: float, as_json: bool) -> None:
    if tally.best is not None and not tally.drawn:
        say(f"no pose is drawn: the best scores {tally.best:.3g}, below --threshold {threshold:g}", err=True)
    say(
        f"{tally.frames} frames, {tally.poses} poses, {tally.drawn} drawn, "
        f"{tally.frames_per_second:.1f} frames/s; milliseconds per frame:",
        err=as_json,
    )
    result = tally.as_dict()
    for stage, milliseconds in result["milliseconds"].items():
        say(f"  {stage:<14}{milliseconds:9.2f}", err=as_json)
    paths = {"results": str(folder.results), "drawn": str(folder.drawn)}
    if folder.pre_labels is not None:
        paths["annotations"] = str(folder.pre_labels.path)
    for what, path in paths.items():
        say(f"{what}: {path}", err=as_json)
    for line in folder.pre_labels.told() if folder.pre_labels is not None else ():
        say(line, err=as_json)
    if as_json:
        click.echo(json.dumps(paths | result))
