"""The space `autopose`: branches of several scales, each on or off, and cells of continuous architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, cast

from annotated_types import Ge, Le
from posenas import (
    Choice,
    Dimension,
    Genotype,
    Real,
    Results,
    Section,
    check_genotype,
    mutate,
    sample_uniform,
)
from torch import Tensor, nn

from nas_autopose.cell import AGGREGATION_NODES, INDIVIDUAL_NODES, edge_ends
from nas_autopose.gates import Gates, Restriction
from nas_autopose.mixture import Mixture, heaviest, numbers_of, only, present
from nas_autopose.multi_scale import Cells
from nas_autopose.network import AutoPoseNetwork, Plan
from nas_autopose.operations import OPERATIONS

_INDIVIDUAL, _AGGREGATION = "individual.alpha", "aggregation.alpha"
_WIDTH = "width"
_SEARCHED, _DERIVED = 1, 2
"""The widths of networks in the search, and of the one that is trained in the end (section 4.2)."""


@dataclass(frozen=True)
class AutoPoseSpace:
    """Stages of parallel branches at 1/4 to 1/32, each on or off, as in AutoPose. The cells of all modules
    have the same architecture, which is real numbers."""

    channels: Annotated[
        int,
        "channels of the finest branch in the search; each coarser branch has twice as many, and the network "
        "that is trained in the end twice as many again; the paper's is 16",
        Ge(1),
    ] = 4
    scales: Annotated[int, "branches of a stage, at 1/4, 1/8 and so on; the paper's is 4", Ge(1), Le(4)] = 3
    stages: Annotated[int, "stages, each with branches of its own choice; the paper's is 3", Ge(1), Le(8)] = 2
    modules: Annotated[int, "multi-scale modules in a stage; the paper's is 2", Ge(1), Le(8)] = 1
    branches: Annotated[
        Restriction, "searched: any may be on; one: at most one in a stage; all: all are on"
    ] = "searched"
    aggregation: Annotated[
        bool, "whether modules aggregate the scales; if false, only the output joins them"
    ] = True

    def dimensions(self) -> dict[str, Dimension]:
        return {**self._searched(), _WIDTH: Choice((_SEARCHED, _DERIVED))}

    def sample(self, rng: Random) -> Genotype:
        """Draw gates by fair coins, or a branch uniformly, and standard normal values; the width stays 1."""
        return self._genotype(sample_uniform(self._searched(), rng))

    def largest(self) -> Genotype:
        """Return all branches on, or the last one, and zeros: all operations weigh the same."""
        return self._genotype({name: _last(dimension) for name, dimension in self._searched().items()})

    def smallest(self) -> Genotype:
        """Return all branches off where they can be, and only `skip` on every edge."""
        return self._genotype({name: _first(dimension) for name, dimension in self._searched().items()})

    def holder(self) -> AutoPoseNetwork:
        """Return the network with all branches on and all operations, also where no genotype has all."""
        return self._build(self.largest(), self._gates().all_on())

    def ancestor(self) -> Genotype:
        return self.largest()

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return a copy in which another branch is on or off, or the values of one kind of cell moved."""
        return mutate(genotype, self._searched(), rng)

    def build(self, genotype: Genotype) -> AutoPoseNetwork:
        """Return the network without layers of branches that are off and of operations without a share."""
        check_genotype(genotype, self.dimensions())
        return self._build(genotype, self._gates().active(genotype))

    def relax(self, backbone: Any) -> dict[str, nn.Parameter]:
        """Make the alphas of a network that `build` made parameters, in place.

        Each is one parameter, which all cells of its kind share. Once made, they stay the same.
        """
        return {name: self._mixture(backbone, name).relax() for name in self._alphas()}

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        """Fill the alphas of a network that `build` made, relaxed or not, in place."""
        for name in self._alphas():
            self._mixture(backbone, name).set(genotype[name])

    def weigh(self, backbone: Any, weights: Mapping[str, Tensor]) -> None:
        """Put weights in the place of the softmax of the alphas, as `SinglePath` says."""
        numbers = numbers_of(weights)
        for name in self._alphas():
            mixture = self._mixture(backbone, name)
            if name in weights:
                mixture.give(weights[name], numbers[name])
            else:
                mixture.take_back()

    def discrete(self, genotype: Genotype) -> Genotype:
        """Return the genotype with the heaviest operation alone on each edge, the first of equals."""
        check_genotype(genotype, self.dimensions())
        return {**genotype, **{name: heaviest(genotype[name]) for name in self._alphas()}}

    def derived(self, genotype: Genotype) -> Genotype:
        """Return the discrete genotype of twice the width, as in section 4.2."""
        return {**self.discrete(genotype), _WIDTH: _DERIVED}

    def sections(self, results: Results) -> Sequence[Section]:
        """Return the pictures of the shown network for the report."""
        # loads matplotlib, which training does not need
        from nas_autopose.report.architecture import Architecture, architecture_sections

        if results.shown is None:
            return []
        genotype = results.shown.genotype
        learnt = results.courses[-1][-1] if results.courses else {}
        architecture = Architecture(
            active=self._gates().active(genotype),
            channels=self._channels(genotype),
            modules=self.modules,
            cells=self._by_kind(genotype),
            learnt=self._by_kind(learnt),
        )
        return architecture_sections(results.shown.id, architecture)

    def _by_kind(self, genotype: Genotype) -> dict[str, Any]:
        """Return the alphas of a genotype that has them by the kinds of cells."""
        return {_kind(name): genotype[name] for name in self._alphas() if name in genotype}

    def _searched(self) -> dict[str, Dimension]:
        """Return all dimensions but the width, which no search chooses."""
        return {**self._gates().dimensions(), **self._alphas()}

    def _alphas(self) -> dict[str, Real]:
        edges = {_INDIVIDUAL: len(edge_ends(1, INDIVIDUAL_NODES))}
        if self.aggregation:
            edges[_AGGREGATION] = len(edge_ends(self.scales, AGGREGATION_NODES))
        return {name: Real((number, len(OPERATIONS)), OPERATIONS) for name, number in edges.items()}

    def _gates(self) -> Gates:
        return Gates(self.branches, stages=self.stages, scales=self.scales)

    def _genotype(self, searched: Genotype) -> Genotype:
        return {**searched, _WIDTH: _SEARCHED}

    def _build(self, genotype: Genotype, active: tuple[tuple[int, ...], ...]) -> AutoPoseNetwork:
        cells = Cells(
            channels=self._channels(genotype),
            individual=present(genotype[_INDIVIDUAL]),
            aggregation=present(genotype[_AGGREGATION]) if self.aggregation else None,
        )
        network = AutoPoseNetwork(Plan(active, self.modules, cells, joined=_DERIVED * self.channels))
        self.set_values(network, genotype)
        return network

    def _channels(self, genotype: Genotype) -> tuple[int, ...]:
        """Return the channels of each scale, from fine to coarse."""
        return tuple(self.channels * genotype[_WIDTH] << scale for scale in range(self.scales))

    def _mixture(self, backbone: Any, name: str) -> Mixture:
        return cast(Mixture, backbone.get_submodule(_kind(name)))


def _kind(name: str) -> str:
    """Return the kind of the cells that a dimension is the alpha of."""
    return name.removesuffix(".alpha")


def _last(dimension: Dimension) -> Any:
    return dimension.values[-1] if isinstance(dimension, Choice) else dimension.fill(lambda: 0.0)


def _first(dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        return dimension.values[0]
    return [only("skip") for _ in range(dimension.shape[0])]
