"""The space `ofa-video`: a network a frame, guided by the heat maps of the frame before (T-ViPNAS)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen
from posenas import (
    Choice,
    Genotype,
    MadeFor,
    NamedNetwork,
    PosenasError,
    Results,
    Section,
    check_genotype,
    find_network,
    sample_uniform,
)
from posenas.layers import Chain

from nas_ofa_elastic.family import Family
from nas_ofa_elastic.guidance import OPERATIONS, ClipBackbone, GuidedFrame
from nas_ofa_elastic.mobilenetv3 import MOBILENETV3, MobileNetV3
from nas_ofa_elastic.resnet50 import RESNET50
from nas_ofa_elastic.tiny import TINY, Pyramid, Tiny

_PROPAGATION = "propagation"
_OPERATION, _STAGE = "fusion.operation", "fusion.stage"
_FRAME = re.compile(r"(backbone|head)\.frames\.(\d+)(.*)")
_FAMILIES: Mapping[str, Family | Tiny | MobileNetV3] = {
    "tiny": TINY,
    "resnet50": RESNET50,
    "mobilenetv3": MOBILENETV3,
}
_SITES = {
    "tiny": ("stem", "stage1", "stage2"),
    "resnet50": ("stage1", "stage2", "stage3", "stage4"),
    "mobilenetv3": ("stage2", "stage3", "stage5", "stage6"),
}
"""The stages that can be fused: the last one at each scale on the way from the image."""


@dataclass(frozen=True)
class ElasticVideoSpace:
    """Cheap networks for the frames between key frames, each with an architecture, a fusion and its stage."""

    backbone: Annotated[
        Literal["tiny", "resnet50", "mobilenetv3"],
        "tiny: about 128x96 and a CPU; the others: the spaces of ViPNAS, 256x192",
    ] = "tiny"
    propagation: Annotated[
        tuple[Annotated[int, Ge(1), Le(30)], ...],
        "frames between two key frames: T of the paper; several are searched at once, trained with the most",
        MinLen(1),
    ] = (3,)
    architectures: Annotated[
        Literal["each", "one"],
        "one architecture for each frame between key frames, or one for all of them",
    ] = "each"
    key_run: Annotated[
        str, "a finished run of space ofa: its network looks at key frames; empty: train the largest one"
    ] = ""
    key_epochs: Annotated[
        int, "passes over the people in training the key frame's network, if there is no run of it", Gt(0)
    ] = 10
    fusion: Annotated[
        bool, "guide each frame by the heat maps of the one before; false for comparison: frames alone"
    ] = True
    stills: Annotated[
        int,
        "most looks at the frame after the key frame beforehand in training, as in a still video, so that "
        "poses do not drift; 0: none, as in the paper",
        Ge(0),
        Le(30),
    ] = 6
    gradients: Annotated[
        bool, "let a frame's loss train the network of the frame before too, through its heat maps"
    ] = False

    def __post_init__(self) -> None:
        if any(
            first >= second for first, second in zip(self.propagation, self.propagation[1:], strict=False)
        ):
            raise ValueError(f"propagation {list(self.propagation)} does not increase; sort it")

    def dimensions(self) -> dict[str, Choice]:
        """Return the number of frames between key frames, and the dimensions of each of them.

        The number 0 is the key frame's network alone, which no sample is.
        """
        own = _within(self._family.dimensions(), self._key_genotype())
        if self.fusion:
            own |= {_OPERATION: Choice(OPERATIONS), _STAGE: Choice(_SITES[self.backbone])}
        of_frames = {f"{prefix}{name}": choice for prefix in self._prefixes() for name, choice in own.items()}
        return {_PROPAGATION: Choice((0, *self.propagation)), **of_frames}

    def sample(self, rng: Random) -> Genotype:
        """Draw uniformly, but group numbers only from those that divide the channels drawn before."""
        return self._drawn(rng, rng.choice(self.propagation))

    def _drawn(self, rng: Random, propagation: int) -> Genotype:
        genotype = dict(sample_uniform(self.dimensions(), rng))
        genotype[_PROPAGATION] = propagation
        for prefix in self._frame_prefixes(genotype):
            nesting = self._nesting(_part(genotype, prefix))
            genotype |= {f"{prefix}{name}": value for name, value in nesting.items()}
        possible = self.possible(genotype)
        return genotype | {name: rng.choice(possible[name]) for name in possible if name != _PROPAGATION}

    def possible(self, genotype: Genotype) -> dict[str, tuple[Any, ...]]:
        """Return the group numbers that are built as they are, and one value where a frame is not there."""
        dimensions = self.dimensions()
        possible: dict[str, tuple[Any, ...]] = {_PROPAGATION: self.propagation}
        for number, prefix in enumerate(self._prefixes(), 1):
            if number > genotype[_PROPAGATION]:
                possible |= {
                    name: choice.values[:1] for name, choice in dimensions.items() if name.startswith(prefix)
                }
            else:
                groups = self._possible_groups(self._nesting(_part(genotype, prefix)))
                possible |= {f"{prefix}{name}": values for name, values in groups.items()}
        return possible

    def build(self, genotype: Genotype) -> Chain | Pyramid | ClipBackbone:
        """Return the networks of a key frame and the frames after it, or the key frame's alone."""
        check_genotype(genotype, self.dimensions())
        if genotype[_PROPAGATION] == 0:
            return self._family.build(self._key_genotype())
        frames = [self._guided(_part(genotype, prefix)) for prefix in self._frame_prefixes(genotype)]
        return ClipBackbone([self._key(), *frames], stills=self.stills if self.fusion else 0)

    def holder(self) -> ClipBackbone:
        """Return a key frame's network, and one with all tensors of every other frame's network."""
        backbone = self._family.build(self._key_genotype())
        sites = self._channels(backbone) if self.fusion else {}
        return ClipBackbone([self._key(), GuidedFrame(backbone, sites, OPERATIONS)])

    def largest(self) -> Genotype:
        """Return the largest network for each frame of the longest clip."""
        return {name: choice.values[-1] for name, choice in self.dimensions().items()}

    def smallest(self) -> Genotype:
        """Return the smallest network for each frame of the longest clip: the cheapest on average."""
        first = {**self.key_frame(), _PROPAGATION: self.propagation[-1]}
        possible = self.possible(first)
        return first | {name: possible[name][0] for name in possible if name != _PROPAGATION}

    def key_frame(self) -> Genotype:
        """Return the genotype that is the key frame's network alone."""
        return {name: choice.values[0] for name, choice in self.dimensions().items()}

    def in_training(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return the genotype over the longest clip, with operations, stages and frames that it lacks drawn.

        So the largest and the smallest networks learn with each of them (ViPNAS, section 3.4.2).
        """
        drawn = self._drawn(rng, self.propagation[-1])
        absent = self._prefixes()[genotype[_PROPAGATION] :]
        anew = {
            name: value
            for name, value in drawn.items()
            if name.endswith((_OPERATION, _STAGE)) or name.startswith(absent)
        }
        return {**genotype, **anew, _PROPAGATION: self.propagation[-1]}

    def source(self, path: str) -> str:
        """Return the module of the first frame after the key frame in place of any later one's."""
        found = _FRAME.fullmatch(path)
        if found is None or int(found[2]) < 2:
            return path
        return f"{found[1]}.frames.1{found[3]}"

    def begins_as(self, name: str) -> str:
        """Return the tensor of the key frame's network of the same place; fusions begin fresh."""
        found = _FRAME.fullmatch(name)
        if found is None:
            return name
        rest = found[3].removeprefix(".backbone") if found[1] == "backbone" else found[3]
        return f"{found[1]}{rest}"

    def sections(self, results: Results) -> Sequence[Section]:
        """Return the networks of a clip's frames, and their scores, for the report."""
        # They load matplotlib, which training does not need.
        from nas_ofa_elastic.distance import distance_sections
        from nas_ofa_elastic.report import clip_sections

        return [*clip_sections(results, self._key_genotype()), *distance_sections(results)]

    def made_for(self) -> MadeFor:
        """Return ViPNAS's view and head for its backbones, and videos of the built-in people."""
        head: dict[str, Any] = {"name": "heatmap"}
        if self.backbone != "tiny":
            head |= {"input_size": (256, 192), "encoding": "gaussian", "sigma": 2.0, "loss": "mse"}
        return MadeFor(head=head, dataset={"name": "synthetic", "frames": 2 * (self.propagation[-1] + 1)})

    @property
    def _family(self) -> Family | Tiny | MobileNetV3:
        return _FAMILIES[self.backbone]

    def _prefixes(self) -> tuple[str, ...]:
        """Return how the names of each frame's dimensions begin."""
        if self.architectures == "one":
            return ("frames.",)
        return tuple(f"frame{number}." for number in range(1, self.propagation[-1] + 1))

    def _frame_prefixes(self, genotype: Genotype) -> tuple[str, ...]:
        """Return the prefix of each frame of a genotype's clip after the key frame."""
        prefixes = self._prefixes()
        return tuple(prefixes[min(number, len(prefixes) - 1)] for number in range(genotype[_PROPAGATION]))

    def _key_genotype(self) -> Genotype:
        """Return the genotype of the key frame's network in the space of images."""
        if not self.key_run:
            return {name: choice.values[-1] for name, choice in self._family.dimensions().items()}
        answer = Path(self.key_run) / "best" / "trial.json"
        if not answer.is_file():
            raise PosenasError(
                f"space.key_run {self.key_run}: not the folder of a finished run; give one of space ofa"
            )
        network = _network_of(self.key_run, answer.stat().st_mtime_ns)
        options = network.space.options
        if network.space.name != "ofa" or options.get("backbone", "tiny") != self.backbone:
            raise PosenasError(
                f"space.key_run {self.key_run}: its network is of space {network.space.name} with backbone "
                f"{options.get('backbone')}, expected ofa with {self.backbone}; give another run, or set "
                "space.backbone"
            )
        if set(network.genotype) != set(self._family.dimensions()):
            raise PosenasError(
                f"space.key_run {self.key_run}: its network scales its input, which key frames do not"
            )
        return network.genotype

    def _possible_groups(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers of one frame's network that are built as they are, none past the key's."""
        known = _within(self._family.dimensions(), self._key_genotype())
        return {
            name: tuple(value for value in values if value in known[name].values)
            for name, values in self._family.possible(genotype).items()
        }

    def _nesting(self, genotype: Genotype) -> Genotype:
        """Return one frame's genotype with group numbers that are built as they are.

        A stage whose width none of them divides is the key frame's.
        """
        key_frame, nesting = self._key_genotype(), dict(genotype)
        for name in self._family.possible(genotype):
            if not self._possible_groups(nesting)[name]:
                stage = name.rpartition(".")[0]
                nesting |= {each: value for each, value in key_frame.items() if each.startswith(f"{stage}.")}
        if not all(self._possible_groups(nesting).values()):
            nesting |= key_frame
        for name, values in self._possible_groups(nesting).items():
            nesting[name] = nesting[name] if nesting[name] in values else values[0]
        return nesting

    def _key(self) -> GuidedFrame:
        return GuidedFrame(self._family.build(self._key_genotype()), {}, frozen=True)

    def _guided(self, genotype: Genotype) -> GuidedFrame:
        backbone = self._family.build(self._nesting(genotype))
        if not self.fusion:
            return GuidedFrame(backbone, {})
        stage = genotype[_STAGE]
        return GuidedFrame(
            backbone,
            {stage: self._channels(backbone)[stage]},
            (genotype[_OPERATION],),
            gradients=self.gradients,
        )

    def _channels(self, backbone: Chain | Pyramid) -> dict[str, int]:
        """Return the channels of each stage that can be fused."""
        channels = {level.name: level.channels for level in backbone.levels}
        return {site: channels[site] for site in _SITES[self.backbone]}


@lru_cache(maxsize=4)
def _network_of(run: str, _changed: int) -> NamedNetwork:
    """Return a run's network, which is read again where its answer has changed: a space asks often."""
    return find_network(run)


def _within(dimensions: Mapping[str, Choice], largest: Genotype) -> dict[str, Choice]:
    """Return the dimensions with their values up to a genotype's, which run from cheap to dear."""
    return {
        name: Choice(choice.values[: choice.values.index(largest[name]) + 1])
        for name, choice in dimensions.items()
    }


def _part(genotype: Genotype, prefix: str) -> Genotype:
    """Return the dimensions with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in genotype.items() if name.startswith(prefix)}
