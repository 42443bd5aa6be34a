"""The doctor's findings, and checks that cannot stop each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from posenas.contract.errors import PosenasError

Status = Literal["ok", "warn", "mend"]
Check = Callable[[], Iterable["Finding"]]


@dataclass(frozen=True)
class Finding:
    """A line of the doctor's.

    Attributes:
        area: what was looked at, in a word.
        status: `mend` where runs fail or will fail, `warn` where they are slow, at risk or lack a part.
        found: what was found.
        remedy: what to do; empty where nothing must be done, or where `found` says it.
    """

    area: str
    status: Status
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.status:<6}{self.area:<13}{'; '.join(filter(None, (self.found, self.remedy)))}"


def isolated(area: str, what: str, check: Check) -> Iterator[Finding]:
    """Yield the check's findings; if it raises, those before and one that says so.

    Args:
        area: what is looked at, in a word.
        what: what the check does, for the error, such as "importing torch".
        check: returns or yields findings.
    """
    try:
        yield from check()
    except PosenasError as error:
        yield Finding(area, "mend", str(error))
    # Whatever is broken here is what the user asked about, so it must not end the other checks.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield Finding(area, "mend", f"{what} fails with {reason}", "mend that, then ask again")
