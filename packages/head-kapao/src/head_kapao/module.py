"""The module of the head `kapao`: from feature maps to the grids' outputs, their losses and their poses.

Source: KAPAO, Keypoints And Poses As Objects (McNally, thesis, 2022, chapter 4).
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from posenas import Batch, KeypointSet, Level, Look, Poses, PosesWithout
from posenas.training import constant
from torch import Tensor, nn

from head_kapao.anchors import ANCHORS, BALANCE, scaled_anchors
from head_kapao.channels import Channels
from head_kapao.decoding import Rows, decode, join
from head_kapao.detection import Detection
from head_kapao.distillation import distillation_loss
from head_kapao.exported import DecodedObjects, Scheme
from head_kapao.grids import STRIDES, Grids
from head_kapao.losses import Gains, LossRules, compute_losses, compute_means, scaled_gains
from head_kapao.neck import Neck
from head_kapao.targets import Targets, make_targets
from head_kapao.tta import undo_mirror, undo_scale


@dataclass(frozen=True)
class Settings:
    """What a module is told by the options of its head.

    Attributes:
        grids: which grids it has, with anchors of which size.
        input_size: height and width of the view, pixels.
        neck: channels of the feature pyramid, where one is needed.
        confidence: whether confidences of keypoints are learnt.
        keypoint_size: side of a keypoint's box, as a share of the view's longer side.
        pose_threshold: the score above which a pose is found.
        keypoint_threshold: the score above which a keypoint object is found.
        gains: the weights of the losses, as the options have them.
        detection: how objects become poses.
    """

    grids: Grids
    input_size: tuple[int, int]
    neck: int
    confidence: bool
    keypoint_size: float
    pose_threshold: float
    keypoint_threshold: float
    gains: Gains
    detection: Detection


class Looks(NamedTuple):
    """Several looks at the same views of one height and width."""

    looks: tuple[Look, ...]
    view: tuple[int, int]


class KapaoModule(nn.Module):
    """A head module whose outputs are (N, 3, H / s, W / s, C) for each of its strides s, before the sigmoid.

    The outputs are in a list, from fine to coarse; C is as of `Channels`. Published are s = 8, 16, 32, 64.

    Attributes:
        seconds: the time that decoding took so far, by its stages.
    """

    def __init__(self, levels: Sequence[Level], keypoints: KeypointSet, *, settings: Settings) -> None:
        super().__init__()
        self._settings, grids = settings, settings.grids
        self._mirrored = keypoints.mirrored
        self.channels = Channels(len(keypoints), settings.confidence)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._strides, self._scale = grids.strides, grids.scale
        is_pyramid = [level.stride for level in levels] == list(STRIDES)
        self.neck = (
            None if is_pyramid else Neck(levels, strides=STRIDES, used=grids.strides, channels=settings.neck)
        )
        own = [level for level in levels if is_pyramid and level.stride in grids.strides]
        self._names = [level.name for level in own]
        widths = [level.channels for level in own] or [settings.neck] * len(grids.strides)
        count = len(next(iter(ANCHORS.values())))
        self.outputs = nn.ModuleList()
        for stride, width in zip(grids.strides, widths, strict=True):
            # A grid has the same name whatever others there are.
            self.outputs.add_module(
                str(STRIDES.index(stride)), nn.Conv2d(width, count * self.channels.count, 1)
            )
        self._longest = max(settings.input_size)
        anchors = scaled_anchors(grids.strides, input_size=self._longest, scale=grids.scale)
        self._anchors = tuple(tuple(map(tuple, sizes)) for sizes in anchors.tolist())
        self._balance = [BALANCE[stride] for stride in grids.strides]
        self._gains = scaled_gains(
            settings.gains,
            grids=len(grids.strides),
            input_size=self._longest,
            keypoints=len(keypoints),
        )
        self._detect = settings.detection
        self._expect_little()

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> list[Tensor]:  # noqa: ARG002
        maps = [features[name] for name in self._names] if self.neck is None else self.neck(features)
        return [self._by_anchor(output(each)) for output, each in zip(self.outputs, maps, strict=True)]

    def targets(self, batch: Batch) -> list[Targets]:
        """Return the targets of each grid. The host waits for the device once."""
        return make_targets(
            batch,
            anchors=self._anchors,
            strides=self._strides,
            keypoint_size=self._settings.keypoint_size,
        )

    def loss(self, outputs: list[Tensor], targets: list[Targets]) -> Tensor:
        """Return equation 4.9 as the mean over images, where the thesis takes their sum."""
        return compute_losses(outputs, targets, **self._rules(outputs)).total / len(outputs[0])

    def loss_means(self, outputs: list[Tensor], targets: list[Targets]) -> tuple[Tensor, Tensor]:
        """Return the means that make up the loss, and their counts.

        Each grid has boxes, objectness, classes, keypoints and confidences.
        """
        return compute_means(outputs, targets, **self._rules(outputs))

    def _rules(self, outputs: list[Tensor]) -> LossRules:
        return {
            "anchors": constant(self._anchors, outputs[0], dtype=torch.float32),
            "strides": self._strides,
            "balance": self._balance,
            "channels": self.channels,
            "gains": self._gains,
        }

    def distillation_loss(self, outputs: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """Return the loss against the teacher's probabilities, where it sees something.

        A teacher has the published anchors, as the largest network has.
        """
        return distillation_loss(
            outputs,
            teacher,
            balance=self._balance,
            channels=self.channels,
            gains=self._gains,
            scale=self._scale,
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
        return poses, {"fusion": unfused} if self._detect.fusion else {}

    def exported(self) -> DecodedObjects:
        """Return the module and its decoding as one, with suppression and fusion."""
        settings = self._settings
        scheme = Scheme(
            channels=self.channels,
            strides=self._strides,
            anchors=self._anchors,
            pose_threshold=settings.pose_threshold,
            keypoint_threshold=settings.keypoint_threshold,
            detection=self._detect,
        )
        return DecodedObjects(self, scheme)

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
                    anchors=constant(sizes, grid, dtype=torch.float32),
                    stride=stride,
                    channels=self.channels,
                    pose_threshold=self._settings.pose_threshold,
                    keypoint_threshold=self._settings.keypoint_threshold,
                )
                for grid, sizes, stride in zip(outputs, self._anchors, self._strides, strict=True)
            ]
        )

    def _by_anchor(self, maps: Tensor) -> Tensor:
        count, _, height, width = maps.shape
        return maps.view(count, -1, self.channels.count, height, width).permute(0, 1, 3, 4, 2)

    def _seen(self, outputs: list[Tensor]) -> tuple[int, int]:
        rows, columns = outputs[0].shape[2:4]
        return rows * self._strides[0], columns * self._strides[0]

    def _expect_little(self) -> None:
        """Set the biases as if few cells held an object.

        That is about 8 in a picture of 640 pixels, as in RetinaNet's initialisation.
        """
        for output, stride in zip(self.outputs, self._strides, strict=True):
            bias = output.bias
            assert isinstance(bias, Tensor)
            with torch.no_grad():
                by_anchor = bias.view(-1, self.channels.count)
                by_anchor[:, self.channels.objectness] += math.log(8 / (640 / stride) ** 2)
                classes = self.channels.keypoints + 1
                by_anchor[:, self.channels.classes] += math.log(0.6 / (classes - 0.99))
