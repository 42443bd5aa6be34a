"""`posenas predict` on a video: propagation against the key frame's network in every frame.

    OMP_NUM_THREADS=1 python benchmarks/video_predict.py --video FILE [--json FILE] [--pairs N] [--frames N]

The key frame's network is the largest of its backbone and the other frames' the smallest, three of them
after each key frame. Weights are fresh, since speed does not depend on them, so every pose is drawn whatever
it scores. Both ways see the same boxes in the same frames: of what moves before a fixed camera. They
alternate in one process, the order changes every time, and a figure is the median of the pairs' ratios:
frames a second by propagation over those by every frame. Times are CPU time, that of threads beside the
network included, so other work on the machine matters little, and the figures are those of one core; one part
is measured by the clock too. `network` is the time in the networks alone; `predicted` is everything but
drawing and writing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from figures import RESULTS, Figures
from nas_ofa_elastic.video import ElasticVideoSpace
from posenas.composing.building import build_network, make
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.detections import Detection
from posenas.learning.inference import EvaluationSettings, prepare
from posenas.prediction.boxes import Boxes, PersonBox
from posenas.prediction.clip_predictor import ClipPredictor
from posenas.prediction.predict import predict_source
from posenas.prediction.stages import Stages
from posenas.prediction.trained import TrainedNetwork
from posenas.prediction.video import Video, open_video
from posenas.runs.recipe import ComponentChoice, Recipe
from ratios import Ratio

CPU = torch.device("cpu")
LEARNT = 60
"""The frames that the empty scene is learnt from before boxes are looked for."""
SMALLEST_BOX, NARROWEST, WIDEST = 900, 1.2, 5.0
"""Square pixels of a walking person's box at least, and its height as a share of its width."""


def walking_people(video: Video) -> Mapping[int, list[PersonBox]]:
    """Boxes of what moves and is upright, by the frame's number."""
    background = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=32, detectShadows=True)
    found = {}
    frames = list(video.frames())
    for frame in frames[:LEARNT]:
        background.apply(frame.pixels)
    for frame in frames:
        moving = np.uint8(255) * (background.apply(frame.pixels) > 200)
        closed = cv2.morphologyEx(np.asarray(moving, np.uint8), cv2.MORPH_CLOSE, np.ones((15, 3), np.uint8))
        outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        found[frame.id] = [
            Detection(frame.id, (float(x), float(y), float(width), float(height)), 1.0)
            for x, y, width, height in map(cv2.boundingRect, outlines)
            if width * height >= SMALLEST_BOX and NARROWEST <= height / width <= WIDEST
        ]
    return found


def network(backbone: str) -> TrainedNetwork:
    """The largest network for key frames and the smallest ones after it, with fresh weights."""
    space = ElasticVideoSpace(backbone=backbone)  # type: ignore[arg-type]
    options = {name: value for name, value in space.made_for().head.items() if name != "name"}
    head = make("head", ComponentChoice("heatmap", options))
    built = build_network(space, space.smallest(), head=head, keypoints=COCO_17)
    prepare(built)
    recipe = Recipe(ComponentChoice("ofa-video", {"backbone": backbone}), ComponentChoice("sandwich"))
    return TrainedNetwork(built, head.view(), COCO_17, EvaluationSettings(), CPU, recipe)


def seconds(
    trained: TrainedNetwork, video: Video, people: Mapping[int, list[PersonBox]], *, every_frame: bool
) -> Mapping[str, float]:
    """Seconds of a prediction that writes nothing, and of one into a folder."""
    stages = Stages(CPU, clock=time.thread_time)
    predictor = ClipPredictor(trained, Boxes(people), stages, print, every_frame=every_frame)
    started = time.process_time()
    for frame in video.frames():
        predictor([frame])
    found = {"network": stages.seconds["forward"], "predicted": time.process_time() - started}
    predictor = ClipPredictor(trained, Boxes(people), Stages(CPU), print, every_frame=every_frame)
    started, by_the_clock = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        predict_source(
            predictor, video, Path(folder) / "found", threshold=0.0, batch_size=1, advanced=lambda *_: None
        )
    found["drawn and written"] = time.process_time() - started
    found["drawn and written, by the clock"] = time.perf_counter() - by_the_clock
    return found


def compare(
    trained: TrainedNetwork, video: Video, people: Mapping[int, list[PersonBox]], *, pairs: int
) -> Mapping[bool, list[Mapping[str, float]]]:
    """Seconds of each part, a mapping a pair, by whether each frame was a key frame."""
    found: dict[bool, list[Mapping[str, float]]] = {False: [], True: []}
    for pair in range(-1, pairs):  # the first pair warms up
        for every_frame in (False, True) if pair % 2 else (True, False):
            spent = seconds(trained, video, people, every_frame=every_frame)
            if pair >= 0:
                found[every_frame].append(spent)
    return found


def ratio(every_frame: Sequence[float], propagated: Sequence[float]) -> Ratio:
    ratios = [first / second for first, second in zip(every_frame, propagated, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, len(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--video", type=Path, required=True, help="of people before a fixed camera")
    parser.add_argument("--json", type=Path, default=RESULTS / "video_predict.json")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--frames", type=int, default=16, help="of the video")
    parser.add_argument("--backbones", nargs="+", default=["tiny", "mobilenetv3", "resnet50"])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    frames = arguments.frames
    figures = Figures("video_predict", {"video": arguments.video.name, "frames": frames})
    people = walking_people(open_video(arguments.video, limit=LEARNT + frames, warn=print))
    video = open_video(arguments.video, limit=frames, warn=print)
    figures.add("people a frame", sum(len(people[each]) for each in range(frames)) / frames)
    for backbone in arguments.backbones:
        found = compare(network(backbone), video, people, pairs=arguments.pairs)
        for part in found[True][0]:
            every_frame, propagated = ([each[part] for each in found[way]] for way in (True, False))
            figures.add(f"{backbone}: {part}", ratio(every_frame, propagated))
            for way, spent in (("every frame", every_frame), ("propagation", propagated)):
                rate = frames / statistics.median(spent)
                figures.add(f"{backbone}: {part}, frames a second by {way}", rate)
        figures.write(arguments.json)


if __name__ == "__main__":
    main()
