"""Pictures of scenes: the people of the annotations, drawn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.backdrop import backdrop, clutter, object_shapes
from posenas.standard.synthetic.figure import figure_of
from posenas.standard.synthetic.looks import looks
from posenas.standard.synthetic.person import person_shapes
from posenas.standard.synthetic.scene import scenes
from posenas.standard.synthetic.shapes import Shape, draw
from posenas.standard.synthetic.world import LOOKS, World, generator


def picture(world: World, index: int, time: float = 0.0) -> NDArray[np.uint8]:
    """Draw one scene at a time in seconds: (H, W, 3) RGB.

    Args:
        world: what the scene depends on.
        index: index of the scene in its split.
        time: seconds.
    """
    scene = scenes(world, [index], time)
    rng = generator(world, index, LOOKS)
    image = backdrop(rng, world.height, world.width)
    background = np.array(cv2.mean(image)[:3])
    angle = rng.uniform(0.0, 2.0 * np.pi)
    light = np.array([np.cos(angle), -abs(np.sin(angle))])
    wardrobe = [looks(rng, background) for _ in range(world.max_people)]
    colours = [colour for each in wardrobe for colour in (each.skin, each.top, each.bottom)]
    pan = scene.pan[0]
    draw(image, [_moved(shape, pan) for shape in clutter(rng, world.height, world.width, colours)])
    for person in reversed(range(world.max_people)):
        if scene.wanted[0, person]:
            draw(image, person_shapes(figure_of(scene, person), wardrobe[person], light))
    draw(image, object_shapes(rng, scene.objects[0, scene.objects_wanted[0]]))
    return _photograph(image, rng)


def _moved(shape: Shape, pan: NDArray[np.float64]) -> Shape:
    return Shape(shape.depth, shape.points + pan, shape.colour, shape.thickness)


def _photograph(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add uneven light, a colour cast, blur and noise."""
    height, width = image.shape[:2]
    gain, gamma = rng.uniform(0.85, 1.15) * rng.uniform(0.9, 1.1, 3), rng.uniform(0.75, 1.3)
    curve = np.clip(255.0 * gain * (np.arange(256)[:, None] / 255.0) ** gamma, 0.0, 255.0).astype(np.uint8)
    lit = cv2.LUT(image, curve[:, None, :])
    if rng.random() < 0.2:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.5, 1.1))
    if rng.random() < 0.4:
        corners = rng.uniform(0.6, 1.0, (2, 2)).astype(np.float32)
        shade = cv2.resize((corners * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(lit, cv2.merge([shade, shade, shade]), scale=1 / 255.0)
    amount = rng.uniform(0.01, 0.04)
    noise = rng.integers(0, 256, image.shape, dtype=np.uint8)
    return np.asarray(cv2.addWeighted(lit, 1.0, noise, amount, -127.5 * amount), dtype=np.uint8)
