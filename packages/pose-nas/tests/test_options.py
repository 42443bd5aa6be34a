"""Options of a component: described, checked, converted and written down."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
import tomli_w
from annotated_types import Ge, Interval, Len, MaxLen, MinLen
from hypothesis import given, settings, strategies as st
from posenas.composing.options import AFTER_TRAINING, Option, describe_options, make_component, option_values
from posenas.contract.errors import PosenasError
from posenas.runs.recipe import parse_value

if TYPE_CHECKING:
    from decimal import Decimal


class Order(Enum):
    ASCENDING = "up"
    DESCENDING = "down"


@dataclass(frozen=True)
class Everything:
    candidates: Annotated[int, "networks to judge", Ge(1)] = 3
    rate: Annotated[float, "of learning", Interval(gt=0, le=1)] = 0.1
    mirrored: Annotated[bool, "left for right"] = False
    codec: Annotated[Literal["gaussian", "udp", "dark"], "of targets"] = "udp"
    root: Annotated[Path | None, "folder of images"] = None
    size: Annotated[tuple[int, int], "width, height in pixels"] = (192, 256)
    kernels: Annotated[tuple[Annotated[int, Ge(1)], ...], "sizes", MinLen(1)] = (3, 5)
    parts: Annotated[tuple[str, ...], "names"] = ()
    depth: Annotated[int | None, "blocks", Ge(1)] = None
    cuts: Annotated[tuple[int | None, ...] | None, "", MaxLen(4)] = None
    order: Annotated[Order, "of values"] = Order.ASCENDING
    weights: Annotated[Mapping[str, float], "by loss"] = field(default_factory=lambda: {"heatmap": 1.0})
    derived: int = field(default=0, init=False)


@dataclass(frozen=True)
class Needy:
    root: Annotated[str, "folder of images", Len(1, 9)]

    def __post_init__(self) -> None:
        if self.root == "nowhere":
            raise ValueError("root is nowhere")


@dataclass(frozen=True)
class Unreadable:
    price: Decimal


def made(**values: Any) -> Any:
    return make_component(Everything, values, where="strategy sandwich")


def test_descriptions() -> None:
    described = {option.name: option for option in describe_options(Everything)}
    assert "derived" not in described
    assert described["candidates"] == Option("candidates", "int", 3, False, "networks to judge", (">= 1",))
    assert {name: option.expected() for name, option in described.items()} == {
        "candidates": "int, >= 1",
        "rate": "float, > 0, <= 1",
        "mirrored": "true or false",
        "codec": "one of gaussian, udp, dark",
        "root": "path or none",
        "size": "[int, int]",
        "kernels": "list of int >= 1, at least 1 long",
        "parts": "list of text",
        "depth": "int or none, >= 1",
        "cuts": "list of int or none or none, at most 4 long",
        "order": "one of up, down",
        "weights": "table",
    }
    assert {name: option.default for name, option in described.items()} == option_values(Everything())
    assert describe_options(Needy) == (
        Option("root", "text", None, True, "folder of images", ("at least 1 long", "at most 9 long")),
    )


def test_a_mark_is_no_constraint() -> None:
    @dataclass(frozen=True)
    class Marked:
        limit: Annotated[int, "of poses", Ge(1), AFTER_TRAINING] = 3

    assert describe_options(Marked) == (Option("limit", "int", 3, False, "of poses", (">= 1",), True),)
    assert not any(option.after_training for option in describe_options(Everything))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("candidates", "50", 50),
        ("rate", "0.5", 0.5),
        ("rate", "1", 1.0),
        ("mirrored", "true", True),
        ("codec", "dark", "dark"),
        ("root", "some/folder", Path("some/folder")),
        ("root", "none", None),
        ("size", "128,96", (128, 96)),
        ("size", "[128, 96]", (128, 96)),
        ("kernels", "7", (7,)),
        ("parts", "left,right", ("left", "right")),
        ("parts", '["a,b"]', ("a,b",)),
        ("parts", "", ()),
        ("depth", "2", 2),
        ("depth", "none", None),
        ("cuts", "1,none,3", (1, None, 3)),
        ("cuts", "none", None),
        ("order", "down", Order.DESCENDING),
        ("weights", "{box = 2, point = 0.5}", {"box": 2.0, "point": 0.5}),
    ],
)
def test_values_from_the_command_line(name: str, text: str, value: object) -> None:
    result = getattr(made(**{name: parse_value(text)}), name)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "given_as"),
    [
        ("candidates", 0, "0"),
        ("candidates", True, "true"),
        ("candidates", 2.5, "2.5"),
        ("candidates", "50", '"50"'),
        ("candidates", "many", '"many"'),
        ("candidates", None, "null"),
        ("rate", 0, "0"),
        ("rate", 1.5, "1.5"),
        ("rate", float("nan"), "NaN"),
        ("rate", "fast", '"fast"'),
        ("mirrored", 1, "1"),
        ("mirrored", "True", '"True"'),
        ("codec", "darc", '"darc"'),
        ("root", 3, "3"),
        ("size", [128], "[128]"),
        ("size", [1, 2, 3], "[1, 2, 3]"),
        ("size", "wide,high", '"wide,high"'),
        ("size", 128, "128"),
        ("kernels", [3, 0], "[3, 0]"),
        ("kernels", [], "[]"),
        ("depth", 0, "0"),
        ("cuts", [1, 2, 3, 4, 5], "[1, 2, 3, 4, 5]"),
        ("order", "sideways", '"sideways"'),
        ("weights", {"box": "heavy"}, '{"box": "heavy"}'),
        ("weights", 3, "3"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_allowed(name: str, value: object, given_as: str) -> None:
    (option,) = (option for option in describe_options(Everything) if option.name == name)
    purpose = f" ({option.help})" if option.help else ""
    with pytest.raises(PosenasError) as caught:
        made(**{name: value})
    expected = f"got {given_as}, expected {option.expected()}{purpose}"
    assert str(caught.value) == f"option {name!r} of strategy sandwich: {expected}"


def test_unknown_options_are_refused_with_the_nearest() -> None:
    message = "unknown option 'candidate' of strategy sandwich; did you mean 'candidates'?"
    with pytest.raises(PosenasError) as caught:
        made(candidate=1)
    assert str(caught.value) == message
    with pytest.raises(PosenasError, match="unknown option 'derived'"):
        made(derived=1)


def test_a_missing_required_option_is_named() -> None:
    with pytest.raises(PosenasError, match=r"dataset coco needs option 'root': text, .*folder of images"):
        make_component(Needy, {}, where="dataset coco")


def test_what_the_component_itself_refuses_is_said() -> None:
    with pytest.raises(PosenasError, match=r"^dataset coco: root is nowhere$"):
        make_component(Needy, {"root": "nowhere"}, where="dataset coco")


def test_options_that_cannot_be_read_name_the_component() -> None:
    with pytest.raises(PosenasError, match=r"Unreadable cannot be read: name 'Decimal' is not defined"):
        describe_options(Unreadable)


def test_defaults_stay() -> None:
    assert made() == Everything()


everything = st.builds(
    Everything,
    candidates=st.integers(1),
    rate=st.floats(0, 1, exclude_min=True),
    mirrored=st.booleans(),
    codec=st.sampled_from(["gaussian", "udp", "dark"]),
    root=st.none() | st.sampled_from([Path("a/b"), Path("with space"), Path("1")]),
    size=st.tuples(st.integers(), st.integers()),
    kernels=st.lists(st.integers(1), min_size=1).map(tuple),
    parts=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
    depth=st.none() | st.integers(1),
    cuts=st.none() | st.lists(st.none() | st.integers(), max_size=4).map(tuple),
    order=st.sampled_from(Order),
    weights=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False)),
)


@settings(max_examples=40, deadline=None)
@given(everything)
def test_option_values_make_an_equal_component(component: Everything) -> None:
    values = option_values(component)
    assert make_component(Everything, values, where="here") == component
    for plain in (json.loads(json.dumps(values)), tomllib.loads(tomli_w.dumps(values))):
        assert plain == values
        assert make_component(Everything, plain, where="here") == component
