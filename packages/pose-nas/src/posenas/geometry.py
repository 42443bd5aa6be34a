"""Pixels of images and of views: letterboxes and affine maps."""

from posenas.data.affine import transform
from posenas.data.letterbox import fitted_size, scaling

__all__ = [
    "fitted_size",
    "scaling",
    "transform",
]
