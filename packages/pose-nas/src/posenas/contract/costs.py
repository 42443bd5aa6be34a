"""What networks cost, as figures that limits and objectives can name. Anybody can write such a cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posenas.contract.genotype import Genotype


@dataclass(frozen=True)
class CostFigure:
    """A figure that limits and objectives can name.

    Attributes:
        name: such as `latency_ms`; no other installed cost has one of this name.
        unit: what the report calls the figure, in a table's row and on an axis: `milliseconds`, or, where
            that is not enough to tell it from others, `MB of all activations`.
        meaning: a few words beside it in the report's table. A figure without them has no row there.
        limited: the name of the measured figure that a limit is compared with; empty for this one.
        divisible: whether there are figures of a network's parts, such as `gmacs.head`; see `Divisible`.
    """

    name: str
    unit: str
    meaning: str = ""
    limited: str = ""
    divisible: bool = False


@dataclass(frozen=True)
class Networks:
    """The pose networks of one composition: how each is built, and what it runs on.

    Attributes:
        build: makes a genotype's network with fresh weights, on torch's default device. It runs in the
            composition's precision.
        outline: makes a genotype's network without values: on the meta device, where nothing is computed.
        input_size: (height, width) of the images in pixels.
        device: the device that the networks run on.
        autocast_dtype: the type that they compute in there; None for float32.
        description: space and head with all their options, and the number of keypoints, as plain data.
    """

    build: Callable[[Genotype], nn.Module]
    outline: Callable[[Genotype], nn.Module]
    input_size: tuple[int, int]
    device: torch.device
    autocast_dtype: torch.dtype | None
    description: Mapping[str, Any]


@runtime_checkable
class Cost(Protocol):
    """What networks cost, such as their latency: figures for limits, objectives and the report.

    Its options are those of the recipe's table `[cost.NAME]`, and each has a default: what a cost declares is
    read from one with the defaults, before anything is built.
    """

    @property
    def dear(self) -> bool:
        """Whether a figure takes long, or differs when it is taken again.

        A dear cost is asked for only where the other costs are within their limits, and its figures are kept
        in the run's journal. The figures of any other cost depend on the genotype and the recipe alone.
        """
        ...

    def figures(self) -> Sequence[CostFigure]:
        """Return the figures that can be named."""
        ...

    def bind(self, networks: Networks) -> Meter:
        """Return what measures these networks.

        Raises:
            PosenasError: where it cannot measure them.
        """
        ...


class Meter(Protocol):
    """A cost of one composition's networks."""

    def measure(self, genotype: Genotype) -> Mapping[str, float]:
        """Return every declared figure of the genotype's network by name, and others if it has more.

        All of them are in the costs of a trial; each is finite.
        """
        ...


@runtime_checkable
class Divisible(Meter, Protocol):
    """A meter that tells what the parts of a network cost."""

    def parts(self, genotype: Genotype) -> Mapping[str, float]:
        """Return figures by the figure's name and the part's path, such as `gmacs.head.face`.

        A part that a network lacks is left out, and costs 0.
        """
        ...


@runtime_checkable
class Conditioned(Meter, Protocol):
    """A meter whose figures depend on more than the recipe says, such as the kind of device."""

    def identity(self) -> Mapping[str, Any]:
        """Return all that the figures depend on beside the genotype and the recipe, as plain data.

        A figure that the journal has under another identity is measured again.
        """
        ...

    def files(self) -> Mapping[str, Path]:
        """Return the files that the figures are read from, by the names of the options that name them.

        A run goes on only where their content is what it was.
        """
        ...


@runtime_checkable
class Explained(Cost, Protocol):
    """A cost that tells the report where its figures are from."""

    def caveat(self) -> str:
        """Return a sentence on where the figures are from and when they would be others."""
        ...
