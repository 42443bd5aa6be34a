"""The report's section on the networks of a clip: what each frame's is made of (ViPNAS, figure 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from posenas import Genotype, Results, Section
from posenas.charts import render

_FUSION = ("fusion.operation", "fusion.stage")
_TEMPLATE = """
<table>
<thead><tr>
{% for name in ["Frame"] + stages %}<th scope="col">{{ name }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.frame }}</th>{% for cell in row.cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
<caption>The networks of the {{ "answer" if finished else "best candidate so far" }}, from the key frame on.
Each stage has its values in the order {{ order }}. The fusion says how the heat maps of the frame before are
used, and at which stage.</caption>
</table>
"""


def clip_sections(results: Results, key_frame: Genotype) -> Sequence[Section]:
    """Return the one section; none where no network was scored.

    Args:
        results: of the run.
        key_frame: the genotype of the key frame's network in the space of images.
    """
    if results.shown is None:
        return []
    frames: dict[str, Mapping[str, Any]] = {"key frame": key_frame}
    for number in range(1, results.shown.genotype["propagation"] + 1):
        frames[f"{number} after it"] = _of_frame(results.shown.genotype, number)
    stages = list(dict.fromkeys(name.rpartition(".")[0] for each in frames.values() for name in each))
    names = [*key_frame, *_FUSION]
    rows = [
        {"frame": frame, "cells": [_cell(genotype, stage, names) for stage in stages]}
        for frame, genotype in frames.items()
    ]
    order = ", ".join(dict.fromkeys(_last(name) for name in key_frame))
    html = render(_TEMPLATE, stages=stages, rows=rows, finished=results.finished, order=order)
    return [Section("Networks of a clip", html)]


def _of_frame(genotype: Genotype, number: int) -> Genotype:
    """Return a frame's part of a genotype; one architecture for all has the prefix `frames.`."""
    return {
        found[1]: value
        for name, value in genotype.items()
        if (found := re.fullmatch(rf"(?:frame{number}|frames)\.(.+)", name))
    }


def _cell(genotype: Genotype, stage: str, names: Sequence[str]) -> str:
    """Return a stage's values in the order of the names: a journal sorts those of a genotype."""
    of_stage = [name for name in names if name.rpartition(".")[0] == stage and name in genotype]
    return ", ".join(_word(genotype[name]) for name in of_stage) or "–"


def _word(value: Any) -> str:
    return ("without", "with")[value] if isinstance(value, bool) else str(value)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
