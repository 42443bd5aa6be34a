"""Names of candidates within a page, to which links lead."""

from __future__ import annotations


def link(run: int | None, key: str) -> str:
    """Return the name of a trial's place in the page, such as `candidate-1f0c93ab54`.

    Args:
        run: the number of the run, from 0; None where the page has one run.
        key: of the entry.
    """
    return f"candidate-{key}" if run is None else f"candidate-{run + 1}-{key}"
