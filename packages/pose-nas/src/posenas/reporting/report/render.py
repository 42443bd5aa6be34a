"""HTML of the report and of its sections, from templates."""

from __future__ import annotations

import base64

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
    return environment.from_string(template).render(**values).rstrip("\n")


def embedded(picture: bytes, kind: str = "png") -> str:
    """Return a picture as the address that shows it in a page: `png` or `svg`."""
    kinds = {"png": "image/png", "svg": "image/svg+xml"}
    return f"data:{kinds[kind]};base64,{base64.b64encode(picture).decode()}"
