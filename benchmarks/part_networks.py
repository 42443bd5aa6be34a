"""Part networks one after another, as space `cnf` has them, against the same ones as batched work.

    OMP_NUM_THREADS=1 python benchmarks/part_networks.py [--json FILE] [--pairs N]

P fabrics of one layout (3 layers, 4 scales, H = 1) read one pyramid. `grouped` has the channels of all parts
side by side: convolutions in P groups, depthwise ones and batch norm over P times the channels, the parts'
weights as a vector over channels; the adapters, which all read the same maps, are one dense convolution.
`vmap` is torch.func.vmap over the stacked parameters and buffers. That both give what the sequential ones do
is checked first, in training and then in evaluation mode, to 1e-5 of the largest value.

Figures are the time of each over that of the sequential ones: `forward` in evaluation mode, `both ways`
forward and backward in training mode, with gradients of weights and pyramid. The architecture is drawn; it
is `given`, or `learnt` with gradients of its own. vmap has the latter alone: of a given one the numbers are
read, which vmap does not allow. On the CPU time is the process's, on CUDA, where there is one, the clock's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any, TypeAlias, cast

import figures
import torch
from nas_cnf.cell import Cell
from nas_cnf.fabric import Adapters, Fabric
from nas_cnf.layout import Sources, channels_of, last_layers, sources_of
from nas_cnf.mixing import scaled_softmax
from nas_cnf.space import CnfSpace
from posenas.networks.devices import keep_freed_memory
from ratios import alternate
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import relu

Pyramid: TypeAlias = Sequence[Tensor]

PARTS = (3, 5, 8)
WORK: tuple[tuple[Mapping[str, Any], int, tuple[int, int]], ...] = (
    ({"channels": 4}, 16, (128, 96)),  # the defaults
    ({"channels": 10, "width": 1.0}, 8, (256, 192)),  # the paper's
)
SCALES = 4
LAYERS = last_layers(3, SCALES)


def side_by_side(modules: Sequence[Any]) -> nn.Module:
    """Modules of one layout, each on its own block of channels, as one module with their weights."""
    first: nn.Module = modules[0]
    parts = len(modules)
    match first:
        case nn.Sequential():
            return nn.Sequential(*(side_by_side(alike) for alike in zip(*modules, strict=True)))
        case nn.BatchNorm2d():
            normalisation = nn.BatchNorm2d(parts * first.num_features, affine=first.affine)
            return _with_weights(normalisation, modules)
        case nn.Conv2d():
            grouped = _convolution(first, parts * first.in_channels, parts, groups=parts * first.groups)
            return _with_weights(grouped, modules)
        case _:
            return deepcopy(first)  # it has no channels of its own


def read_together(modules: Sequence[Any]) -> nn.Module:
    """The same of modules that all read the same maps."""
    if isinstance(modules[0], nn.Identity):
        return Repeat(len(modules))
    dense = _convolution(modules[0], modules[0].in_channels, len(modules), groups=1)
    return _with_weights(dense, modules)


def _convolution(like: nn.Conv2d, in_channels: int, parts: int, *, groups: int) -> nn.Conv2d:
    options: dict[str, Any] = {name: getattr(like, name) for name in ("stride", "padding", "dilation")}
    return nn.Conv2d(
        in_channels,
        parts * like.out_channels,
        like.kernel_size,  # type: ignore[arg-type]
        groups=groups,
        bias=like.bias is not None,
        **options,
    )


def _with_weights(made: nn.Module, modules: Sequence[nn.Module]) -> nn.Module:
    states = [module.state_dict() for module in modules]
    made.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.ndim else value
            for name, value in states[0].items()
        }
    )
    return made


class Repeat(nn.Module):
    """A map once for each part."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, maps: Tensor) -> Tensor:
        return maps.repeat(1, self.parts, 1, 1)


class GroupedCell(nn.Module):
    """Cells of one place in their fabrics, with their weights; each has one hidden node."""

    def __init__(self, cells: Sequence[Cell], heard: Sources) -> None:
        super().__init__()
        first = cells[0]
        self.heard = heard._asdict()
        self.sources = nn.ModuleDict(
            {name: side_by_side([cell.sources[name] for cell in cells]) for name in first.sources}
        )
        edge = cast(nn.ModuleDict, first.edges[0])
        self.operations = nn.ModuleDict(
            {name: side_by_side([cell.edges[0].get_submodule(name) for cell in cells]) for name in edge}
        )
        self.output = side_by_side([cell.output for cell in cells])

    def forward(
        self, previous: Sequence[Tensor], sources: Mapping[str, Tensor], operations: Mapping[str, Tensor]
    ) -> Tensor:
        """The weights are vectors over channels."""
        weights: dict[str, Tensor] = {}
        for name, weight in sources.items():  # a map that is taken twice as it is counts once
            key = "parallel" if isinstance(self.sources[name], nn.Identity) else name
            weights[key] = weights[key] + weight if key in weights else weight
        total = _weighted_sum(
            {name: self.sources[name](previous[self.heard[name]]) for name in weights}, weights
        )
        node = relu(total, inplace=True)
        mixed = _weighted_sum({name: made(node) for name, made in self.operations.items()}, operations)
        output: Tensor = self.output(mixed)
        return output


def _weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    total = None
    for name, term in terms.items():
        weighed = term * weights[name] if total is None else torch.addcmul(total, term, weights[name])
        total = weighed
    assert total is not None
    return total


class GroupedFabrics(nn.Module):
    """Fabrics of one layout, with their weights, to one map of all parts' channels.

    Args:
        learnt: whether the architecture has gradients; else its vectors are made once.
    """

    def __init__(self, fabrics: Sequence[Fabric], space: CnfSpace, *, learnt: bool) -> None:
        super().__init__()
        self._space, self._learnt = space, learnt
        entrances = [cast(Adapters, fabric.entrance).convolutions.children() for fabric in fabrics]
        self.adapters = nn.ModuleList(read_together(alike) for alike in zip(*entrances, strict=True))
        self.cells = nn.ModuleDict(
            {
                f"{layer} {scale}": GroupedCell(
                    [cast(Cell, fabric.get_submodule(f"layers.{layer}.{scale}")) for fabric in fabrics],
                    sources_of(scale, LAYERS[layer - 1] if layer else SCALES),
                )
                for layer, cells in enumerate(LAYERS)
                for scale in range(cells)
            }
        )
        self.alpha = nn.Parameter(torch.stack([fabric.alpha.detach()[0] for fabric in fabrics]))
        self.beta = nn.Parameter(torch.stack([fabric.beta.detach() for fabric in fabrics], dim=1))
        with torch.no_grad():
            self._given = self._vectors()

    def forward(self, pyramid: Pyramid) -> list[Tensor]:
        vectors = self._vectors() if self._learnt else self._given
        features = [adapter(maps) for adapter, maps in zip(self.adapters, pyramid, strict=True)]
        for layer, cells in enumerate(LAYERS):
            features = [
                self.cells[f"{layer} {scale}"](features, *vectors[f"{layer} {scale}"])
                for scale in range(cells)
            ]
        return features

    def _vectors(self) -> dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Of each cell's sources and operations, by their names."""
        found = {}
        for name, row in zip(self.cells, self.beta, strict=True):
            channels = channels_of(int(name.split()[1]), self._space.channels)
            operations = _over_channels(self.alpha, channels, self._space.operations)
            found[name] = _over_channels(row, channels, Sources._fields), operations
        return found


def _over_channels(values: Tensor, channels: int, names: Sequence[str]) -> dict[str, Tensor]:
    """(P, n) values to the n names' weights, each (1, P x channels, 1, 1)."""
    weights = scaled_softmax(values).repeat_interleave(channels, dim=0)
    return {name: weight.view(1, -1, 1, 1) for name, weight in zip(names, weights.unbind(1), strict=True)}


class Sequential(nn.Module):
    """As space `cnf` has them: (N, C, H, W) of each part."""

    def __init__(self, fabrics: Sequence[Fabric]) -> None:
        super().__init__()
        self.fabrics = nn.ModuleList(fabrics)

    def forward(self, pyramid: Pyramid) -> list[Tensor]:
        return [fabric(pyramid)[0] for fabric in self.fabrics]


class Vectorised(nn.Module):
    """Fabrics whose architecture is learnt, to one (P, N, C, H, W)."""

    def __init__(self, fabrics: Sequence[Fabric]) -> None:
        super().__init__()
        self.one = deepcopy(fabrics[0])  # its values are replaced by those of all
        self._state = stack_module_state(list(fabrics))

    def forward(self, pyramid: Pyramid) -> list[Tensor]:
        def one(parameters: Any, buffers: Any, pyramid: Pyramid) -> Tensor:
            output: Tensor = functional_call(self.one, (parameters, buffers), (pyramid,))[0]
            return output

        return [vmap(one, in_dims=(0, 0, None))(*self._state, pyramid)]


def make_sides(space: CnfSpace, *, learnt: bool, device: str) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    with torch.device(device):
        network = space.build(space.sample(Random(0)))
        if learnt:
            space.relax(network)
        fabrics = [cast(Fabric, network.get_submodule(f"part{part}")) for part in range(1, space.parts + 1)]
        sides: dict[str, nn.Module] = {
            "sequential": Sequential(fabrics),
            "grouped": GroupedFabrics(fabrics, space, learnt=learnt),
        }
        if learnt:
            sides["vmap"] = Vectorised(fabrics)
    return sides


def make_pyramid(space: CnfSpace, people: int, view: tuple[int, int], device: str) -> list[Tensor]:
    torch.manual_seed(1)
    levels = space.build(space.ancestor()).levels[:SCALES]
    shapes = [(people, level.channels, *(side // level.stride for side in view)) for level in levels]
    pyramid = [torch.randn(shape).contiguous(memory_format=torch.channels_last) for shape in shapes]
    return [maps.to(device).requires_grad_() for maps in pyramid]


@torch.no_grad()
def check(space: CnfSpace, view: tuple[int, int], *, learnt: bool) -> None:
    """AssertionError where outputs differ; in evaluation mode they show batch norm's statistics too."""
    sides, pyramid = make_sides(space, learnt=learnt, device="cpu"), make_pyramid(space, 2, view, "cpu")
    for training in (True, False):
        outputs = {
            name: torch.cat([part for maps in side.train(training)(pyramid) for part in _parts(maps)], dim=1)
            for name, side in sides.items()
        }
        wanted = outputs.pop("sequential")
        for name, output in outputs.items():
            error = float((output - wanted).abs().max() / wanted.abs().max())
            assert error <= 1e-5, f"{name} differs by {error:.1e} of the largest value"


def _parts(maps: Tensor) -> list[Tensor]:
    return list(maps) if maps.ndim == 5 else [maps]


def pass_forward(side: nn.Module, pyramid: Pyramid) -> None:
    with torch.no_grad():
        side(pyramid)
    _wait(pyramid)


def pass_both_ways(side: nn.Module, pyramid: Pyramid) -> None:
    outputs = side(pyramid)
    torch.autograd.backward(outputs, [output.detach() for output in outputs])
    _wait(pyramid)


def _wait(pyramid: Pyramid) -> None:
    if pyramid[0].is_cuda:
        torch.cuda.synchronize()


def measure(
    found: figures.Figures, space: CnfSpace, people: int, view: tuple[int, int], *, device: str
) -> None:
    clock = time.perf_counter if device == "cuda" else time.process_time
    pyramid = make_pyramid(space, people, view, device)
    for learnt in (False, True):
        check(space, view, learnt=learnt)
        sides = make_sides(space, learnt=learnt, device=device)
        sequential = sides["sequential"]
        for training, work in ((False, pass_forward), (True, pass_both_ways)):
            where = f"{device} P={space.parts} C={space.channels} {people}x{view[0]}x{view[1]}"
            what = f"{where} {'learnt' if learnt else 'given'} {'both ways' if training else 'forward'}"
            base = partial(work, sequential.train(training), pyramid)
            for name, side in sides.items():
                ratio = alternate(
                    partial(work, side.train(training), pyramid),
                    base,
                    pairs=found.settings["pairs"],
                    clock=clock,
                )
                found.add(f"{what} {'null' if name == 'sequential' else name}", ratio)


def main() -> None:
    options = figures.arguments("part_networks", __doc__.splitlines()[0], pairs=7)
    keep_freed_memory()
    found = figures.Figures(
        "part_networks",
        {
            "space, people and view": WORK,
            "parts": PARTS,
            "layers": LAYERS,
            "precision": "float32",
            "pairs": options.pairs,
        },
    )
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for space, people, view in WORK:
            for parts in PARTS:
                measure(found, CnfSpace(parts=parts, **space), people, view, device=device)
    found.write(options.json)


if __name__ == "__main__":
    main()
