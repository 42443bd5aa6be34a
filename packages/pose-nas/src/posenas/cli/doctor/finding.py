"""One thing found, and checks that cannot stop each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from posenas.contract.errors import PosenasError

Status = Literal["ok", "warn", "mend"]
Check = Callable[[], Iterable["Finding"]]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        status: `mend` where runs fail or will fail, `warn` where they are slow, at risk or lack a part.
        found: what is so.
        remedy: what to do; empty where nothing must be done, or where `found` says it.
    """

    area: str
    status: Status
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.status:<6}{self.area:<13}{'; '.join(filter(None, (self.found, self.remedy)))}"


def isolated(area: str, what: str, check: Check) -> Iterator[Finding]:
    """The check's findings; where it raises, those before and one that says so.

    Args:
        what: is being done, for the error, such as "importing torch".
    """
    try:
        yield from check()
    except PosenasError as error:
        yield Finding(area, "mend", str(error))
    # Whatever is broken here is what the user asked about, so it must not end the other checks.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield Finding(area, "mend", f"{what} fails with {reason}", "mend that, then ask again")
