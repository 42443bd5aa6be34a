"""The predictor that a trained network and the wishes of a user call for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.prediction.camera import Camera
from posenas.prediction.clip_predictor import ClipPredictor
from posenas.prediction.frames import Source
from posenas.prediction.pose_predictor import PosePredictor, boxes_for
from posenas.prediction.smoothing import Smoothing
from posenas.prediction.stages import Stages
from posenas.prediction.trained import TrainedNetwork


def make_predictor(
    trained: TrainedNetwork,
    source: Source,
    *,
    boxes: Path | None,
    every_frame: bool = False,
    smooth: bool = False,
    warn: Callable[[str], None],
) -> PosePredictor | ClipPredictor:
    """Return a predictor of a source's frames.

    Args:
        trained: the network.
        source: the frames.
        boxes: a file with people's boxes in them; None for one box, which is the frame.
        every_frame: whether a network for clips takes each frame for a key frame.
        smooth: whether the poses of each person are smoothed through a video.
        warn: told of boxes that are in no frame, and of cuts.

    Raises:
        PosenasError: if the head has no use for the boxes, they are not for these frames, the network has no
            key frames, or there is nobody to follow.
    """
    found, stages = boxes_for(trained, source, boxes=boxes, warn=warn), Stages(trained.device)
    if trained.network.frames == 1:
        if every_frame:
            raise PosenasError("--every-frame: this network looks at each frame alone; leave it out")
        if smooth:
            raise PosenasError("--smooth: this network follows nobody; train one of a space for videos")
        return PosePredictor(trained, found, stages)
    if smooth and isinstance(source, Camera):
        raise PosenasError("--smooth: the frames of a camera come at no fixed rate; smooth a video of it")
    if source.rate is None:  # images are no video
        if smooth:
            raise PosenasError("--smooth: these are images; give a video")
        return ClipPredictor(trained, found, stages, warn, every_frame=every_frame, follows=False)
    smoothing = Smoothing(source.rate) if smooth else None
    return ClipPredictor(trained, found, stages, warn, every_frame=every_frame, smooth=smoothing)
