"""What sections of a report are made with: charts in the report's colours, and HTML from templates."""

from posenas.reporting.report.charts import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    RED,
    columns,
    legend_below,
    logarithmic,
    new_figure,
    plain_axes,
    png,
    whole_ticks,
)
from posenas.reporting.report.render import render

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "INK",
    "RED",
    "columns",
    "legend_below",
    "logarithmic",
    "new_figure",
    "plain_axes",
    "png",
    "render",
    "whole_ticks",
]
