"""Training pictures of whole images: several put together, then moved, scaled, mirrored and recoloured.

Source: mosaics are those of Bochkovskiy et al., YOLOv4 (2020), section 3.3. KAPAO (McNally, thesis, 2022,
section 4.3.1) names the changes and prints no figures. The defaults are its public code's, except the scale,
which is 0.9 there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from annotated_types import Ge, Le, Lt

from posenas.data.letterbox import GREY, fitted_size, resized, scaling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.batches import View

TILES = 4


@dataclass(frozen=True)
class ImageAugmentation:
    """Which random changes a training picture of whole images goes through: the table `[augmentation]` with a
    head that looks at whole images."""

    mosaic: Annotated[float, "probability of four images in one picture", Ge(0), Le(1)] = 1.0
    flip: Annotated[float, "probability of mirroring", Ge(0), Le(1)] = 0.5
    scale: Annotated[float, "size factor drawn from 1 - scale to 1 + scale", Ge(0), Lt(1)] = 0.5
    translate: Annotated[float, "largest shift either way, as a share of the picture", Ge(0), Le(0.5)] = 0.1
    hue: Annotated[float, "largest turn of the hue either way, as a share of a full one", Ge(0), Le(0.5)] = (
        0.015
    )
    saturation: Annotated[float, "largest change of the saturation's factor", Ge(0), Lt(1)] = 0.7
    value: Annotated[float, "largest change of the brightness's factor", Ge(0), Lt(1)] = 0.4

    def draw(self, rng: np.random.Generator, *, images: int) -> Arrangement:
        """Draw the changes of one picture.

        Every draw is made whatever the options are, so switching one change off leaves the others alone.

        Args:
            rng: the only source of randomness.
            images: how many there are to take the other tiles from.
        """
        others = rng.integers(images, size=TILES - 1).tolist()
        is_mosaic, is_flipped = rng.random(2)
        centre = rng.uniform(0.5, 1.5, 2)
        scale, right, down, *colour = rng.uniform(-1.0, 1.0, 6)
        factors = [amount * change for amount, change in zip(self._colours(), colour, strict=True)]
        return Arrangement(
            others=tuple(others) if is_mosaic < self.mosaic else (),
            centre=(float(centre[0]), float(centre[1])),
            scale=1 + self.scale * float(scale),
            shift=(self.translate * float(right), self.translate * float(down)),
            flip=bool(is_flipped < self.flip),
            hue=float(factors[0]),
            saturation=1 + float(factors[1]),
            value=1 + float(factors[2]),
        )

    def _colours(self) -> tuple[float, float, float]:
        return self.hue, self.saturation, self.value


@dataclass(frozen=True)
class Arrangement:
    """The random arrangement that was drawn for one picture.

    Attributes:
        others: positions of the images beside the first one; empty if that is alone.
        centre: where a mosaic's four images meet, in widths and heights of the view, on a canvas of two by
            two.
        scale: size factor about the middle of the canvas, or of the picture without a mosaic.
        shift: right and down, as a share of the view.
        flip: whether the picture is mirrored, left to right.
        hue: turn of the hue, as a share of a full one.
        saturation: factor of the saturation.
        value: factor of the brightness.
    """

    others: tuple[int, ...] = ()
    centre: tuple[float, float] = (1.0, 1.0)
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    hue: float = 0.0
    saturation: float = 1.0
    value: float = 1.0

    def matrix(self, image: NDArray[np.uint8], tile: int, view: View) -> NDArray[np.float64]:
        """Return the (2, 3) map from an image's pixels to the picture's.

        Args:
            image: (H, W, 3), as stored.
            tile: the image's position in the mosaic; 0 for the first one.
            view: the size of the picture.
        """
        size = fitted_size(image.shape[1], image.shape[0], view)
        sides = np.array([view.width, view.height], np.float64)
        if self.others:
            meeting, middle = np.array(self.centre) * sides, sides
            outwards = np.array([tile % 2 == 0, tile // 2 == 0])  # the first tile ends where the others begin
            corner = meeting - outwards * np.array(size)
        else:
            middle, corner = sides / 2, (sides - size) / 2
        placed = scaling(image.shape[:2], size[::-1], (corner[0], corner[1]))
        target = sides * (0.5 + np.array(self.shift))
        moved = self.scale * placed
        # The scale is about pixel corners: half a pixel off their centres, before and after.
        moved[:, 2] += target - 0.5 - self.scale * (middle - 0.5)
        if self.flip:
            moved[0] *= -1
            moved[0, 2] += view.width - 1
        return moved


def draw_tile(picture: NDArray[np.uint8], image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> None:
    """Draw an image into a picture, in place; an image that becomes much smaller is averaged first.

    Args:
        picture: (H, W, 3) RGB, which is drawn on.
        image: (H, W, 3) RGB of any size.
        matrix: (2, 3) from the image's pixels to the picture's.
    """
    gain = float(np.abs(matrix[0, 0]))
    if gain < 0.5:
        height, width = image.shape[:2]
        smaller = resized(image, (max(1, round(width * gain)), max(1, round(height * gain))))
        back = scaling(smaller.shape[:2], image.shape[:2], (0.0, 0.0))
        matrix = np.column_stack([matrix[:, :2] @ back[:, :2], matrix[:, :2] @ back[:, 2] + matrix[:, 2]])
        image = smaller
    size = (picture.shape[1], picture.shape[0])
    cv2.warpAffine(
        image, matrix, size, dst=picture, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )


def blank(view: View) -> NDArray[np.uint8]:
    """Return a grey picture of the view's size."""
    return np.full((view.height, view.width, 3), GREY, np.uint8)


def recolour(picture: NDArray[np.uint8], arrangement: Arrangement) -> NDArray[np.uint8]:
    """Return the picture with its hue turned and its saturation and value multiplied."""
    levels = np.arange(256.0)
    tables = [
        (levels + 180 * arrangement.hue) % 180,  # OpenCV counts a full turn as 180
        (levels * arrangement.saturation).clip(0, 255),
        (levels * arrangement.value).clip(0, 255),
    ]
    channels = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    changed = [
        cv2.LUT(channel, table.astype(np.uint8)) for channel, table in zip(channels, tables, strict=True)
    ]
    return np.asarray(cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2RGB), np.uint8)
