"""How a picture's pixels become the numbers that a network is fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from annotated_types import Gt

Positive: TypeAlias = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Normalisation:
    """A rule that makes a network's input of bytes: (byte / scale - mean) / deviation in each channel.

    The defaults are those of ImageNet's classifiers, and of most networks that begin with one.
    """

    order: Annotated[Literal["rgb", "bgr"], "order of the colours in the input"] = "rgb"
    scale: Annotated[Positive, "what bytes are divided by: 255 for 0 to 1, 1 for 0 to 255"] = 255.0
    mean: Annotated[tuple[float, float, float], "subtracted from the channels, in the input's order"] = (
        0.485,
        0.456,
        0.406,
    )
    deviation: Annotated[
        tuple[Positive, Positive, Positive], "what the channels are divided by then, in the input's order"
    ] = (0.229, 0.224, 0.225)

    def __str__(self) -> str:
        """Return the rule as one would say it."""
        unit = "0 to 1" if self.scale == 255 else f"bytes / {self.scale:g}"
        return f"{self.order.upper()}, {unit}, less {_text(self.mean)}, over {_text(self.deviation)}"


IMAGENET = Normalisation()
UNIT = Normalisation(mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0))
"""RGB from 0 to 1, as YOLO's detectors are fed."""
USUAL: Mapping[str, Normalisation] = MappingProxyType({"person": IMAGENET, "image": UNIT})
"""The normalisation of networks that nothing else is known of, by the kind of their view."""


def _text(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"
