"""HTML of the report and of its sections, from templates."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined


def render(template: str, /, **values: object) -> str:
    """Return the HTML that a Jinja template gives; every value is escaped.

    Args:
        template: the template's text.
        values: by the names that the template has for them. A name without a value is an error.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["embedded"] = embedded
    environment.filters["embedded_photograph"] = embedded_photograph
    return environment.from_string(template).render(**values).rstrip("\n")


def embedded(picture: bytes, kind: str = "png") -> str:
    """Return a picture as the address that shows it in a page: `png`, `jpg` or `svg`."""
    kinds = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml"}
    return f"data:{kinds[kind]};base64,{base64.b64encode(picture).decode()}"


def embedded_photograph(picture: bytes) -> str:
    """Return a PNG file of photographs as the address of a JPEG file, which is about a tenth as large."""
    pixels = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return embedded(bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]), "jpg")
