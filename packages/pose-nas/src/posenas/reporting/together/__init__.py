"""The report of several runs side by side: one HTML page with all fronts in one chart."""

from posenas.reporting.together.writer import write_report_of_runs

__all__ = ["write_report_of_runs"]
