"""Words from files and users, made fit for a terminal: no control characters, and no endless message."""

from __future__ import annotations

import re

LONGEST_VALUE = 200
"""The most characters of a quoted value in a message."""
LONGEST_MESSAGE = 380
"""The most characters of a message: with `posenas: ` or `warning: ` before it, it stays below 400."""

# Control characters, what reverses the direction of writing, and halves of characters that nothing encodes.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LINE_END = re.compile(r"[ \t]*[\r\n]+\s*")
_QUOTED = re.compile(r"""(?<!\w)(?:'[^']{201,}'|"[^"]{201,}"|`[^`]{201,}`)""")


def printable(text: str) -> str:
    r"""Return the text with every control character spelled out, such as `\x1b`."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def message(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return the text as one printable line of at most `longest` characters.

    Quoted values are cut at `LONGEST_VALUE` characters. A line that is still too long loses its middle: it
    begins with what happened and ends with what to do.
    """
    line = printable(_LINE_END.sub(" ", text.strip()))
    line = _QUOTED.sub(lambda found: f"{found[0][: LONGEST_VALUE - 3]}...{found[0][-1]}", line)
    if len(line) <= longest:
        return line
    end = longest // 3
    return f"{line[: longest - end - 5]} ... {line[len(line) - end :]}"
