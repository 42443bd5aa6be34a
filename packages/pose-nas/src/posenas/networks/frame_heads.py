"""The head of a network for clips: one head a frame, each but the first after a look at the frame before.

Batches of clips are frame-minor: N clips of F frames are N * F views, those of one clip side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from posenas.contract.batches import Batch, Poses
from posenas.contract.components import Distillable, FlipTest, FrameByFrame, Guiding, HeadModule

Call: TypeAlias = Callable[..., Any]
"""Runs a module, which comes first, on the arguments that follow."""


class FrameHeads(nn.Module):
    """Heads of the F frames of a clip as one head.

    Outputs and targets are tuples: each frame's as its own head has them. The key frame, which is the first,
    is frozen and adds nothing to the losses.

    Args:
        heads: F modules of one kind of head, each `Guiding`.
    """

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.frames = nn.ModuleList(heads)

    def __len__(self) -> int:
        return len(self.frames)

    def propagate(
        self, backbone: FrameByFrame, images: Tensor, targets: Sequence[Any] | None, *, call: Call
    ) -> tuple[Any, ...]:
        """Return each frame's outputs; a frame's backbone gets what the head tells of the frame before.

        In training the first frame after the key frame is looked at some times beforehand, drawn from 0 to
        the backbone's `stills`, and these looks are not learnt from.

        Args:
            backbone: of F frames.
            images: (N * F, 3, H, W), frame-minor.
            targets: what `targets` gave for the batch, in training alone.
            call: runs a module.
        """
        guide, outputs = None, []
        for frame in range(len(self)):
            known = None if targets is None else targets[frame]
            seen = frame_of(images, frame, frames=len(self))
            if frame == 1 and known is not None:
                guide = self._after_stills(backbone, seen, guide, call=call)
            found, guide = self.look(backbone, frame, seen, guide=guide, targets=known, call=call)
            outputs.append(found)
        return tuple(outputs)

    @torch.no_grad()
    def _after_stills(
        self, backbone: FrameByFrame, images: Tensor, guide: Tensor | None, *, call: Call
    ) -> Tensor | None:
        """Return the guide of the first frame after the key frame where the video stood still before it."""
        for _ in range(int(torch.randint(backbone.stills + 1, ()))):
            _, guide = self.look(backbone, 1, images, guide=guide, call=call)
        return guide

    def look(
        self,
        backbone: FrameByFrame,
        frame: int,
        images: Tensor,
        *,
        guide: Tensor | None,
        targets: Any | None = None,
        call: Call,
    ) -> tuple[Any, Tensor]:
        """Return one frame's outputs, and the guide of the next frame.

        Args:
            backbone: of F frames.
            frame: which frame, from 0.
            images: (N, 3, H, W), that frame of each clip.
            guide: what the frame before gave; None for the key frame.
            targets: the frame's, in training alone.
            call: runs a module.
        """
        head = self.frames[frame]
        features = call(cast(nn.Module, backbone.frames[frame]), images, guide)
        outputs = call(head, features, targets)
        return outputs, cast(Guiding, head).guide(outputs)

    def targets(self, batch: Batch) -> tuple[Any, ...]:
        """Return each frame's targets."""
        return tuple(head.targets(part) for head, part in self._parts(batch))

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> Tensor:
        """Return the sum of the losses of all frames but the key frame (ViPNAS, equation 1)."""
        return torch.stack([head.loss(*each) for head, *each in self._learning(outputs, targets)]).sum()

    def distillation_loss(self, outputs: Sequence[Any], teacher: Sequence[Any]) -> Tensor:
        """Return the sum of what each frame but the key frame learns from the teacher's same frame."""
        learning = self._learning(outputs, teacher)
        return torch.stack(
            [cast(Distillable, head).distillation_loss(*each) for head, *each in learning]
        ).sum()

    def average_mirrored(self, outputs: Sequence[Any], mirrored: Sequence[Any]) -> tuple[Any, ...]:
        """Return each frame's outputs averaged with those for the mirrored frame, where the head can."""
        if not isinstance(self.frames[0], FlipTest):
            return tuple(outputs)
        both = zip(self.frames, outputs, mirrored, strict=True)
        return tuple(cast(FlipTest, head).average_mirrored(*each) for head, *each in both)

    def decode(self, outputs: Sequence[Any], batch: Batch) -> Poses:
        """Return the pose in each view, in the order of the batch."""
        poses = [
            head.decode(each, part) for (head, part), each in zip(self._parts(batch), outputs, strict=True)
        ]
        return Poses(
            frame_minor([each.keypoints for each in poses]),
            frame_minor([each.keypoint_scores for each in poses]),
        )

    def _parts(self, batch: Batch) -> Iterator[tuple[HeadModule, Batch]]:
        for frame, head in enumerate(self.frames):
            yield cast(HeadModule, head), batch_of_frame(batch, frame, frames=len(self))

    def _learning(self, *of_frames: Sequence[Any]) -> Iterator[tuple[HeadModule, *tuple[Any, ...]]]:
        """Yield the head and what is its frame's, for each frame after the key frame."""
        for head, *each in list(zip(self.frames, *of_frames, strict=True))[1:]:
            yield cast(HeadModule, head), *each


def frame_of(views: Tensor, frame: int, *, frames: int) -> Tensor:
    """Return one frame of each clip: (N * F, ...) to (N, ...)."""
    return views[frame::frames]


def frame_minor(of_frames: Sequence[Tensor]) -> Tensor:
    """Return F tensors (N, ...), one a frame, as one (N * F, ...) with the frames of a clip side by side."""
    return torch.stack(list(of_frames), dim=1).flatten(0, 1)


def batch_of_frame(batch: Batch, frame: int, *, frames: int) -> Batch:
    """Return the batch of one frame of each clip.

    Args:
        batch: N * F views of one person each, frame-minor.
        frame: which frame, from 0.
        frames: F.
    """
    tensors: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(Batch)}
    for name, each in tensors.items():
        tensors[name] = None if each is None else frame_of(each, frame, frames=frames)
    return Batch(**tensors)
