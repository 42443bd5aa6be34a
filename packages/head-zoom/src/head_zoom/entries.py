"""The way into a region's network: one 1x1 convolution for each level that its features may come from."""

from __future__ import annotations

from collections.abc import Mapping

from posenas.layers import convolution
from torch import Tensor, nn


def entries(levels: Mapping[str, int], width: int) -> nn.ModuleDict:
    """Return 1x1 convolutions with batch norm and ReLU from each level's channels to `width`.

    Each is named by its level; a dot in a level's name becomes an underscore, as a module's name has none.

    Args:
        levels: channels by the level's name.
        width: the channels that every one of them puts out.
    """
    return nn.ModuleDict(
        {
            name.replace(".", "_"): convolution(channels, width, kernel=1, stride=1)
            for name, channels in levels.items()
        }
    )


def entered(entry: nn.ModuleDict, features: Tensor) -> Tensor:
    """Return what the only entry makes of the features: (M, C, S, S) to (M, width, S, S).

    Raises:
        ValueError: if there are several, as in a network that only holds weights.
    """
    if len(entry) != 1:
        raise ValueError(f"the entries {', '.join(entry)} only hold weights; build a network of one level")
    (only,) = entry.values()
    entered: Tensor = only(features)
    return entered
