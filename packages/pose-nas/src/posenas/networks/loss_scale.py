"""Loss scaling: gradients of half precision are multiplied, so that small ones do not become zero.

Half precision (fp16) has no numbers between 6e-8 and 0. Gradients are multiplied by the scale where they
enter a network from its outputs, and divided by it where they reach its parameters. Losses, steps and
optimisers see true gradients and need not know of it. Gradients of gradients are refused.

Source: Micikevicius et al., Mixed Precision Training, ICLR 2018, section 3.2; the scale moves by the rule of
torch's GradScaler.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from posenas.contract.errors import PosenasError

_FIRST = 2.0**16
_PATIENCE = 2000
"""The steps without an infinite gradient after which the scale is doubled."""


class LossScale:
    """The present scale. A training begins with a large one, halves it where gradients become infinite, and
    doubles it after 2000 steps in which none did."""

    def __init__(self) -> None:
        self.value = _FIRST
        self._steps = 0

    def admits(self, gradients: Iterable[Tensor]) -> bool:
        """Tell whether an optimiser may use gradients, which are all finite then, and move the scale."""
        largest = torch._foreach_norm(list(gradients), math.inf)
        if largest and not bool(torch.stack(largest).isfinite().all()):
            self.value, self._steps = self.value / 2, 0
            return False
        self._steps += 1
        if self._steps == _PATIENCE:
            self.value, self._steps = 2 * self.value, 0
        return True

    def call(self, module: nn.Module, *arguments: Any) -> Any:
        """Return what a module gives; gradients that reach its parameters are divided by the scale."""
        parameters = {name: _passing(each, 1.0 / self.value) for name, each in module.named_parameters()}
        return functional_call(module, parameters, arguments)

    def entering(self, outputs: Any) -> Any:
        """Return outputs of the same structure, whose gradients are multiplied by the scale.

        Outputs in half precision become float32, so that their gradients are multiplied while they are long.

        Raises:
            PosenasError: where a part of them may have a gradient and is unknown.
        """
        if isinstance(outputs, Tensor):
            return _passing(outputs.float() if outputs.dtype == torch.float16 else outputs, self.value)
        if isinstance(outputs, Mapping):
            return {name: self.entering(each) for name, each in outputs.items()}
        if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
            return type(outputs)(*map(self.entering, outputs))
        if isinstance(outputs, list | tuple):
            return type(outputs)(map(self.entering, outputs))
        if is_dataclass(outputs) and not isinstance(outputs, type):
            entering = {each.name: self.entering(getattr(outputs, each.name)) for each in fields(outputs)}
            return replace(outputs, **entering)
        if outputs is None or isinstance(outputs, bool | int | float | str):
            return outputs
        raise PosenasError(
            f"fp16: gradients of a head's outputs of type {type(outputs).__name__} cannot be scaled; begin a "
            "new run with precision=32"
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, for a checkpoint."""
        return {"scale": torch.tensor(self.value, dtype=torch.float64), "steps": torch.tensor(self._steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that `tensors` gave; without one, begin anew."""
        self.value = float(tensors["scale"]) if tensors else _FIRST
        self._steps = int(tensors["steps"]) if tensors else 0


def _passing(tensor: Tensor, factor: float) -> Tensor:
    """Return the tensor, such that gradients that pass to it are multiplied by the factor."""
    if not tensor.requires_grad:
        return tensor

    def multiplied(gradient: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # what enters in the middle of a network would be too small
            raise PosenasError(
                "fp16: this training differentiates a gradient again, which is exact in float32 alone; begin "
                "a new run with precision=32"
            )
        return gradient * factor

    passing = tensor.view_as(tensor)
    passing.register_hook(multiplied)  # type: ignore[no-untyped-call]
    return passing
