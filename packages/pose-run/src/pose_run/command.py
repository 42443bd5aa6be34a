"""The command `pose-run`. Nothing heavy is imported before its arguments are known to be right."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_run.errors import PoseRunError, message
from pose_run.threads import MOST_THREADS

if TYPE_CHECKING:
    from pose_run.boxes import FindingNetwork, FoundBoxes
    from pose_run.model import Model
    from pose_run.output import OutputFolder
    from pose_run.prediction import Tally
    from pose_run.sources import Source

_MOST_PIXELS = 2**27
"""The most pixels of an image: 134 million, 400 MB decoded."""


def main() -> None:
    """Run the command `pose-run`, and end the process with its status.

    The status is 0 for success, 2 for what the user can mend, told in one line, and 1 for a bug.
    """
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Return the status of the command with these arguments."""
    try:
        _predict(_parser().parse_args(arguments))
    except PoseRunError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return _failed("stopped before the first frame; nothing was written")
    except OSError as error:
        if error.filename is None:
            raise
        return _failed(f"{error.filename}: {error.strerror}")
    return 0


def _failed(reason: str) -> int:
    print(f"pose-run: {message(reason)}", file=sys.stderr)
    return 2


def _predict(options: argparse.Namespace) -> None:
    if any("\0" in str(value) for value in vars(options).values()):
        raise PoseRunError("an argument holds a zero byte, which no file's name can hold; leave it out")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_MOST_PIXELS))  # OpenCV reads it once
    from pose_run.display import FrameLines, warned
    from pose_run.model import load
    from pose_run.output import check_unused, unused_path
    from pose_run.prediction import predict_source
    from pose_run.sources import Moving, open_source

    output = options.output or unused_path(Path("predictions"), options.source.resolve().stem)
    check_unused(output)
    source = open_source(options.source, limit=options.frames, warn=warned)
    model = load(options.model, threads=options.threads, warn=warned)
    boxes = _boxes(options, model, source, warned)
    tally, folder = predict_source(
        model, source, output, boxes=boxes, threshold=options.threshold, advanced=FrameLines()
    )
    if boxes is not None and boxes.beside:
        warned(f"{options.boxes}: {boxes.beside} boxes lie beside their frames; they are left out")
    if tally.stopped and not (isinstance(source, Moving) and source.is_live):
        of = "" if source.total is None else f" of {source.total}"
        raise PoseRunError(f"stopped after {tally.frames}{of} frames; {folder.path} holds what was done")
    _tell(tally, folder, source, threshold=options.threshold)


def _boxes(
    options: argparse.Namespace, model: Model, source: Source, warn: Callable[[str], None]
) -> FoundBoxes | FindingNetwork | None:
    """Return where people are in the frames; None where the whole frame is one box, or none is needed."""
    if options.boxes is None:
        return None
    from pose_run.boxes import FindingNetwork, read_boxes
    from pose_run.model import load

    rules = model.manifest.rules
    if rules is None:
        raise PoseRunError(
            f"--boxes {options.boxes}: this network finds people by itself; leave the boxes out"
        )
    if options.boxes.suffix == ".onnx":
        finder = load(options.boxes, threads=options.threads, warn=warn)
        if not finder.finds_people:
            raise PoseRunError(
                f"--boxes {options.boxes}: this network looks at one person at a time; give one that finds "
                "people in whole images, such as one with head kapao"
            )
        return FindingNetwork(finder)
    categories = model.manifest.keypoints.categories
    return read_boxes(options.boxes, source, categories=categories, threshold=rules.box_threshold, warn=warn)


def _tell(tally: Tally, folder: OutputFolder, source: Source, *, threshold: float) -> None:
    if source.rate is None:
        print(f"image_id: 1 to {source.total}, in the order of the files' names")
    if tally.best is not None and not tally.drawn:
        best = f"no pose is drawn: the best scores {tally.best:.3g}, below --threshold {threshold:g}"
        print(best, file=sys.stderr)
    print(
        f"{tally.frames} frames, {tally.poses} poses, {tally.drawn} drawn, "
        f"{tally.frames / tally.seconds:.1f} frames/s; milliseconds per frame:"
    )
    for stage, seconds in tally.stages.items():
        print(f"  {stage:<14}{1000 * seconds / tally.frames:9.2f}")
    print(message(f"results: {folder.results}"))
    print(message(f"drawn: {folder.drawn}"))


def _parser() -> argparse.ArgumentParser:
    from pose_run import __version__

    parser = argparse.ArgumentParser(
        prog="pose-run",
        description="Find poses in INPUT, an image, a folder of images, a video or a camera's number, with "
        "FILE, a network that `posenas export` wrote.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="FILE", type=Path, help="An ONNX file beside its manifest.")
    parser.add_argument("source", metavar="INPUT", type=Path)
    parser.add_argument(
        "--output",
        type=Path,
        help="Folder for predictions.json and what is drawn.  [default: a new one in predictions/]",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        help="A detector's boxes, a COCO results file, or an exported network that finds people (.onnx), for "
        "heads that look at one person at a time.  [default: the whole frame is one box]",
    )
    parser.add_argument(
        "--threshold",
        type=_threshold,
        default=0.3,
        help="Poses with a lower score are written, but not drawn.  [default: %(default)s]",
    )
    parser.add_argument(
        "--frames", type=_whole("--frames", least=1), help="Only the first N frames.  [default: all]"
    )
    parser.add_argument(
        "--threads",
        type=_whole("--threads", least=0, most=MOST_THREADS),
        default=1,
        help="Threads of the CPU; 0 for all cores.  [default: 1]",
    )
    parser.add_argument("--version", action="version", version=f"pose-run, version {__version__}")
    return parser


def _threshold(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):  # also "nan", which `float` reads and with which nothing compares
        raise PoseRunError(f"--threshold {text}: not a number; give one, such as 0.3")
    return number


def _whole(option: str, *, least: int, most: float = math.inf) -> Callable[[str], Any]:
    def whole_number(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            bounds = f"from {least}" if math.isinf(most) else f"from {least} to {most}"
            raise PoseRunError(f"{option} {text}: not a whole number {bounds}; give one")
        return number

    return whole_number
