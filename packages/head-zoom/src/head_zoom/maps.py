"""Maps in boxes: heat maps of any size, each of a rectangle of the view.

Shape legend, beside the project's: R regions that one network looks at, such as the two hands. The body's
maps are those of one region, which is about the whole view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from posenas.heatmaps import Encoding
from posenas.training import constant
from torch import Tensor


class MapsInBoxes(NamedTuple):
    """Heat maps, logits or values, and the rectangles of the view that their pixels cover.

    Attributes:
        maps: (N, R, K, H, W).
        boxes: (N, R, 4) left, top, right and bottom in pixels of the view. The pixels of a map divide its box
            into equal rectangles and lie in their middles.
    """

    maps: Tensor
    boxes: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return self.maps.shape[3], self.maps.shape[4]


ZoomOutputs: TypeAlias = Mapping[str, MapsInBoxes]
"""The outputs of the head: the maps of `body`, `face` and `hand`."""


def to_map(points: Tensor, boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return (N, R, K, 2) pixels of the view as pixels of the maps.

    Args:
        points: (N, R, K, 2) pixels of the view.
        boxes: (N, R, 4) that the maps cover.
        size: height and width of the maps.
    """
    return (points - boxes[..., None, :2]) / _steps(boxes, size) - 0.5


def to_view(positions: Tensor, boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return (N, R, K, 2) pixels of the maps as pixels of the view.

    Args:
        positions: (N, R, K, 2) pixels of the maps.
        boxes: (N, R, 4) that the maps cover.
        size: height and width of the maps.
    """
    return boxes[..., None, :2] + (positions + 0.5) * _steps(boxes, size)


def _steps(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return the view's pixels for one of the maps, over x and y: (N, R, 1, 2)."""
    height, width = size
    sides = boxes[..., None, 2:] - boxes[..., None, :2]
    return sides / constant([width, height], sides)


def whole_view(
    view: Sequence[int], size: Sequence[int], *, stride: int, encoding: Encoding
) -> tuple[float, float, float, float]:
    """Return the box of a level's maps in pixels of the view.

    For `udp` the centres of the maps' corner pixels are those of the view's. For the other encodings the
    first pixel of a map at full size is about the first one of the view, as convolutions have it. A smaller
    map is that of a smaller copy of the view, whose borders are the view's.

    Args:
        view: height and width of the view, pixels.
        size: height and width of the maps.
        stride: the level's, by which a map at full size is smaller than the view.
        encoding: how heat maps and coordinates belong together.
    """
    (top, bottom), (left, right) = (
        _extent(side, cells, stride=stride, encoding=encoding) for side, cells in zip(view, size, strict=True)
    )
    return left, top, right, bottom


def _extent(side: int, cells: int, *, stride: int, encoding: Encoding) -> tuple[float, float]:
    """Return where the maps begin and end along one axis of the view."""
    if encoding == "udp":
        step = (side - 1) / max(cells - 1, 1)
        first = 0.0
    else:
        step = side / cells
        first = (step / stride - 1) / 2
    return first - step / 2, first - step / 2 + cells * step
