"""The curves that a strategy noted, one picture for each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from posenas.contract.sections import Section
from posenas.reporting.report.charts import BLUE, new_figure, plain_axes, png
from posenas.reporting.report.render import render

PICTURE = "curves-{}.png"
"""The pictures' names, by the number of the series."""

_PANELS = 3
"""Panels beside each other."""
_TICKS = 6

_TEMPLATE = """
{% for name, picture in pictures %}
<figure>
<img src="{{ picture }}" alt="The curves of {{ name }}">
<figcaption>{{ name }}: what the strategy noted after each epoch.</figcaption>
</figure>
{% endfor %}
"""

Series = Mapping[int, Mapping[str, float]]


def picture_names(series: Mapping[str, Series]) -> list[str]:
    """Return the file names of the series' pictures, in their order."""
    return [PICTURE.format(number) for number in range(1, len(series) + 1)]


def curve_sections(series: Mapping[str, Series]) -> Sequence[Section]:
    """Return a section with a picture of each series; none where nothing was noted.

    Args:
        series: figures by the name of their series, then by epoch and by name.
    """
    if not series:
        return ()
    names = picture_names(series)
    pictures = {name: _picture(each) for name, each in zip(names, series.values(), strict=True)}
    html = render(_TEMPLATE, pictures=list(zip(series, names, strict=True)))
    return (Section("Curves", html, pictures),)


def _picture(series: Series) -> bytes:
    """Draw a panel for each figure, over the epochs that have it."""
    figures = list(dict.fromkeys(name for values in series.values() for name in values))
    rows = -(-len(figures) // _PANELS)
    figure = new_figure(10.0, 2.6 * rows)
    panels = figure.subplots(rows, _PANELS, squeeze=False).ravel()
    for axes, name in zip(panels, figures, strict=False):
        epochs = [epoch for epoch, values in series.items() if name in values]
        axes.plot(epochs, [series[epoch][name] for epoch in epochs], "o-", color=BLUE, markersize=3)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS, integer=True))
        axes.set(title=name, xlabel="epoch")
        plain_axes(axes)
    for axes in panels[len(figures) :]:
        axes.set_axis_off()
    return png(figure)
