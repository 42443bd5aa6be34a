"""The report's section on a network: which branches are on, and what its cells compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeAlias

from posenas import Section
from posenas.charts import png, render

from nas_autopose.cell import AGGREGATION_NODES, INDIVIDUAL_NODES, edge_ends
from nas_autopose.mixture import heaviest, shares
from nas_autopose.network import FINEST
from nas_autopose.report.branches import branches_figure
from nas_autopose.report.cells import cell_figure, edge_label

Alphas: TypeAlias = Mapping[str, Sequence[Sequence[float]]]
"""The (edges, operations) values of each kind of cell, by the kind's name."""


@dataclass(frozen=True)
class Architecture:
    """A network as it is drawn.

    Attributes:
        active: the branches that are on in each stage, 0 is the finest.
        channels: those of each scale, from fine to coarse.
        modules: those of a stage.
        cells: the alpha of `individual` cells, and of `aggregation` cells where there are some.
        learnt: the alphas that a search learnt before it took the heaviest operations alone; empty where it
            learnt none.
    """

    active: Sequence[Sequence[int]]
    channels: Sequence[int]
    modules: int
    cells: Alphas
    learnt: Alphas

    @property
    def scales(self) -> Sequence[str]:
        """The names of the scales, from fine to coarse."""
        return [f"1/{FINEST << scale}" for scale in range(len(self.channels))]


@dataclass(frozen=True)
class _Cell:
    """A kind of cell as it is drawn; `weighed` says whose shares they are: `learnt`, `mixed` or `alone`."""

    inputs: Sequence[str]
    nodes: int
    shares: Sequence[Sequence[float]]
    weighed: str

    def edges(self) -> Iterator[str]:
        """Yield what each edge is, in words."""
        names = [*self.inputs, *(f"node {node}" for node in range(1, self.nodes + 1))]
        for (begin, end), row in zip(edge_ends(len(self.inputs), self.nodes), self.shares, strict=True):
            yield f"{names[begin]} to {names[end]} {edge_label(row)}"


def architecture_sections(genotype_id: str, architecture: Architecture) -> Sequence[Section]:
    """Return the one section, with a picture of the branches and one of each kind of cell that there is.

    Args:
        genotype_id: names the network.
        architecture: the network's.
    """
    some = any(architecture.active)
    cells = {name: _cell(architecture, name) for name in architecture.cells} if some else {}
    html = render(
        files("nas_autopose.report").joinpath("architecture.html.jinja").read_text(encoding="utf-8"),
        id=genotype_id,
        stages=[[architecture.scales[scale] for scale in on] for on in architecture.active],
        modules=architecture.modules,
        cells=cells,
    )
    figure = branches_figure(
        architecture.active,
        channels=architecture.channels,
        modules=architecture.modules,
        aggregation="aggregation" in architecture.cells,
    )
    pictures = {"branches.png": png(figure)} | {
        f"{name}-cell.png": png(cell_figure(cell.shares, inputs=cell.inputs, nodes=cell.nodes))
        for name, cell in cells.items()
    }
    return [Section("Architecture", html, pictures)]


def _cell(architecture: Architecture, name: str) -> _Cell:
    """Return a kind of cell with the shares at the end of the search, where the network follows from them."""
    alpha, learnt = architecture.cells[name], architecture.learnt.get(name)
    if learnt is not None and heaviest(learnt) == alpha:
        weighed, shown = "learnt", shares(learnt)
    else:
        shown = shares(alpha)
        weighed = "alone" if all(max(row) == 1 for row in shown) else "mixed"
    if name == "individual":
        return _Cell(["input"], INDIVIDUAL_NODES, shown, weighed)
    return _Cell(architecture.scales, AGGREGATION_NODES, shown, weighed)
