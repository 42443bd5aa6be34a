"""The head `kapao`: whole images in, everybody's pose out, without heatmaps and without a person detector.

Source: KAPAO, Keypoints And Poses As Objects (McNally, thesis, 2022, chapter 4).
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Gt, Le
from posenas import (
    AFTER_TRAINING,
    Batch,
    KeypointSet,
    Level,
    Look,
    PosenasError,
    Poses,
    PosesWithout,
    Results,
    Sample,
    Section,
    View,
)
from torch import Tensor, nn

from head_kapao.anchors import ANCHORS, BALANCE, scaled_anchors
from head_kapao.assignment import Assignment, assign
from head_kapao.channels import Channels
from head_kapao.decoding import Rows, decode, join
from head_kapao.detection import Detection
from head_kapao.distillation import distillation_loss
from head_kapao.losses import Gains, LossRules, compute_losses, compute_means, scaled_gains
from head_kapao.neck import Neck
from head_kapao.objects import make_objects
from head_kapao.slots import slot_warning
from head_kapao.tta import undo_mirror, undo_scale

STRIDES = tuple(ANCHORS)


@dataclass(frozen=True)
class KapaoHead:
    """Keypoints and poses as objects: one network finds both, and the more precise keypoint objects take the
    places of poses' keypoints near them. Thresholds and gains are the thesis's."""

    input_size: Annotated[
        tuple[int, int],
        "height and width of the picture that an image is fitted into, pixels; multiples of 64; the thesis's "
        "is 1280,1280",
    ] = (320, 320)
    neck: Annotated[
        int, "channels of a feature pyramid, for backbones without maps at all of 1/8 to 1/64", Ge(8)
    ] = 64
    keypoint_size: Annotated[
        float, "side of a keypoint's box, as a share of the picture's longer side", Gt(0), Le(1)
    ] = 0.05
    keypoint_confidence: Annotated[
        bool,
        "also learn whether each keypoint of a pose can be seen: its score where nothing is fused",
    ] = False
    pose_threshold: Annotated[float, "poses of a lower score are left out", Ge(0), Le(1), AFTER_TRAINING] = (
        0.001
    )
    keypoint_threshold: Annotated[
        float, "keypoint objects of a lower score are left out", Ge(0), Le(1), AFTER_TRAINING
    ] = 0.2
    pose_overlap: Annotated[
        float,
        "intersection over union above which the worse of two poses goes",
        Ge(0),
        Le(1),
        AFTER_TRAINING,
    ] = 0.65
    keypoint_overlap: Annotated[float, "the same of two keypoint objects", Ge(0), Le(1), AFTER_TRAINING] = (
        0.25
    )
    limit: Annotated[
        int, "most poses, and most objects of each keypoint, in an image", Ge(1), AFTER_TRAINING
    ] = 300
    fusion: Annotated[
        bool, "whether keypoint objects take the places of poses' keypoints", AFTER_TRAINING
    ] = True
    fusion_confidence: Annotated[
        float, "poses of a lower score stay as they are", Ge(0), Le(1), AFTER_TRAINING
    ] = 0.3
    fusion_distance: Annotated[
        float,
        "pixels of the image within which a keypoint object takes a keypoint's place",
        Ge(0),
        AFTER_TRAINING,
    ] = 50.0
    box_gain: Annotated[float, "weight of the boxes' loss", Ge(0)] = 0.05
    objectness_gain: Annotated[float, "weight of the objectness's loss", Ge(0)] = 0.7
    class_gain: Annotated[float, "weight of the classes' loss", Ge(0)] = 0.3
    keypoint_gain: Annotated[float, "weight of the keypoints' loss", Ge(0)] = 0.025
    confidence_gain: Annotated[float, "weight of the keypoint confidences' loss", Ge(0)] = 0.3

    def __post_init__(self) -> None:
        if any(side < STRIDES[-1] or side % STRIDES[-1] for side in self.input_size):
            height, width = self.input_size
            raise ValueError(f"input_size is {height},{width}; both sides must be multiples of {STRIDES[-1]}")

    def view(self) -> View:
        height, width = self.input_size
        return View("image", height, width, STRIDES[-1])

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the deepest level at each of 1/8 to 1/64, as far as there is one.

        If the backbone ends in finer levels, as fabrics of body parts do, those of the last one's stride come
        first.

        Raises:
            PosenasError: if there is none at all.
        """
        deepest = {level.stride: level for level in levels if level.stride in STRIDES}
        fine = _finer_end(levels)
        if not deepest and not fine:
            offered = ", ".join(f"{level.name} (1/{level.stride})" for level in levels)
            wanted = ", ".join(f"1/{stride}" for stride in STRIDES)
            raise PosenasError(f"no level at any of {wanted} of the image; the backbone offers {offered}")
        return [*fine, *(deepest[stride] for stride in sorted(deepest))]

    def foresee(self, samples: Sequence[Sample], keypoints: KeypointSet) -> Sequence[str]:
        """Return a warning if many keypoint objects have no anchor slot of their own."""
        warning = slot_warning(samples, keypoints.names, view=self.view(), keypoint_size=self.keypoint_size)
        return [] if warning is None else [warning]

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> KapaoModule:
        return KapaoModule(levels, keypoints, head=self)

    def sections(self, results: Results) -> Sequence[Section]:
        """Return what fusion is worth, for the report."""
        from head_kapao.report.ablation import ablation_sections  # loads matplotlib

        return ablation_sections(results)


def _finer_end(levels: Sequence[Level]) -> list[Level]:
    """Return the last levels if they are finer than the grids.

    They are all of one stride, without a coarser one after.
    """
    last = levels[-1]
    coarser = [place for place, level in enumerate(levels) if level.stride > last.stride]
    end = levels[max(coarser, default=-1) + 1 :]
    return [level for level in end if level.stride == last.stride] if last.stride < STRIDES[0] else []


class Looks(NamedTuple):
    """Several looks at the same views of one height and width."""

    looks: tuple[Look, ...]
    view: tuple[int, int]


class KapaoModule(nn.Module):
    """A head module whose outputs are (N, 3, H / s, W / s, C) for s = 8, 16, 32, 64, before the sigmoid.

    The outputs are in a list; C is as of `Channels`.

    Attributes:
        seconds: the time that decoding took so far, by its stages.
    """

    def __init__(self, levels: Sequence[Level], keypoints: KeypointSet, *, head: KapaoHead) -> None:
        super().__init__()
        self._head = head
        self._mirrored = keypoints.mirrored
        self.channels = Channels(len(keypoints), head.keypoint_confidence)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._names = [level.name for level in levels]
        is_pyramid = [level.stride for level in levels] == list(STRIDES)
        self.neck = None if is_pyramid else Neck(levels, strides=STRIDES, channels=head.neck)
        widths = [level.channels for level in levels] if is_pyramid else [head.neck] * len(STRIDES)
        count = len(next(iter(ANCHORS.values())))
        self.outputs = nn.ModuleList(nn.Conv2d(width, count * self.channels.count, 1) for width in widths)
        self._longest = max(head.input_size)
        self._anchors = tuple(
            tuple(map(tuple, sizes)) for sizes in scaled_anchors(STRIDES, input_size=self._longest).tolist()
        )
        self._balance = [BALANCE[stride] for stride in STRIDES]
        self._gains = scaled_gains(
            Gains(
                head.box_gain, head.objectness_gain, head.class_gain, head.keypoint_gain, head.confidence_gain
            ),
            grids=len(STRIDES),
            input_size=self._longest,
            keypoints=len(keypoints),
        )
        self._detect = Detection(
            pose_overlap=head.pose_overlap,
            keypoint_overlap=head.keypoint_overlap,
            limit=head.limit,
            fusion=head.fusion,
            fusion_confidence=head.fusion_confidence,
            fusion_distance=head.fusion_distance,
        )
        self._expect_little()

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> list[Tensor]:  # noqa: ARG002
        maps = [features[name] for name in self._names] if self.neck is None else self.neck(features)
        return [self._by_anchor(output(each)) for output, each in zip(self.outputs, maps, strict=True)]

    def targets(self, batch: Batch) -> list[Assignment]:
        """Return the targets of each grid."""
        assert batch.views is not None
        assert batch.boxes is not None
        height, width = batch.images.shape[2:]
        objects = make_objects(
            batch.views,
            batch.boxes,
            keypoints=batch.keypoints,
            visibility=batch.labelled,
            view=(height, width),
            keypoint_size=self._head.keypoint_size,
        )
        return [
            assign(
                objects,
                anchors=batch.boxes.new_tensor(sizes),
                stride=stride,
                grid=(height // stride, width // stride),
            )
            for stride, sizes in zip(STRIDES, self._anchors, strict=True)
        ]

    def loss(self, outputs: list[Tensor], targets: list[Assignment]) -> Tensor:
        """Return equation 4.9 as the mean over images, where the thesis takes their sum."""
        return compute_losses(outputs, targets, **self._rules(outputs)).total / len(outputs[0])

    def loss_means(self, outputs: list[Tensor], targets: list[Assignment]) -> tuple[Tensor, Tensor]:
        """Return the means that make up the loss, and their counts.

        Each grid has boxes, objectness, classes, keypoints and confidences.
        """
        return compute_means(outputs, targets, **self._rules(outputs))

    def _rules(self, outputs: list[Tensor]) -> LossRules:
        return {
            "anchors": outputs[0].new_tensor(self._anchors, dtype=torch.float32),
            "strides": STRIDES,
            "balance": self._balance,
            "channels": self.channels,
            "gains": self._gains,
        }

    def distillation_loss(self, outputs: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """Return the loss against the teacher's probabilities, where it sees something."""
        return distillation_loss(
            outputs, teacher, balance=self._balance, channels=self.channels, gains=self._gains
        )

    def average_mirrored(self, outputs: list[Tensor], mirrored: list[Tensor]) -> Looks:
        """Put both looks together: their objects are suppressed together, so that nothing is averaged."""
        size = self._seen(outputs)
        return Looks((Look(outputs, size, False), Look(mirrored, size, True)), size)

    def combine(self, looks: Sequence[Look], view: tuple[int, int]) -> Looks:
        """Put all looks together: their objects are suppressed together."""
        return Looks(tuple(looks), view)

    def decode(self, outputs: list[Tensor] | Looks, batch: Batch) -> Poses:
        """Return everybody's pose.

        Keypoint scores are those of the keypoint objects that took the keypoints' places. Elsewhere they are
        0, or the keypoint's confidence if it is learnt.
        """
        assert batch.pitch is not None
        return self._detect(self._timed_rows(outputs), pitch=batch.pitch, seconds=self.seconds)

    def decode_ablated(
        self, outputs: list[Tensor] | Looks, batch: Batch
    ) -> tuple[Poses, Mapping[str, PosesWithout]]:
        """Return the poses, and those without `fusion` unless the options leave it out."""
        assert batch.pitch is not None
        rows = self._timed_rows(outputs)
        poses, unfused = self._detect.compare(rows, pitch=batch.pitch, seconds=self.seconds)
        return poses, {"fusion": unfused} if self._head.fusion else {}

    def _timed_rows(self, outputs: list[Tensor] | Looks) -> Rows:
        started = time.perf_counter()
        rows = self._rows(outputs)
        self.seconds["decoding"] += time.perf_counter() - started
        return rows

    def _rows(self, outputs: list[Tensor] | Looks) -> Rows:
        if not isinstance(outputs, Looks):
            return self._of_grids(outputs)
        parts = []
        for look in outputs.looks:
            rows = undo_scale(self._of_grids(look.outputs), scaled=look.size, view=outputs.view)
            if look.mirrored:
                rows = undo_mirror(rows, width=outputs.view[1], mirrored=self._mirrored)
            parts.append(rows)
        return join(parts)

    def _of_grids(self, outputs: list[Tensor]) -> Rows:
        return join(
            [
                decode(
                    grid,
                    anchors=grid.new_tensor(sizes, dtype=torch.float32),
                    stride=stride,
                    channels=self.channels,
                    pose_threshold=self._head.pose_threshold,
                    keypoint_threshold=self._head.keypoint_threshold,
                )
                for grid, sizes, stride in zip(outputs, self._anchors, STRIDES, strict=True)
            ]
        )

    def _by_anchor(self, maps: Tensor) -> Tensor:
        count, _, height, width = maps.shape
        return maps.view(count, -1, self.channels.count, height, width).permute(0, 1, 3, 4, 2)

    def _seen(self, outputs: list[Tensor]) -> tuple[int, int]:
        rows, columns = outputs[0].shape[2:4]
        return rows * STRIDES[0], columns * STRIDES[0]

    def _expect_little(self) -> None:
        """Set the biases as if few cells held an object.

        That is about 8 in a picture of 640 pixels, as in RetinaNet's initialisation.
        """
        for output, stride in zip(self.outputs, STRIDES, strict=True):
            bias = output.bias
            assert isinstance(bias, Tensor)
            with torch.no_grad():
                by_anchor = bias.view(-1, self.channels.count)
                by_anchor[:, self.channels.objectness] += math.log(8 / (640 / stride) ** 2)
                classes = self.channels.keypoints + 1
                by_anchor[:, self.channels.classes] += math.log(0.6 / (classes - 0.99))
