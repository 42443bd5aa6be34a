"""Prediction through a video by a network for clips: key frames, boxes that stay, people who come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from posenas.contract.batches import Batch, Poses, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.detections import Detection
from posenas.learning.inference import EvaluationSettings
from posenas.networks.frame_heads import FrameHeads
from posenas.prediction.boxes import Boxes, WholeFrames
from posenas.prediction.camera import open_camera
from posenas.prediction.clip_predictor import ClipPredictor
from posenas.prediction.frames import Frame
from posenas.prediction.predictors import make_predictor
from posenas.prediction.sources import open_source
from posenas.prediction.stages import Stages
from posenas.prediction.trained import TrainedNetwork
from posenas.runs.recipe import recipe_from_tables
from torch import Tensor, nn

FRAMES = 3
CPU = torch.device("cpu")


class Counting(nn.Module):
    """A head that finds a ring in each view; its guide tells how many frames went before."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = score

    def forward(self, features: Any, targets: Any = None) -> Any:  # noqa: ARG002
        return features["level"]

    def guide(self, outputs: Tensor) -> Tensor:
        return outputs[:, :1] + 1

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:  # noqa: ARG002
        angles = torch.linspace(0, 6, 17)
        ring = torch.stack([24 + 18 * angles.cos(), 32 + 24 * angles.sin()], dim=1)
        count = len(batch.images)
        return Poses(ring.expand(count, 17, 2), torch.full((count, 17), self.score))


@dataclass
class Look(nn.Module):
    """A frame's backbone that writes down what it is shown."""

    seen: list[tuple[int, int, float | None]]
    number: int

    def __post_init__(self) -> None:
        super().__init__()

    def forward(self, images: Tensor, guide: Tensor | None = None) -> dict[str, Tensor]:
        before = None if guide is None else float(guide.mean())
        self.seen.append((self.number, len(images), before))
        return {"level": torch.zeros(len(images), 1, 2, 2) if guide is None else guide}

    __hash__ = nn.Module.__hash__


@dataclass
class Clips(nn.Module):
    """A network for clips of three frames."""

    score: float = 0.9
    seen: list[tuple[int, int, float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.looks = nn.ModuleList([Look(self.seen, number) for number in range(FRAMES)])
        self.head = FrameHeads([Counting(self.score) for _ in range(FRAMES)])

    frames = FRAMES

    def look(self, frame: int, images: Tensor, guide: Tensor | None) -> tuple[Any, Tensor]:
        outputs = self.head.frames[frame](self.looks[frame](images, guide))
        return outputs, self.head.frames[frame].guide(outputs)  # type: ignore[operator]

    __hash__ = nn.Module.__hash__


def trained(network: Any) -> TrainedNetwork:
    settings = EvaluationSettings(flip_test=False)
    return TrainedNetwork(network, View("person", 64, 48), COCO_17, settings, CPU, recipe_from_tables({}))


def predictor_of(network: Any, boxes: Boxes | WholeFrames, told: list[str], **options: Any) -> ClipPredictor:
    return ClipPredictor(trained(network), boxes, Stages(CPU), told.append, **options)


def frames_of(count: int, *, cut: int | None = None) -> list[Frame]:
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (4, 8, 3), dtype=np.uint8).repeat(25, 0).repeat(25, 1) for _ in range(2)]
    return [Frame(n, scenes[int(cut is not None and n >= cut)]) for n in range(count)]


def detections(**by_frame: Sequence[tuple[float, float, float, float]]) -> Boxes:
    return Boxes(
        {int(n[1:]): [Detection(int(n[1:]), box, 0.8) for box in boxes] for n, boxes in by_frame.items()}
    )


LEFT, RIGHT = (0.0, 0.0, 60.0, 80.0), (100.0, 0.0, 60.0, 80.0)


def test_frames_after_a_key_frame_get_what_was_found_before() -> None:
    network = Clips()
    predictor = predictor_of(network, detections(f0=[LEFT, RIGHT], f3=[LEFT]), [])
    found = predictor(frames_of(5))
    assert network.seen == [(0, 2, None), (1, 2, 1.0), (2, 2, 2.0), (0, 1, None), (1, 1, 1.0)]
    assert [each.tracks.tolist() for each in found if each.tracks is not None] == [[1, 2]] * 3 + [[1]] * 2


def test_every_frame_may_be_a_key_frame() -> None:
    network = Clips()
    predictor_of(network, WholeFrames(), [], every_frame=True)(frames_of(3))
    assert {number for number, _, _ in network.seen} == {0}


def test_a_cut_begins_anew_with_new_numbers_and_is_told() -> None:
    network, told = Clips(), list[str]()
    boxes = detections(f0=[LEFT], f1=[LEFT])
    found = predictor_of(network, boxes, told)(frames_of(2, cut=1))
    assert [number for number, _, _ in network.seen] == [0, 0]
    assert [each.tracks.tolist() for each in found if each.tracks is not None] == [[1], [2]]
    assert told == ["frame 1: shows another scene than the one before; everybody is found anew"]


@pytest.mark.parametrize(("score", "stay"), [(0.9, True), (0.1, False)])
def test_who_is_not_detected_stays_as_long_as_the_pose_is_sure(score: float, stay: bool) -> None:
    network = Clips(score)
    found = predictor_of(network, detections(f0=[LEFT]), [])(frames_of(4))
    assert (found[3].tracks is not None and found[3].tracks.tolist() == [1]) == stay
    assert len(found[3].scores) == int(stay)


def test_nobody_is_looked_for_until_a_detector_has_somebody() -> None:
    network = Clips()
    found = predictor_of(network, detections(f1=[LEFT]), [])(frames_of(2))
    assert [len(each.scores) for each in found] == [0, 1]
    assert network.seen == [(0, 1, None)]


def test_images_are_key_frames_without_anybody_from_before() -> None:
    network = Clips()
    found = predictor_of(network, WholeFrames(), [], follows=False)(frames_of(2))
    assert [number for number, _, _ in network.seen] == [0, 0]
    assert all(each.tracks is None for each in found)


@dataclass
class Alone(nn.Module):
    """A network of single images."""

    frames = 1

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = nn.Module.__hash__


@dataclass(frozen=True)
class Film:
    """A source with a rate."""

    rate: float | None
    total = None


@pytest.mark.parametrize("wish", ["every_frame", "smooth"])
def test_what_a_network_of_images_cannot_do_is_refused(wish: str) -> None:
    with pytest.raises(PosenasError, match=f"--{wish.replace('_', '-')}: this network"):
        make_predictor(trained(Alone()), Film(25.0), boxes=None, warn=print, **{wish: True})  # type: ignore[arg-type]


def test_images_are_not_smoothed() -> None:
    with pytest.raises(PosenasError, match="--smooth: these are images; give a video"):
        make_predictor(trained(Clips()), Film(None), boxes=None, warn=print, smooth=True)  # type: ignore[arg-type]


def test_smoothed_poses_are_those_of_the_filter() -> None:
    smoothed = make_predictor(trained(Clips()), Film(10.0), boxes=None, warn=print, smooth=True)  # type: ignore[arg-type]
    plain = make_predictor(trained(Clips()), Film(10.0), boxes=None, warn=print)  # type: ignore[arg-type]
    one, other = smoothed(frames_of(1)), plain(frames_of(1))
    np.testing.assert_array_equal(one[0].keypoints, other[0].keypoints)


def test_a_camera_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PosenasError, match="63: there is neither such a file nor camera 63"):
        open_camera(63, limit=None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PosenasError, match="neither such a file nor camera 63"):
        open_source(Path("63"), limit=None, warn=print)
    with pytest.raises(PosenasError, match="neither such a file nor camera 99999999999999;"):
        open_source(Path("99999999999999"), limit=None, warn=print)
