"""JSON from anywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from posenas.contract.errors import PosenasError
from posenas.runs.strict_json import DEEPEST, parse_json, read_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**250), 10**250)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_reads_what_json_reads(value: object, encoding: str) -> None:
    assert parse_json(json.dumps(value).encode(encoding)) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": NaN}', "NaN"),
        ("[-Infinity]", "-Infinity"),
        ("[1e999]", "1e999"),
        ("[-1e0000000000309]", "-1e0000000000309"),
        ("1" * 310 + ".5", "finite"),
        ("1" * 299 + "e99", "finite"),
        ("9" * 301, "301 digits"),
        ("9" * 5000, "5000 digits"),
        ("[" * 5000, "nested too deep"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested too deep"),
        ('{"a"', "not JSON at line 1, column 5"),
        ("\n{]", "not JSON at line 2, column 2"),
        (b"[1, \xff]", "byte 4 is no text"),
        ("", "not JSON at line 1, column 1"),
    ],
)
def test_refuses_in_one_line(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        parse_json(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 200


def test_brackets_in_text_are_no_nesting() -> None:
    text = '{"a": "' + "[" * 500 + '\\"{{"}'
    assert parse_json(text) == {"a": "[" * 500 + '"{{'}


def test_the_deepest_is_read() -> None:
    text = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(parse_json(text)) == text


def test_a_reader_that_looks_for_itself_gets_what_is_not_finite() -> None:
    nan, infinite = parse_json("[NaN, 1e999]", finite=False)
    assert math.isnan(nan)
    assert infinite == math.inf
    assert parse_json("9" * 400, finite=False) == 10**400 - 1
    with pytest.raises(ValueError, match="5000 digits"):
        parse_json("9" * 5000, finite=False)


def test_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match=r"absent.json: cannot be read: No such file"):
        read_json(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(PosenasError, match=r"bad.json: not JSON at line 1.*; resume the run$"):
        read_json(tmp_path / "bad.json", remedy="resume the run")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_can_be_made_smaller_while_they_are_read(encoding: str) -> None:
    def shrink(entry: dict[str, Any]) -> object:
        entry.pop("large", None)
        return entry if "keep" in entry else sorted(entry)

    content = '{"keep": [{"a": 1, "large": [1, 2]}, {"keep": 3, "large": null}], "large": "ü"}'.encode(
        encoding
    )
    assert parse_json(content, shrink=shrink) == {"keep": [["a"], {"keep": 3}]}
