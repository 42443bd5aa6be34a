"""Fresh weights for training from scratch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from posenas.networks.layers.attention import GlobalContext


def initialise(network: nn.Module, fill: Callable[[Tensor], Tensor]) -> None:
    """Fill every convolution's weight by `fill`, in place, and its bias with zeros.

    Global context starts as the identity. On the meta device nothing is filled.
    """
    if next(network.parameters()).is_meta:
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fill(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, GlobalContext):
            nn.init.kaiming_normal_(module.mask.weight)
            nn.init.zeros_(module.expand.weight)
