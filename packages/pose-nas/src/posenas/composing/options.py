"""Options: the fields of a frozen dataclass, described, checked and written down.

A field is `name: Annotated[type, "what it does", Ge(1)] = default`. Values come in as plain TOML or JSON data
and go out the same way. TOML has no null, so None is spelled "none". If a trained network may be used with
another value of an option, the option is marked with `AFTER_TRAINING` beside its bounds. Only options of
heads and spaces are.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import TypeAdapter, ValidationError

from posenas.contract.errors import PosenasError, suggestion
from posenas.runs.recipe import parse_value

_NONE = "none"
_PLAIN_NAMES: Mapping[Any, str] = {bool: "true or false", str: "text", type(None): _NONE}
_RENAMED: Mapping[str, str] = {"evaluations": "candidates"}
"""The names that options of earlier recipes have now."""

_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"), ("multiple_of", "a multiple of"))


@dataclass(frozen=True)
class AfterTraining:
    """The mark of an option that may be changed after training: the weights mean the same with any value."""


AFTER_TRAINING = AfterTraining()
"""Write it beside an option's meaning, in its `Annotated`, where the option may be changed after training."""


@dataclass(frozen=True)
class Option:
    """One field of a component.

    Attributes:
        type: in words, such as "int" or "one of gaussian, udp, dark".
        default: plain data, as `option_values` gives it; None if the option is required.
        constraints: in words, such as ">= 1".
        after_training: whether it is marked with `AFTER_TRAINING`.
    """

    name: str
    type: str
    default: Any
    required: bool
    help: str
    constraints: tuple[str, ...]
    after_training: bool = False

    def expected(self) -> str:
        """Return the type and the constraints in words."""
        return ", ".join((self.type, *self.constraints))


def describe_options(component: type[Any]) -> tuple[Option, ...]:
    """Return the options of a component class or of any frozen dataclass, in the order of its fields."""
    hints = _type_hints(component)
    return tuple(_describe(field, hints[field.name]) for field in _fields(component))


def make_component(component: type[Any], values: Mapping[str, Any], *, where: str) -> Any:
    """Make an instance with these options; the others keep their defaults.

    Args:
        component: a component class or any frozen dataclass.
        values: plain data. Text such as "128,96" will do for a tuple, and "none" for None.
        where: what the options are of, for the errors, such as "strategy sandwich".

    Raises:
        PosenasError: if an option is unknown or missing, or a value is not allowed.
    """
    options = {option.name: option for option in describe_options(component)}
    for name in values:
        if name not in options:
            new = _RENAMED.get(name)
            advice = f"it is called {new!r} now" if new in options else suggestion(name, options)
            raise PosenasError(f"unknown option {name!r} of {where}; {advice}")
    for option in options.values():
        if option.required and option.name not in values:
            raise PosenasError(f"{where} needs option {option.name!r}: {option.expected()} ({option.help})")
    hints = _type_hints(component)
    converted = {name: _convert(value, hints[name], options[name], where) for name, value in values.items()}
    try:
        return component(**converted)
    except ValueError as error:
        raise PosenasError(f"{where}: {error}") from error


def option_values(component: object) -> dict[str, Any]:
    """Return every option of an instance as plain data, from which `make_component` makes an equal one."""
    return {field.name: _plain(getattr(component, field.name)) for field in _fields(component)}


def alternatives(component: object) -> Iterator[tuple[str, Any]]:
    """Yield other values that a component's options may have, as names and plain values, one at a time.

    An option with few values has some: one that is true or false, or one of several words. Of a list with
    several elements each element alone is one.
    """
    hints = _type_hints(type(component))
    for name, value in option_values(component).items():
        yield from ((name, other) for other in _others(hints[name], value) if other != value)


def changed(component: Any, name: str, value: Any) -> Any:
    """Return a copy of a component with another value of one option.

    Args:
        component: stays as it is.
        name: the option's.
        value: plain data.

    Raises:
        PosenasError: if the value is not allowed beside the component's other options.
    """
    values = option_values(component) | {name: value}
    return make_component(type(component), values, where=type(component).__name__)


def _others(hint: object, value: object) -> list[Any]:
    hint, _ = _split(hint)
    if hint is bool:
        return [not value]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) is tuple and isinstance(value, list) and get_args(hint)[-1] is Ellipsis:
        return [[element] for element in value]
    return []


def _type_hints(component: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(component, include_extras=True)
    except NameError as error:
        name = f"{component.__module__}.{component.__qualname__}"
        raise PosenasError(f"the options of {name} cannot be read: {error}; tell its authors") from error


def _fields(component: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(component) if field.init)


def _describe(field: dataclasses.Field[Any], hint: object) -> Option:
    hint, extras = _split(hint)
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    required = default is dataclasses.MISSING
    return Option(
        name=field.name,
        type=_type_text(hint),
        default=None if required else _plain(default),
        required=required,
        help=next((extra for extra in extras if isinstance(extra, str)), ""),
        constraints=tuple(_constraint_texts(extras)),
        after_training=AFTER_TRAINING in extras,
    )


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the bare type, and what `Annotated` puts beside it."""
    if get_origin(hint) is Annotated:
        return get_args(hint)[0], hint.__metadata__
    return hint, ()


def _type_text(hint: Any) -> str:
    hint, extras = _split(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        text = "one of " + ", ".join(map(str, arguments))
    elif origin in (Union, types.UnionType):
        text = " or ".join(map(_type_text, sorted(arguments, key=lambda argument: argument is type(None))))
    elif origin is tuple and arguments[-1] is Ellipsis:
        text = f"list of {_type_text(arguments[0])}"
    elif origin is tuple:
        text = f"[{', '.join(map(_type_text, arguments))}]"
    elif isinstance(hint, type) and issubclass(hint, Enum):
        text = "one of " + ", ".join(str(member.value) for member in hint)
    elif isinstance(hint, type) and issubclass(hint, PurePath):
        text = "path"
    elif isinstance(origin or hint, type) and issubclass(origin or hint, Mapping):
        text = "table"
    else:
        text = _PLAIN_NAMES.get(hint, getattr(hint, "__name__", str(hint)))
    return " ".join((text, *_constraint_texts(extras)))


def _constraint_texts(extras: tuple[Any, ...]) -> Iterator[str]:
    for extra in extras:
        if isinstance(extra, annotated_types.Len):
            yield from _length_texts(extra.min_length, extra.max_length)
        elif isinstance(extra, annotated_types.GroupedMetadata):
            yield from _constraint_texts(tuple(extra))
        elif isinstance(extra, annotated_types.MinLen):
            yield from _length_texts(extra.min_length, None)
        elif isinstance(extra, annotated_types.MaxLen):
            yield from _length_texts(0, extra.max_length)
        elif not isinstance(extra, str | AfterTraining):
            bounds = [f"{word} {getattr(extra, key)}" for key, word in _BOUNDS if hasattr(extra, key)]
            yield from bounds or [str(extra)]


def _length_texts(shortest: int, longest: int | None) -> Iterator[str]:
    if shortest:
        yield f"at least {shortest} long"
    if longest is not None:
        yield f"at most {longest} long"


def _convert(value: Any, hint: Any, option: Option, where: str) -> Any:
    # Strict, so that true is no 1 and 2.5 no 2; JSON, so that lists may become tuples and text paths.
    try:
        return TypeAdapter(hint).validate_json(json.dumps(_decode(value, hint)), strict=True)
    except (ValidationError, TypeError, ValueError) as error:
        message = f"option {option.name!r} of {where}: got {json.dumps(value, default=str)}, expected "
        purpose = f" ({option.help})" if option.help else ""
        raise PosenasError(message + option.expected() + purpose) from error


def _decode(value: object, hint: object) -> Any:
    """Undo the spellings that JSON lacks: "none", and commas for a tuple."""
    hint, _ = _split(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value == _NONE and type(None) in arguments:
            return None
        has_words = any(get_origin(argument) is Literal for argument in arguments)
        if has_words and isinstance(value, str) and "," not in value:
            return value
        tuples = [argument for argument in arguments if get_origin(_split(argument)[0]) is tuple]
        return _decode(value, tuples[0]) if tuples else value
    if origin is not tuple:
        return value
    if isinstance(value, str):
        value = [_finite(parse_value(part)) for part in value.split(",")] if value else []
    if not isinstance(value, list | tuple):
        value = [value]
    elements = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
    return [_decode(*pair) for pair in zip(value, elements, strict=True)]


def _finite(value: object) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")
    return value


def _plain(value: object) -> Any:
    if value is None:
        return _NONE
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    return value
