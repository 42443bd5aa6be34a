"""The report's section on what a step of the decoding is worth: scores without and with it, and its rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from posenas import Metric, Results, Section, Trial
from posenas.charts import render

from head_kapao.report.rates import in_order, rates_picture


def ablation_sections(results: Results) -> Sequence[Section]:
    """Return a section for each step that the shown trial was also scored without."""
    shown = results.shown
    if shown is None:
        return []
    noted: Mapping[str, Mapping[str, Any]] = shown.notes.get("ablations", {})
    return [_section(step, ablation, shown, results) for step, ablation in noted.items()]


def _section(step: str, ablation: Mapping[str, Any], shown: Trial, results: Results) -> Section:
    rates: Mapping[str, float] = ablation["rates"]
    pictures = {}
    if any(rates.values()):
        pictures[f"rates-{step}.png"] = rates_picture(in_order(rates, results.keypoints), step=step)
    html = render(
        files("head_kapao.report").joinpath("ablation.html.jinja").read_text(encoding="utf-8"),
        step=step,
        rows=list(_rows(ablation["metrics"], shown.metrics, results.metrics)),
        rates=sorted(rates.items(), key=lambda pair: -pair[1]),
        pictures=pictures,
        scored_on=results.scored_on,
        split=shown.split,
    )
    return Section(f"What {step} is worth", html, pictures)


def _rows(
    without: Mapping[str, float], whole: Mapping[str, float], metrics: Sequence[Metric]
) -> Iterator[Mapping[str, str]]:
    for metric in metrics:
        if metric.name in without and metric.name in whole:
            yield {
                "name": metric.name,
                "without": metric.text(without[metric.name]),
                "whole": metric.text(whole[metric.name]),
                "change": f"{whole[metric.name] - without[metric.name]:+.3f}",
                "better": "higher" if metric.higher_is_better else "lower",
            }
