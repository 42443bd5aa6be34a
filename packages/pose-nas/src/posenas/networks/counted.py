"""Counted costs: the parameters and multiply-adds of every network, and of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posenas.contract.costs import CostFigure, Networks
from posenas.contract.genotype import Genotype
from posenas.networks.counting import measure, measure_parts
from posenas.networks.multiplications import KnownCalls

_FIGURES = (
    ("gmacs", "GMACs", "10⁹ multiply-accumulates"),
    ("parameters", "parameters", "without batch norm's statistics"),
    ("parameters_with_statistics", "parameters with statistics", "with them"),
    ("paper_gflops", "papers' GFLOPs", "as most papers count them"),
    ("thesis_gflops", "thesis's GFLOPs", "as EvoPose2D counts them"),
    ("macs", "multiply-accumulates", ""),
)


@dataclass(frozen=True)
class Counted:
    """Parameters and multiply-adds, counted without computing anything."""

    @property
    def dear(self) -> bool:
        """Cheap: counting takes a fraction of a second."""
        return False

    def figures(self) -> Sequence[CostFigure]:
        """Return the counted figures, the most telling first."""
        return tuple(CostFigure(*figure, divisible=True) for figure in _FIGURES)

    def bind(self, networks: Networks) -> CountedMeter:
        """Return what counts these networks."""
        return CountedMeter(networks)


@dataclass(frozen=True)
class CountedMeter:
    """The counted costs of one composition's networks.

    Attributes:
        known: layers that were counted before, and will be for the next genotypes.
    """

    networks: Networks
    known: KnownCalls = field(default_factory=dict, compare=False, repr=False)

    def measure(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the figures by name."""
        network = self.networks.outline(genotype)
        return measure(network, self.networks.input_size, known=self.known).as_dict()

    def parts(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the figures of backbone and head, and of the modules of each, such as `gmacs.head.face`."""
        network = self.networks.outline(genotype)
        parts = measure_parts(network, self.networks.input_size, known=self.known)
        return {
            f"{name}.{part}": figure
            for part, costs in parts.items()
            for name, figure in costs.as_dict().items()
        }
