"""The report's table of the parts of a whole body, one row a part."""

from __future__ import annotations

from collections.abc import Sequence

from posenas import Results, Section
from posenas.charts import render
from posenas.scoring import COCO_METRICS

TEMPLATE = """\
<table>
<thead><tr><th scope="col">part</th>
{% for metric in metrics %}<th scope="col">{{ metric }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for part, figures in rows.items() %}
<tr><th scope="row">{{ part }}</th>
{% for figure in figures %}<td>{{ figure }}</td>{% endfor %}
</tr>
{% endfor %}
</tbody>
<caption>Each row is an evaluation of its own, with the area of the person as its scale; hand is the mean of \
left and right.</caption>
</table>
"""


def part_sections(results: Results, parts: Sequence[str]) -> Sequence[Section]:
    """Return the one section; none until a network has been scored on whole bodies.

    Args:
        results: what the run has found so far.
        parts: the names before the metrics' names; empty for the whole.
    """
    if results.shown is None:
        return []
    declared = {metric.name: metric for metric in results.metrics}
    figures = results.shown.metrics
    prefix = results.metrics[0].name.removesuffix(COCO_METRICS[0])
    rows = {}
    for part in parts:
        names = [f"{prefix}{part}.{metric}" if part else f"{prefix}{metric}" for metric in COCO_METRICS]
        rows[part.replace("_", " ") or "whole"] = [
            declared[name].text(figures[name]) if name in figures else "–" for name in names
        ]
    html = render(TEMPLATE, metrics=COCO_METRICS, rows=rows)
    return [Section("Body, feet, face and hands", html)]
