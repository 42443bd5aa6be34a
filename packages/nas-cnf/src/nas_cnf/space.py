"""The space `cnf`: a backbone and one neural fabric for each part of the body, of continuous architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal, cast

import torch
from annotated_types import Ge, Gt, Le, MinLen
from posenas import (
    Genotype,
    MadeFor,
    PosenasError,
    Real,
    Results,
    Section,
    check_genotype,
    middle,
    sample_uniform,
)
from torch import nn

from nas_cnf.backbones import (
    FABRICS,
    HAND_MADE,
    fabric_channels,
    find_pyramid,
    find_wrapped,
    make_fabric,
    make_pyramid,
)
from nas_cnf.discrete import heaviest_operations, heaviest_sources
from nas_cnf.fabric import Adapters, Fabric
from nas_cnf.layout import (
    FINEST,
    Sources,
    first_layers,
    last_layers,
    needed_cells,
    sources_of_cells,
)
from nas_cnf.mixing import shares_in_networks
from nas_cnf.network import FabricNetwork
from nas_cnf.operations import OPERATIONS, WITHOUT_POOLING, Operation
from nas_cnf.pruning import without_light

_NARROW = 0.5
_MPII_PEOPLE = 22_246


@dataclass(frozen=True)
class CnfSpace:
    """A backbone and one cell-based neural fabric for each part of the body. Its dimensions are real numbers:
    every fabric's alpha (operations on the edges of a cell) and beta (sources of each cell)."""

    backbone: Annotated[
        str,
        "fabric-1 to -3, mobilenetv2, resnet50, hrnet-w32 (up to its third stage), or another network: a zoo "
        "entry's name, a genotype's file or a run's folder",
    ] = "mobilenetv2"
    width: Annotated[
        float | None,
        "factor of the channels of a fabric or hand-made backbone; none: 0.5; other networks keep theirs",
        Gt(0),
        Le(8),
    ] = None
    parts: Annotated[int, "fabrics after the backbone, one for each part; 0: the backbone alone", Ge(0)] = 1
    tied: Annotated[
        bool, "all parts share one alpha and beta, those of part1; each part keeps its own weights"
    ] = False
    layers: Annotated[int, "layers of a part's fabric: the last ones of a whole fabric", Ge(2), Le(16)] = 3
    coarsest: Annotated[Literal[16, 32], "stride of the smallest scale of all fabrics"] = 32
    channels: Annotated[int, "C of a part's fabric: at 1/s of the image it has C x s channels", Ge(1)] = 4
    hidden: Annotated[int, "H: hidden nodes of each cell of a part's fabric", Ge(1), Le(8)] = 1
    operations: Annotated[tuple[Operation, ...], "candidates on each edge of a part's fabric", MinLen(1)] = (
        WITHOUT_POOLING
    )
    backbone_operations: Annotated[
        tuple[Operation, ...], "candidates on each edge of a fabric that is the backbone", MinLen(1)
    ] = OPERATIONS

    def __post_init__(self) -> None:
        for name in ("operations", "backbone_operations"):
            operations = getattr(self, name)
            if len(set(operations)) != len(operations):
                raise ValueError(f"{name} names an operation twice: {', '.join(operations)}")
            if set(operations) == {"zero"}:
                raise ValueError(f"{name} is zero alone, which lets nothing through: add another operation")
        if self.tied and self.parts < 2:
            raise ValueError(f"tied is for two parts or more, and parts is {self.parts}: leave it out")
        if self.parts and self.layers < self._scales - 1:
            raise ValueError(
                f"layers is {self.layers}: the first of so few layers does not hear 1/{self.coarsest}; "
                f"it takes {self._scales - 1}, or coarsest=16"
            )

    def dimensions(self) -> dict[str, Real]:
        if self.backbone in FABRICS:
            plan = FABRICS[self.backbone]
            layers = first_layers(plan.layers, self._scales)
            dimensions = _dimensions("backbone", plan.hidden, layers, self.backbone_operations)
        else:
            dimensions = {}
        layers = last_layers(self.layers, self._scales)
        for name in self._leaders:
            dimensions |= _dimensions(name, self.hidden, layers, self.operations)
        return dimensions

    def sample(self, rng: Random) -> Genotype:
        """Draw standard normal values, as in the paper's random architectures."""
        return sample_uniform(self.dimensions(), rng)

    def ancestor(self) -> Genotype:
        """Return zeros: every choice weighs the same."""
        return middle(self.dimensions())

    def made_for(self) -> MadeFor | None:
        """Return the settings of the paper's trainings on MPII, or the view of a network that is wrapped.

        Narrower backbones than the paper's are made for nothing.
        """
        if self.backbone in FABRICS or self.backbone in HAND_MADE:
            return _as_published(self.parts) if self.width == 1.0 else None
        size = find_wrapped(self.backbone).head.options.get("input_size")
        return MadeFor(head={"name": _head_of(self.parts), "input_size": size}) if size else None

    def build(self, genotype: Genotype) -> FabricNetwork:
        """Return the network without the layers of what weighs exactly nothing.

        The other layers are the same as with them.
        """
        check_genotype(genotype, self.dimensions())
        heard = self._heard(genotype)
        backbone, pyramid = self._backbone(heard)
        parts = {name: self._part(pyramid) for name in self._parts}
        network = FabricNetwork(backbone, pyramid, parts=parts, channels=self.channels, tied=self.tied)
        self._leave_out(network, genotype, heard)
        self.set_values(network, genotype)
        return network

    def relax(self, backbone: Any) -> dict[str, nn.Parameter]:
        """Make alpha and beta of a network that `build` made parameters, in place.

        Once made, they stay the same.

        Returns:
            The parameters by the dimensions' names, which are those in the network's state dict.
        """
        network = cast(FabricNetwork, backbone)
        return {name: _parameter(network, name) for name in self.dimensions()}

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        """Fill alpha and beta of a network that `build` made, relaxed or not, in place."""
        network = cast(FabricNetwork, backbone)
        with torch.no_grad():
            for name in self.dimensions():
                fabric, leaf = _place(network, name)
                getattr(fabric, leaf).copy_(torch.tensor(genotype[name]), non_blocking=True)

    def discrete(self, genotype: Genotype) -> Genotype:
        """Return the heaviest operation on each edge, never `zero`, and the heaviest source of each cell."""
        check_genotype(genotype, self.dimensions())
        chosen = {}
        for name, rows in genotype.items():
            if name.endswith("beta"):
                chosen[name] = heaviest_sources(rows, self._sources_of(name))
            else:
                chosen[name] = heaviest_operations(rows, self._operations_of(name))
        return chosen

    def prune(self, genotype: Genotype, threshold: float) -> Genotype:
        """Return the genotype without the operations and sources that weigh less than the threshold.

        What is compared is their share of their softmax; see `nas_cnf.pruning`.
        """
        check_genotype(genotype, self.dimensions())
        return {
            name: without_light(rows, threshold, alternatives=self._sources_of(name))
            if name.endswith("beta")
            else without_light(rows, threshold, rest=self._zero(name))
            for name, rows in genotype.items()
        }

    def sections(self, results: Results) -> Sequence[Section]:
        """Return the pictures of the shown network for the report."""
        from nas_cnf.report.architecture import architecture_sections

        if results.shown is None:
            return []
        return architecture_sections(results.shown.id, self.draw(results.shown.genotype))

    def draw(self, genotype: Genotype) -> dict[str, bytes]:
        """Return a PNG file of each fabric, by its name in the dimensions.

        These are the backbone, if it is one, and each part. Of other backbones a genotype says nothing.
        """
        from posenas.charts import png  # loads matplotlib, which training does not need

        from nas_cnf.drawing import fabric_figure

        check_genotype(genotype, self.dimensions())
        figures = {}
        if self.backbone in FABRICS:
            figures["backbone"] = fabric_figure(
                "backbone",
                genotype["backbone.alpha"],
                genotype["backbone.beta"],
                entrance="stem",
                incoming=1,
                layers=first_layers(FABRICS[self.backbone].layers, self._scales),
                operations=self.backbone_operations,
                heard=self._heard(genotype),
            )
        for name in self._leaders:
            figures[name] = fabric_figure(
                name,
                genotype[f"{name}.alpha"],
                genotype[f"{name}.beta"],
                entrance="pyramid",
                incoming=self._scales,
                layers=last_layers(self.layers, self._scales),
                operations=self.operations,
            )
        return {name: png(figure) for name, figure in figures.items()}

    def _zero(self, dimension: str) -> int | None:
        """Return the place of `zero` in the rows of an alpha, or None if there is none."""
        operations = self._operations_of(dimension)
        return operations.index("zero") if "zero" in operations else None

    def _operations_of(self, dimension: str) -> tuple[Operation, ...]:
        return self.backbone_operations if dimension.startswith("backbone") else self.operations

    def _sources_of(self, dimension: str) -> list[Sources]:
        """Return the sources of the cells that a beta's rows are of."""
        if dimension.startswith("backbone"):
            return sources_of_cells(first_layers(FABRICS[self.backbone].layers, self._scales), 1)
        return sources_of_cells(last_layers(self.layers, self._scales), self._scales)

    def _heard(self, genotype: Genotype) -> list[bool]:
        """Tell which of the backbone's maps a part depends on; without parts all are there for the head."""
        if not self.parts:
            return [True] * self._scales
        layers = last_layers(self.layers, self._scales)
        by_part = [
            needed_cells(layers, self._scales, shares_in_networks(genotype[f"{name}.beta"]))[0]
            for name in self._leaders
        ]
        return [any(needs) for needs in zip(*by_part, strict=True)]

    def _leave_out(self, network: nn.Module, genotype: Genotype, heard: Sequence[bool]) -> None:
        leaders = {name: self._leaders[0] if self.tied else name for name in self._parts}
        if self.backbone in FABRICS:
            leaders["backbone"] = "backbone"
        for name, leader in leaders.items():
            fabric = cast(Fabric, network.get_submodule(name))
            alpha, beta = (
                torch.tensor(genotype[f"{leader}.{each}"], device="cpu") for each in ("alpha", "beta")
            )
            fabric.leave_out(alpha, beta, heard if name == "backbone" else None)

    @property
    def _scales(self) -> int:
        return (self.coarsest // FINEST).bit_length()

    @property
    def _parts(self) -> list[str]:
        return [f"part{number}" for number in range(1, self.parts + 1)]

    @property
    def _leaders(self) -> list[str]:
        """The parts that have alpha and beta."""
        return self._parts[:1] if self.tied else self._parts

    def _backbone(self, heard: Sequence[bool]) -> tuple[nn.Module, list[int]]:
        """Return the backbone, and the channels of all maps of its pyramid, heard or not."""
        width = _NARROW if self.width is None else self.width
        if self.backbone in FABRICS:
            fabric = make_fabric(
                self.backbone, scales=self._scales, width=width, operations=self.backbone_operations
            )
            return fabric, fabric_channels(self.backbone, scales=self._scales, width=width)
        if self.backbone in HAND_MADE:
            return make_pyramid(self.backbone, heard=heard, width=width)
        found = find_pyramid(self.backbone, heard=heard)
        if self.width is not None:
            raise PosenasError(
                f"space cnf: option 'width' is of backbones {', '.join((*FABRICS, *HAND_MADE))}; "
                f"{self.backbone!r} keeps its own channels, so leave it out"
            )
        return found

    def _part(self, pyramid: list[int]) -> Fabric:
        return Fabric(
            Adapters(pyramid, self.channels),
            incoming=len(pyramid),
            layers=last_layers(self.layers, self._scales),
            channels=self.channels,
            hidden=self.hidden,
            operations=self.operations,
        )


def _dimensions(
    fabric: str, hidden: int, layers: tuple[int, ...], operations: tuple[Operation, ...]
) -> dict[str, Real]:
    edges = hidden * (hidden + 1) // 2
    return {f"{fabric}.alpha": Real((edges, len(operations))), f"{fabric}.beta": Real((sum(layers), 3))}


def _place(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return a dimension's fabric, and the dimension's name in it."""
    path, _, leaf = name.rpartition(".")
    return network.get_submodule(path), leaf


def _parameter(network: nn.Module, name: str) -> nn.Parameter:
    fabric, leaf = _place(network, name)
    value = getattr(fabric, leaf)
    if not isinstance(value, nn.Parameter):
        delattr(fabric, leaf)
        value = nn.Parameter(value.detach().clone())
        fabric.register_parameter(leaf, value)
    return value


def _head_of(parts: int) -> str:
    """Return the head that the paper puts on so many parts."""
    return "vector" if parts else "heatmap"


def _as_published(parts: int) -> MadeFor:
    loss = {} if parts else {"loss": "mse"}
    return MadeFor(
        head={
            "name": _head_of(parts),
            "input_size": (256, 256),
            "encoding": "gaussian",
            "sigma": 2.0,
            **loss,
        },
        training={"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0, "schedule": "step"},
        views=200 * _MPII_PEOPLE,
        recipe="recipes/posenfs.toml",
    )
