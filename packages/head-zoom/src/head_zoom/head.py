"""The head `zoom`: the whole body in heat maps, and face and hands in larger ones of their own.

Source: ZoomNet and ZoomNAS (Xu et al., ZoomNAS: Searching for Whole-body Human Pose Estimation in the Wild,
TPAMI 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen, MultipleOf
from posenas import (
    Choice,
    Genotype,
    KeypointSet,
    Level,
    PosenasError,
    Sample,
    View,
    check_genotype,
    deepest_within,
    middle,
    mutate,
    sample_uniform,
)
from posenas.heatmaps import (
    QUARTER,
    CropOption,
    EncodingOption,
    InputSizeOption,
    check_input_size,
    person_view,
)

from head_zoom.choices import EXPANSION, SIZE, STAGE, choices, largest, of_part, possible, smallest
from head_zoom.families import FamilyName, RegionFamily, region_family
from head_zoom.module import Zoom, ZoomModule
from head_zoom.parts import ZOOMED, parts_of
from head_zoom.targets import Coding
from head_zoom.unknown_boxes import box_warning


@dataclass(frozen=True)
class ZoomHead:
    """The body in heat maps from one 1 x 1 convolution; face and hands by networks that look closely at the
    boxes found there. Networks, stages, expansions and sizes are searched."""

    input_size: InputSizeOption = (160, 128)
    encoding: EncodingOption = "udp"
    crop: CropOption = "auto"
    sigma: Annotated[
        float,
        "standard deviation of the body's targets, quarters of a view's pixel; the papers' 3 is for 384x288",
        Ge(0.5),
        Le(64),
    ] = 1.0
    region_sigma: Annotated[
        float,
        "standard deviation of the targets of face and hands, 64ths of a region's side; the paper's is 3",
        Ge(0.5),
        Le(64),
    ] = 3.0
    loss: Annotated[
        Literal["cross-entropy", "mse"],
        "maps as distributions over pixels, or as images of values as in the paper",
    ] = "cross-entropy"
    networks: Annotated[
        FamilyName, "the networks of face and hands: for CPUs (tiny), ZoomNet's (w18) or ZoomNAS's (zoomnas)"
    ] = "tiny"
    stages: Annotated[
        tuple[Annotated[int, Ge(0)], ...],
        "which levels at 1/4 face and hands may be cropped from, counted from the image: 0 is the first one",
        MinLen(1),
    ] = (0, 1)
    expansions: Annotated[
        tuple[Annotated[float, Gt(0), Le(4)], ...],
        "by how much a found box's sides are multiplied before it is cropped; the paper's are from 1 to 2",
        MinLen(1),
    ] = (1.0, 1.5, 2.0)
    sizes: Annotated[
        tuple[Annotated[int, Ge(8), Le(512), MultipleOf(8)], ...],
        "sides of the maps of a cropped region, pixels; empty: those that the networks are made for",
    ] = ()
    searched: Annotated[
        bool, "whether face and hands are searched; false takes each choice from the largest network"
    ] = True

    def __post_init__(self) -> None:
        for name in ("stages", "expansions", "sizes"):
            values = getattr(self, name)
            if any(smaller >= larger for smaller, larger in pairwise(values)):
                raise ValueError(f"{name} {list(values)} do not increase; sort them")

    def view(self) -> View:
        """Return the view of one person that the maps are made in."""
        return person_view(self.input_size, encoding=self.encoding, crop=self.crop)

    def dimensions(self) -> dict[str, Choice]:
        """Return what has several values, of the face and of the hands; nothing unless it is searched."""
        several = {name: choice for name, choice in self._choices().items() if len(choice.values) > 1}
        return several if self.searched else {}

    def sample(self, rng: Random) -> Genotype:
        """Draw uniformly, but values that depend on others only from those that are possible then."""
        genotype = dict(sample_uniform(self.dimensions(), rng))
        return genotype | {name: rng.choice(values) for name, values in self.possible(genotype).items()}

    def possible(self, genotype: Genotype) -> dict[str, Sequence[Any]]:
        """Return the values that are built as they are, of the networks' own dimensions."""
        if not self.searched:
            return {}
        values = possible(self._family(), self._complete(genotype))
        return {name: each for name, each in values.items() if name in genotype}

    def largest(self) -> Genotype:
        """Return the dearest values, the first stages and the middle expansions."""
        return self._searched(largest(self._choices()))

    def smallest(self) -> Genotype:
        """Return the cheapest values, the last stages and the middle expansions."""
        return self._made_possible(self._searched(smallest(self._choices())))

    def ancestor(self) -> Genotype:
        """Return the middle values."""
        return self._made_possible(middle(self.dimensions()))

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return a copy in which one dimension has another value, an ordered one often a neighbouring one."""
        return mutate(genotype, self.dimensions(), rng)

    def chosen(self, genotype: Genotype) -> ChosenZoom:
        """Return the head of a genotype."""
        check_genotype(genotype, self.dimensions())
        values = self._complete(genotype)
        return ChosenZoom(self, values, {part: (values[f"{part}.{STAGE}"],) for part in ZOOMED})

    def holder(self) -> ChosenZoom:
        """Return a head whose networks are the largest, with a way in from every stage."""
        return ChosenZoom(self, self._complete({}), dict.fromkeys(ZOOMED, self.stages))

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the levels that the largest network reads."""
        return self.chosen(self.largest()).select(levels)

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> ZoomModule:
        """Return the largest network's module."""
        return self.chosen(self.largest()).build(levels, keypoints)

    def foresee(self, samples: Sequence[Sample], keypoints: KeypointSet) -> Sequence[str]:
        """Return a warning where nobody has a box of some region."""
        warning = box_warning(samples, keypoints)
        return [] if warning is None else [warning]

    def _family(self) -> RegionFamily:
        return region_family(self.networks)

    def _choices(self) -> dict[str, Choice]:
        family = self._family()
        return choices(
            family, stages=self.stages, expansions=self.expansions, sizes=self.sizes or family.sizes
        )

    def _searched(self, values: Mapping[str, Any]) -> Genotype:
        return {name: values[name] for name in self.dimensions()}

    def _complete(self, genotype: Genotype) -> dict[str, Any]:
        """Return a genotype with the values that are not searched: those of the largest network."""
        return largest(self._choices()) | dict(genotype)

    def _made_possible(self, genotype: Genotype) -> Genotype:
        """Return a copy whose impossible values are the cheapest possible ones."""
        return {
            **genotype,
            **{
                name: values[0]
                for name, values in self.possible(genotype).items()
                if genotype[name] not in values
            },
        }


@dataclass(frozen=True)
class ChosenZoom:
    """The head `zoom` with one value of each choice.

    Attributes:
        options: of the head.
        values: a value of each choice, by its name.
        stages: the stages that face and hand read: one each, or all in a network that holds weights.
    """

    options: ZoomHead
    values: Mapping[str, Any]
    stages: Mapping[str, Sequence[int]]

    def view(self) -> View:
        """Return the view of one person that the maps are made in."""
        return self.options.view()

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return the levels of the chosen stages, and the deepest one at 1/4 or finer as the last.

        Raises:
            PosenasError: where the backbone lacks one, or one that another choice reads, or the view does not
                divide by the stride of every level.
        """
        body = deepest_within(levels, QUARTER)
        check_input_size(self.options.input_size, levels, head="zoom")
        quarters = [level for level in levels if level.stride == QUARTER]
        wanted = self.options.stages if self.options.searched else self._stages()
        missing = [stage for stage in wanted if stage >= len(quarters)]
        if missing:
            offered = ", ".join(f"{number} {level.name}" for number, level in enumerate(quarters))
            raise PosenasError(
                f"stage {missing[0]} is no level at 1/{QUARTER} of the backbone, which has "
                f"{offered or 'none'}; set head.stages to some of them"
            )
        read = [quarters[stage] for stage in self._stages()]
        return read if body in read else [*read, body]

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> ZoomModule:
        """Return the module for the selected levels.

        Raises:
            PosenasError: where the keypoints have no face and hands.
        """
        head = self.options
        by_stage = dict(zip(self._stages(), levels, strict=False))  # behind them may be the body's
        points = {part.name: len(part.points[0]) for part in parts_of(keypoints)}
        zooms = {
            part: self._zoom(part, [by_stage[stage] for stage in self.stages[part]], keypoints=points[part])
            for part in ZOOMED
        }
        return ZoomModule(
            keypoints,
            levels[-1],
            zooms,
            view=head.input_size,
            coding=Coding(head.encoding, distributions=head.loss == "cross-entropy"),
            sigma=head.sigma,
            region_sigma=head.region_sigma,
        )

    def _zoom(self, part: str, levels: Sequence[Level], *, keypoints: int) -> Zoom:
        values = of_part(self.values, part)
        network = region_family(self.options.networks).build(
            values, {level.name: level.channels for level in levels}, keypoints
        )
        return Zoom(levels[0], values[EXPANSION], values[SIZE], network)

    def _stages(self) -> list[int]:
        """Return the stages that are read, each once, from the image to the output."""
        return sorted({stage for stages in self.stages.values() for stage in stages})
