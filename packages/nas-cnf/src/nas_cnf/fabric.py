"""Cell-based neural fabrics: layers of cells with one alpha for all of them and a beta for each.

Source: PoseNFS (Yang et al., 2019), sections III-B and III-C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from posenas.layers import initialise
from torch import Tensor, nn

from nas_cnf.cell import Cell
from nas_cnf.layout import channels_of, needed_cells
from nas_cnf.mixing import Mixture, Weight
from nas_cnf.operations import Operation


class Fabric(nn.Module):
    """A fabric, from its entrance's input to the maps of its last layer, fine to coarse.

    Cells have their layer and scale as names, such as `layers.0.2`; one that is left out is not heard.
    `alpha` (edges of a cell, operations) and `beta` (cells, 3) are buffers: the architecture is given. Once
    made parameters, they are learnt. The order of a beta is parallel, finer, coarser.

    Args:
        entrance: makes the maps that the first layer hears.
        incoming: how many maps the entrance makes.
        layers: how many cells each layer has.
        channels: the factor C; cells at 1/s have C x s channels.
        hidden: the hidden nodes of each cell.
        operations: the candidates on each edge.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(
        self,
        entrance: nn.Module,
        *,
        incoming: int,
        layers: Sequence[int],
        channels: int,
        hidden: int,
        operations: Sequence[Operation],
    ) -> None:
        super().__init__()
        self._incoming, self._layers = incoming, tuple(layers)
        self.entrance = entrance
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    str(scale): Cell(scale, before, channels=channels, hidden=hidden, operations=operations)
                    for scale in range(cells)
                }
            )
            for before, cells in zip([incoming, *layers], layers, strict=False)
        )
        self.register_buffer("alpha", torch.zeros(hidden * (hidden + 1) // 2, len(operations)))
        self.register_buffer("beta", torch.zeros(sum(layers), 3))
        self._known: tuple[tuple[Tensor, int], tuple[Tensor, int], Mixture] | None = None
        _initialise(self)

    def forward(
        self, inputs: Tensor | Sequence[Tensor | None], leader: Fabric | None = None
    ) -> list[Tensor | None]:
        """Return the last layer's maps, None for each cell that is left out.

        Args:
            inputs: what the entrance takes.
            leader: a fabric of the same layout whose alpha and beta count; None for this one's own.
        """
        leader = leader or self
        mixture = leader._mixture()
        needed = self._needed(mixture, given=not (leader.is_relaxed or leader.beta.is_meta))
        features: list[Tensor | None] = self.entrance(inputs)
        weights = iter(mixture.sources)
        for layer, needs in zip(self._cells(), needed, strict=True):
            rows = [next(weights) for _ in needs]
            features = [
                layer[str(scale)](features, row, mixture.operations) if need else None
                for scale, (row, need) in enumerate(zip(rows, needs, strict=True))
            ]
        return features

    def leave_out(self, alpha: Tensor, beta: Tensor, heard: Sequence[bool] | None = None) -> None:
        """Delete the layers whose weight is exactly 0 at these values, and all that nothing depends on then.

        The fabric computes the same without them.

        Args:
            alpha: (edges of a cell, operations).
            beta: (cells, 3).
            heard: whether anything depends on each map of the last layer; None if all are heard.

        Source: PoseNFS, section IV-C, which makes such cells return zeros.
        """
        mixture = Mixture.of_numbers(alpha, beta)
        needed = needed_cells(self._layers, self._incoming, _numbers(mixture.sources), heard=heard)
        weights, operations = iter(_numbers(mixture.sources)), _numbers(mixture.operations)
        for layer, needs in zip(self._cells(), needed[1:], strict=True):
            for scale, need in enumerate(needs):
                row = next(weights)
                if need:
                    cast(Cell, layer[str(scale)]).leave_out(row, operations)
                else:
                    del layer[str(scale)]
        if isinstance(self.entrance, Adapters):
            self.entrance.leave_out(needed[0])

    def give_up_architecture(self) -> None:
        """Delete alpha and beta: this fabric has those of a leader from now on."""
        del self.alpha, self.beta

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what is known of the values: those of a copy count their versions anew."""
        return self.__dict__ | {"_known": None}

    @property
    def is_relaxed(self) -> bool:
        """Whether the architecture is learnt."""
        return "alpha" in self._parameters

    def _needed(self, mixture: Mixture, *, given: bool) -> list[list[bool]]:
        present = [
            [str(scale) in layer for scale in range(cells)]
            for layer, cells in zip(self._cells(), self._layers, strict=True)
        ]
        if not given:
            return present
        needed = needed_cells(self._layers, self._incoming, _numbers(mixture.sources))[1:]
        return [
            [need and there for need, there in zip(*rows, strict=True)]
            for rows in zip(needed, present, strict=True)
        ]

    def _cells(self) -> list[nn.ModuleDict]:
        """Return the layers' cells, in each layer by their scales."""
        return [cast(nn.ModuleDict, layer) for layer in self.layers]

    def _mixture(self) -> Mixture:
        """Return the weights that alpha and beta stand for.

        Numbers are read from the device once. Every pass would have to wait for the device otherwise. Where
        the fabric is exported they are those of the pass before: a trace has no numbers.
        """
        if self.is_relaxed or self.alpha.is_meta:
            return Mixture.of_tensors(self.alpha, self.beta)
        if torch.compiler.is_compiling() and not self.training and self._known is not None:
            return self._known[2]
        if self.alpha.is_inference() or self.beta.is_inference():  # these do not tell whether they changed
            return Mixture.of_numbers(self.alpha, self.beta)
        if self._known is None or not all(
            known is value and version == value._version
            for (known, version), value in zip(self._known[:2], (self.alpha, self.beta), strict=True)
        ):
            versions = (self.alpha, self.alpha._version), (self.beta, self.beta._version)
            self._known = (*versions, Mixture.of_numbers(self.alpha, self.beta))
        return self._known[2]


def _numbers(weights: Sequence[Sequence[Weight]]) -> list[list[float]]:
    return [[float(weight) for weight in row] for row in weights]


def _initialise(fabric: Fabric) -> None:
    """Initialise by He's rule, but a cell's last convolution by torch's own, with a sixth of the variance.

    A cell adds up three maps, and two of them may be one and the same. By He's rule alone they would grow in
    every layer.
    """
    initialise(fabric, nn.init.kaiming_normal_)
    for module in fabric.modules():
        if isinstance(module, Cell) and not module.output.weight.is_meta:
            nn.init.kaiming_normal_(module.output.weight, a=math.sqrt(5))


class Stem(nn.Module):
    """The entrance of a fabric that begins with images: one map at 1/4, in a list.

    It is two 3x3 convolutions of stride 2 and a 1x1 convolution. As in the authors' code there is no ReLU
    after the first one.
    """

    def __init__(self, width: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, out_channels, 1, bias=False),
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.layers(images)]


class Adapters(nn.Module):
    """The entrance of a part's fabric: it gives a backbone's pyramid the fabric's channels.

    There is a 1x1 convolution at each scale where they differ.

    Args:
        pyramid: the channels at each scale.
        channels: the fabric's channel factor C.
    """

    def __init__(self, pyramid: Sequence[int], channels: int) -> None:
        super().__init__()
        wanted = [channels_of(scale, channels) for scale in range(len(pyramid))]
        self.convolutions = nn.ModuleDict(
            {
                str(scale): nn.Identity() if given == width else nn.Conv2d(given, width, 1)
                for scale, (given, width) in enumerate(zip(pyramid, wanted, strict=True))
            }
        )

    def forward(self, pyramid: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the maps, None at each scale that is left out."""
        modules = self.convolutions
        return [
            modules[str(scale)](features) if str(scale) in modules else None
            for scale, features in enumerate(pyramid)
        ]

    def leave_out(self, needed: Sequence[bool]) -> None:
        """Delete the convolutions of the scales that are not needed."""
        for scale, need in enumerate(needed):
            if not need:
                del self.convolutions[str(scale)]
