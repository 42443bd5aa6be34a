"""The report's section on scores by the distance from the key frame: how much is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from posenas import Metric, Results, Section, Trial
from posenas.charts import BLUE, GREY, columns, legend_below, new_figure, plain_axes, png, render, whole_ticks

_NOTE = "by_frame"
"""What the core notes of a network for clips."""
_PICTURE = "by_frame.png"
_TEMPLATE = """
<p><img src="{{ picture }}" alt="{{ metric }} of the key frame and of each frame after it."></p>
<table>
<thead><tr><th scope="col">Frame</th><th scope="col">{{ metric }} of the {{ shown }}</th>
<th scope="col">people</th>{% if candidates %}<th scope="col">median of {{ candidates }} candidates</th>
<th scope="col">lowest to highest</th>{% endif %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.frame }}</th><td>{{ row.score }}</td><td>{{ row.people }}</td>
{% if candidates %}<td>{{ row.median }}</td><td>{{ row.range }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
<caption>Each row is measured over the people of this frame of the clips alone, so rows are of other people
too. {% if candidates %}Candidates are measured on the people that rank them.{% endif %}</caption>
</table>
{% for reason in reasons %}
<p>{{ reason }}</p>
{% endfor %}
"""


def distance_sections(results: Results) -> Sequence[Section]:
    """Return the one section; none where no network was scored by frame.

    Args:
        results: of the run. A trial's note `by_frame` has `people` and `score` for each frame of a clip.
    """
    shown = results.shown
    if shown is None or not _scores(shown):
        return []
    others = [trial for trial in results.ranked if _scores(trial) and trial is not shown]
    metric = results.objective
    rows = [_row(metric, shown, others, number) for number in range(len(shown.notes[_NOTE]))]
    html = render(
        _TEMPLATE,
        picture=_PICTURE,
        metric=metric.name,
        shown=_word(results),
        rows=rows,
        candidates=len(others),
        reasons=[
            f"{name_of(number)}: {each['reason']}"
            for number, each in enumerate(shown.notes[_NOTE])
            if "reason" in each
        ],
    )
    chart = _chart(metric, shown, others, word=_word(results))
    return [Section("Scores by the distance from the key frame", html, {_PICTURE: chart})]


def name_of(number: int) -> str:
    """Return what the frame at a distance from the key frame is called."""
    return f"{number} after it" if number else "key frame"


def _word(results: Results) -> str:
    return "answer" if results.finished else "best candidate so far"


def _scores(trial: Trial) -> Mapping[int, float]:
    """Return a trial's scores by the distance from the key frame, where there are any."""
    noted = enumerate(trial.notes.get(_NOTE, ()))
    return {number: each["score"] for number, each in noted if each["score"] is not None}


def _row(metric: Metric, shown: Trial, others: Sequence[Trial], number: int) -> Mapping[str, Any]:
    """Return the words of a frame's row; a dash stands where there is no figure."""
    known = [_scores(trial)[number] for trial in others if number in _scores(trial)]
    own = _scores(shown).get(number)
    return {
        "frame": name_of(number),
        "score": "–" if own is None else metric.text(own),
        "people": shown.notes[_NOTE][number]["people"],
        "median": metric.text(median(known)) if known else "–",
        "range": f"{metric.text(min(known))} to {metric.text(max(known))}" if known else "–",
    }


def _chart(metric: Metric, shown: Trial, others: Sequence[Trial], *, word: str) -> bytes:
    """Return a picture of the scores against the distance: a line a network, the shown one's thick."""
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    plain_axes(axes)
    for number, trial in enumerate(others):
        label = None if number else "candidates"
        axes.plot(*columns(_scores(trial).items()), color=GREY, linewidth=1, marker=".", label=label)
    axes.plot(*columns(_scores(shown).items()), color=BLUE, linewidth=2, marker="o", label=word)
    axes.set_xticks(whole_ticks([number for trial in (shown, *others) for number in _scores(trial)]))
    axes.set_xlabel("frames after the key frame")
    axes.set_ylabel(metric.name)
    legend_below(figure, axes)
    return png(figure)
