"""What a cost declares about its figures, and the networks that it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posenas.contract.genotype import Genotype


@dataclass(frozen=True)
class CostFigure:
    """A figure that limits and objectives can name.

    Attributes:
        name: such as `latency_ms`; no other installed cost has one of this name.
        unit: as a report's tables and axes print it, such as `milliseconds`.
        meaning: a few words for the report's table, which leaves out a figure without any.
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
