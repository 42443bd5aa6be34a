"""The report of a run: one HTML page that holds everything, and its pictures as files beside it."""

from posenas.reporting.report.writer import ReportWriter, write_report

__all__ = ["ReportWriter", "write_report"]
