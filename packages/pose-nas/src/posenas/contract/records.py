"""Plain data from files, checked against the dataclass that it will become."""

from __future__ import annotations

import functools
import json
from collections.abc import Hashable
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError


def check_record(kind: Hashable, record: object) -> None:
    """Check plain data against the fields of a dataclass and their types; unknown fields are ignored.

    Raises:
        TypeError: names the first field that does not fit, and why.
    """
    try:
        _adapter(kind).validate_json(json.dumps(record, allow_nan=False, default=dict), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise TypeError(f"{place}: {first['msg']}" if place else first["msg"]) from None


@functools.cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], kind))
