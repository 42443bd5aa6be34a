"""Words from files and users, fit for a terminal."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import posenas.cli
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.messages import message, printable
from posenas.contract.samples import UnreadableImageError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\rb\tc", r"a\rb\tc"),
        ("\x9b1m", r"\x9b1m"),
        ("left\u202eright", r"left\u202eright"),
        ("half \ud800", r"half \ud800"),
        ("Äé眼 – ±", "Äé眼 – ±"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_message_is_one_line() -> None:
    assert message(" first\n   second\r\n") == "first second"


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_quoted_values_are_cut(quote: str) -> None:
    line = message(f"the run's option: {quote}{'x' * 5000}{quote} is no number; give another one")
    value = line.split(quote)[1] if quote != "'" else line.split(" '")[1].split("'")[0]
    assert value == "x" * 196 + "..."
    assert line.endswith("is no number; give another one")


def test_apostrophes_quote_nothing() -> None:
    line = "the run's " + "word " * 60 + "of the dataset's"
    assert message(line) == line


def test_a_long_message_loses_its_middle() -> None:
    line = message("file a.json: " + "1, " * 1000 + "; mend it")
    assert len(line) == 380
    assert line.startswith("file a.json: 1, ")
    assert line.endswith("; mend it")
    assert message(line) == line


@pytest.mark.parametrize("error", [PosenasError, UnreadableImageError])
def test_errors_are_messages_and_travel(error: type[Exception]) -> None:
    raised = error(f"\x1b[2J{'x' * 1000}")
    assert len(str(raised)) < 400
    assert "\x1b" not in str(raised)
    assert str(pickle.loads(pickle.dumps(raised))) == str(raised)


def test_the_command_line_prints_nothing_but_json_by_another_way() -> None:
    """All else goes through `posenas.cli.terminal`, which makes it printable."""
    for path in Path(posenas.cli.__file__).parent.glob("*.py"):
        source = path.read_text()
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        printing = [
            call for call in calls if ast.unparse(call.func) in ("click.echo", "click.secho", "print")
        ]
        assert path.name == "terminal.py" or all("json.dumps" in ast.unparse(call) for call in printing), path
