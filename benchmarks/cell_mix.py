"""A cell of hard choices against the same layers without a mixture around them.

    OMP_NUM_THREADS=1 python benchmarks/cell_mix.py [--json FILE] [--pairs N]

The cells are of a network that space `cnf` builds of a discrete genotype: one of four candidates on the edge
has a weight above 0, and one of the three sources. `edge` is that operation with its weight against the bare
operation; `cell` is the whole cell against its layers one after another: the way from the other scale, ReLU,
the operation, the last convolution. That both sides compute the same is checked first, with weights of 1.
`forward` is in evaluation mode; `both ways` is forward and backward as a fixed network is trained, where the
input has a gradient too. As in a run, maps are channels last and the process keeps freed memory. The null
ratio is the plain side against itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, cast

import figures
import torch
from nas_cnf.cell import Cell
from nas_cnf.layout import channels_of, last_layers, sources_of, stride_of
from nas_cnf.mixing import Mixture, Weight, is_nothing, weighted_sum
from nas_cnf.operations import WITHOUT_POOLING, Operation, make_operation
from nas_cnf.space import CnfSpace
from posenas.contract.genotype import Genotype
from posenas.networks.devices import keep_freed_memory
from ratios import alternate
from torch import Tensor, nn
from torch.nn.functional import relu

PEOPLE = 8
VIEW = (256, 192)
CHANNELS = 10
SCALES = 4
LAYERS = last_layers(4, SCALES)
CHOSEN: tuple[Operation, ...] = ("sep3", "dil3")
PASSES = 3  # of each side of a pair, or it would be too short to time
SPACE = CnfSpace(parts=1, layers=len(LAYERS), channels=CHANNELS, operations=WITHOUT_POOLING)


@dataclass(frozen=True)
class Place:
    """A cell, and the scale that it hears."""

    layer: int
    scale: int
    source: Literal["above", "below"]

    @property
    def heard(self) -> int:
        incoming = LAYERS[self.layer - 1] if self.layer else SCALES
        return cast(int, getattr(sources_of(self.scale, incoming), self.source))

    @property
    def row(self) -> int:
        """Of beta."""
        return sum(LAYERS[: self.layer]) + self.scale

    def __str__(self) -> str:
        height, width = (side // stride_of(self.scale) for side in VIEW)
        return f"{channels_of(self.scale, CHANNELS)}x{height}x{width}"


PLACES = (Place(layer=3, scale=0, source="below"), Place(layer=0, scale=3, source="above"))


def genotype(chosen: Operation) -> Genotype:
    """Cells hear the coarser scale, so that all places are needed; where there is none, the finer one."""
    above = {place.row for place in PLACES if place.source == "above"}
    return SPACE.discrete(
        {
            "part1.alpha": [[float(name == chosen) for name in SPACE.operations]],
            "part1.beta": [
                [0.0, 1.0, 0.0] if row in above else [0.0, 0.0, 1.0] for row in range(sum(LAYERS))
            ],
        }
    )


@dataclass(frozen=True)
class MixedCell:
    """A cell and the weights that its genotype gives it."""

    cell: Cell
    sources: Sequence[Weight]
    operations: Sequence[Weight]
    heard: int

    def __call__(self, features: Tensor) -> Tensor:
        previous = [features if scale == self.heard else None for scale in range(SCALES)]
        output: Tensor = self.cell(previous, self.sources, [self.operations])
        return output

    def edge(self, node: Tensor) -> Tensor:
        candidates = cast(nn.ModuleDict, self.cell.edges[0])
        total = weighted_sum(
            (candidates[name](node), weight)
            for name, weight in zip(SPACE.operations, self.operations, strict=True)
            if name in candidates and not is_nothing(weight)
        )
        assert total is not None
        return total

    def of_weight_one(self) -> MixedCell:
        sources, operations = (
            [float(weight > 0) for weight in row] for row in (self.sources, self.operations)
        )
        return replace(self, sources=sources, operations=operations)


class Plain(nn.Module):
    """The layers of such a cell, with its weights, one after another."""

    def __init__(self, place: Place, chosen: Operation, cell: Cell) -> None:
        super().__init__()
        operation = make_operation(chosen, channels_of(place.scale, CHANNELS))
        assert operation is not None
        operation.load_state_dict(cell.edges[0].get_submodule(chosen).state_dict())
        self.source = deepcopy(cell.sources[place.source])
        self.operation = operation
        self.output = deepcopy(cell.output)

    def forward(self, features: Tensor) -> Tensor:
        output: Tensor = self.output(self.operation(relu(self.source(features), inplace=True)))
        return output


def make_sides(place: Place, chosen: Operation) -> tuple[MixedCell, Plain]:
    torch.manual_seed(0)
    fabric = SPACE.build(genotype(chosen)).get_submodule("part1")
    cell = cast(Cell, fabric.get_submodule(f"layers.{place.layer}.{place.scale}"))
    mixture = Mixture.of_numbers(cast(Tensor, fabric.alpha), cast(Tensor, fabric.beta))
    mixed = MixedCell(cell, mixture.sources[place.row], mixture.operations[0], place.heard)
    return mixed, Plain(place, chosen, cell)


def make_maps(scale: int) -> Tensor:
    """Of a node at this scale, and channels last."""
    height, width = (side // stride_of(scale) for side in VIEW)
    maps = torch.randn(PEOPLE, channels_of(scale, CHANNELS), height, width)
    return maps.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def check(mixed: MixedCell, plain: Plain, heard: Tensor, node: Tensor) -> None:
    mixed.cell.eval(), plain.eval()
    one = mixed.of_weight_one()
    torch.testing.assert_close(one(heard), plain(heard))
    torch.testing.assert_close(one.edge(node), plain.operation(node))


@torch.no_grad()
def pass_forward(compute: Callable[[Tensor], Tensor], maps: Tensor) -> None:
    for _ in range(PASSES):
        compute(maps)


def pass_both_ways(compute: Callable[[Tensor], Tensor], maps: Tensor, gradient: Tensor) -> None:
    for _ in range(PASSES):
        compute(maps).backward(gradient)  # type: ignore[no-untyped-call]


def measure(found: figures.Figures, place: Place, chosen: Operation, *, pairs: int) -> None:
    mixed, plain = make_sides(place, chosen)
    heard, node = make_maps(place.heard), make_maps(place.scale)
    check(mixed, plain, heard, node)
    sides: tuple[tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Tensor], ...] = (
        ("edge", mixed.edge, plain.operation, node),
        ("cell", mixed, plain, heard),
    )
    for what, ours, bare, maps in sides:
        for training in (False, True):
            mixed.cell.train(training), plain.train(training)
            if training:
                inputs = maps.clone().requires_grad_()
                work = partial(pass_both_ways, maps=inputs, gradient=make_maps(place.scale))
            else:
                work = partial(pass_forward, maps=maps)
            name = f"{what} {chosen} {place} {'both ways' if training else 'forward'}"
            found.add(name, alternate(partial(work, ours), partial(work, bare), pairs=pairs))
            found.add(f"{name} null", alternate(partial(work, bare), partial(work, bare), pairs=pairs))


def main() -> None:
    options = figures.arguments("cell_mix", __doc__.splitlines()[0], pairs=15)
    keep_freed_memory()
    found = figures.Figures(
        "cell_mix",
        {
            "people and view": (PEOPLE, VIEW),
            "candidates": SPACE.operations,
            "precision": "float32",
            "passes": PASSES,
            "pairs": options.pairs,
        },
    )
    for place in PLACES:
        for chosen in CHOSEN:
            measure(found, place, chosen, pairs=options.pairs)
    found.write(options.json)


if __name__ == "__main__":
    main()
