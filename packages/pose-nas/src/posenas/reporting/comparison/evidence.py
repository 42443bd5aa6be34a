"""What is known about a run's figures beside the run itself."""

from __future__ import annotations

from dataclasses import dataclass

from posenas.contract.sections import Results
from posenas.reporting.comparison.record import read_comparison
from posenas.reporting.comparison.repeats import Repeats, read_repeats
from posenas.reporting.comparison.verdict import Verdict, judge
from posenas.runs.run import Run


@dataclass(frozen=True)
class Evidence:
    """What other runs and comparisons tell about a run.

    Attributes:
        verdict: of a comparison; None where none was made.
        repeats: of other seeds; None where there are none.
    """

    verdict: Verdict | None = None
    repeats: Repeats | None = None


def read_evidence(run: Run, results: Results) -> Evidence:
    """Return what is known about a run beside itself.

    Raises:
        PosenasError: where a file cannot be read.
    """
    comparison = read_comparison(run)
    return Evidence(
        verdict=None if comparison is None else judge(comparison, results),
        repeats=read_repeats(run.path.resolve().parent),
    )
