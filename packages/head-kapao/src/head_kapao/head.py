"""The head `kapao`: whole images in, everybody's pose out, without heatmaps and without a person detector.

Source: KAPAO, Keypoints And Poses As Objects (McNally, thesis, 2022, chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

from annotated_types import Ge, Gt, Le
from posenas import (
    AFTER_TRAINING,
    Dimension,
    Genotype,
    KeypointSet,
    Level,
    PosenasError,
    Results,
    Sample,
    Section,
    View,
    mutate,
    sample_uniform,
)

from head_kapao.detection import Detection
from head_kapao.grids import STRIDES, Grids, Searched, dimensions, grids_of, published
from head_kapao.losses import Gains
from head_kapao.module import KapaoModule, Settings
from head_kapao.slots import slot_warning


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
        "also learn whether each keypoint of a pose can be seen; its score if nothing is fused into it",
    ] = False
    pose_threshold: Annotated[float, "poses of a lower score are left out", Ge(0), Le(1), AFTER_TRAINING] = (
        0.001
    )
    keypoint_threshold: Annotated[
        float, "keypoint objects of a lower score are left out", Ge(0), Le(1), AFTER_TRAINING
    ] = 0.2
    pose_overlap: Annotated[
        float,
        "intersection over union above which the worse of two poses is removed",
        Ge(0),
        Le(1),
        AFTER_TRAINING,
    ] = 0.65
    keypoint_overlap: Annotated[
        float,
        "intersection over union above which the worse of two keypoint objects is removed",
        Ge(0),
        Le(1),
        AFTER_TRAINING,
    ] = 0.25
    limit: Annotated[
        int, "most poses, and most objects of each keypoint, in an image", Ge(1), AFTER_TRAINING
    ] = 300
    fusion: Annotated[bool, "whether keypoint objects replace poses' keypoints", AFTER_TRAINING] = True
    fusion_confidence: Annotated[
        float, "poses of a lower score stay as they are", Ge(0), Le(1), AFTER_TRAINING
    ] = 0.3
    fusion_distance: Annotated[
        float,
        "pixels of the image within which a keypoint object replaces a keypoint",
        Ge(0),
        AFTER_TRAINING,
    ] = 50.0
    box_gain: Annotated[float, "weight of the boxes' loss", Ge(0)] = 0.05
    objectness_gain: Annotated[float, "weight of the objectness's loss", Ge(0)] = 0.7
    class_gain: Annotated[float, "weight of the classes' loss", Ge(0)] = 0.3
    keypoint_gain: Annotated[float, "weight of the keypoints' loss", Ge(0)] = 0.025
    confidence_gain: Annotated[float, "weight of the keypoint confidences' loss", Ge(0)] = 0.3
    searched: Annotated[
        tuple[Searched, ...],
        "what a search chooses of the head: which of its four grids it has, how large its anchors are",
    ] = ()

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
        return KapaoModule(levels, keypoints, settings=_settings(self, Grids()))

    def dimensions(self) -> Mapping[str, Dimension]:
        return dimensions(self.searched)

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def largest(self) -> Genotype:
        """Return the published grids and anchors; anchors of any size have the same tensors."""
        return published(self.searched)

    def smallest(self) -> Genotype:
        """Return the coarsest grid alone, with the published anchors."""
        cheapest = {"grids": f"{STRIDES[-1]}"} if "grids" in self.searched else {}
        return {**published(self.searched), **cheapest}

    def ancestor(self) -> Genotype:
        """Return the published grids and anchors."""
        return published(self.searched)

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return a copy in which one dimension has another value."""
        return mutate(genotype, self.dimensions(), rng)

    def chosen(self, genotype: Genotype) -> ChosenKapao:
        return ChosenKapao(self, grids_of(genotype))

    def holder(self) -> ChosenKapao:
        return ChosenKapao(self, Grids())

    def sections(self, results: Results) -> Sequence[Section]:
        """Return what fusion is worth, for the report."""
        from head_kapao.report.ablation import ablation_sections  # loads matplotlib

        return ablation_sections(results)


@dataclass(frozen=True)
class ChosenKapao:
    """The head of one choice of grids and anchors."""

    head: KapaoHead
    grids: Grids

    def view(self) -> View:
        return self.head.view()

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the levels for all four grids: which there are says how any of them is made."""
        return self.head.select(levels)

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> KapaoModule:
        return KapaoModule(levels, keypoints, settings=_settings(self.head, self.grids))


def _settings(head: KapaoHead, grids: Grids) -> Settings:
    return Settings(
        grids=grids,
        input_size=head.input_size,
        neck=head.neck,
        confidence=head.keypoint_confidence,
        keypoint_size=head.keypoint_size,
        pose_threshold=head.pose_threshold,
        keypoint_threshold=head.keypoint_threshold,
        gains=Gains(
            head.box_gain, head.objectness_gain, head.class_gain, head.keypoint_gain, head.confidence_gain
        ),
        detection=Detection(
            pose_overlap=head.pose_overlap,
            keypoint_overlap=head.keypoint_overlap,
            limit=head.limit,
            fusion=head.fusion,
            fusion_confidence=head.fusion_confidence,
            fusion_distance=head.fusion_distance,
        ),
    )


def _finer_end(levels: Sequence[Level]) -> list[Level]:
    """Return the last levels if they are finer than the grids.

    They are all of one stride, without a coarser one after.
    """
    last = levels[-1]
    coarser = [place for place, level in enumerate(levels) if level.stride > last.stride]
    end = levels[max(coarser, default=-1) + 1 :]
    return [level for level in end if level.stride == last.stride] if last.stride < STRIDES[0] else []
