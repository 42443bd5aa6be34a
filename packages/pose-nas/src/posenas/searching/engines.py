"""The choice of what trains and scores candidates: this machine's processes, or Ray, on many machines."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from importlib.util import find_spec

from posenas.composing.composition import Composition
from posenas.composing.distributions import CORE
from posenas.contract.errors import PosenasError
from posenas.runs.provenance import Provenance
from posenas.runs.run import Run
from posenas.searching.engine import Engine

LOCAL, RAY = "local", "ray"
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>[^\s:/@]+):(?P<port>\d{1,5})")
_SECONDS_TO_ANSWER = 5.0


def check_engine(engine: str) -> None:
    """Refuse an engine that there is not: a mistyped one, a missing package, an address without an answer.

    Args:
        engine: `local`, `ray`, `HOST:PORT` or `ray://HOST:PORT`.

    Raises:
        PosenasError: one line that says what to do.
    """
    if engine == LOCAL:
        return
    address = _ADDRESS.fullmatch(engine)
    if engine != RAY and address is None:
        raise PosenasError(f"engine {engine!r}: expected local, ray, HOST:PORT or ray://HOST:PORT")
    if find_spec("ray") is None:
        raise PosenasError(f"engine ray is not installed: pip install {CORE}[ray]")
    if address is not None:
        _check_answer(engine, address["host"], int(address["port"]))


def _check_answer(engine: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:  # the latter of ports above 65535
        raise PosenasError(
            f"engine {engine}: nothing answers at {host}:{port} ({error}); correct the address, or start the "
            "cluster with `ray start --head` there"
        ) from error


def opened_engine(
    engine: str, composition: Composition, run: Run, *, provenance: Provenance, warn: Callable[[str], None]
) -> AbstractContextManager[Engine | None]:
    """Open an engine for the time of a search; None for this machine's processes, started when needed.

    Args:
        engine: as `check_engine` takes it.
        composition: what is searched.
        run: where files lie.
        provenance: what the search computes on here, which every machine must have.
        warn: told of machines that may compute other last digits.

    Raises:
        PosenasError: where it cannot be used; one line names the machine.
    """
    check_engine(engine)
    if engine == LOCAL:
        return nullcontext()
    from posenas.searching.ray_engine import connected

    address = None if engine == RAY else engine
    return closing(connected(address, composition, run, provenance=provenance, warn=warn))
