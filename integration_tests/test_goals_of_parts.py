"""Goals by parts of the body, of a stranger's evaluator: limits on metrics, and a Pareto search over them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMALL, SMALL_SEARCH, Answer, refusal

Posenas = Callable[..., Answer]
Install = Callable[..., None]

EVALUATOR = '''
from dataclasses import dataclass

import numpy as np
from posenas import Evaluation, Metric

@dataclass(frozen=True)
class Parts:
    """How near the predicted keypoints are: of the whole, of arms and of tails."""

    def metrics(self):
        return [
            Metric("near"), Metric("arm.near", part="arm"), Metric("tail.near", part="tail"),
            Metric("arm.error", "px", False, part="arm"),
        ]

    def evaluate(self, predictions, truth):
        names = list(truth.keypoints.names)
        arms = [index for index, name in enumerate(names) if "wrist" in name or "elbow" in name]
        people = {sample.id: sample.people[0].keypoints for sample in truth.samples if sample.people}
        rows = [
            np.abs(pose - people[int(image)][:, :2]).mean(axis=1)
            for image, pose in zip(predictions.image_ids, predictions.keypoints, strict=True)
        ]
        wrong = np.array(rows or [np.full(len(names), 999.0)])
        near = 1 / (1 + wrong)
        return Evaluation({
            "near": float(near.mean()), "arm.near": float(near[:, arms].mean()), "tail.near": float("nan"),
            "arm.error": float(wrong[:, arms].mean()),
        }, dict(zip(names, near.mean(axis=0).tolist())))
'''
PARTS = ("--evaluator", "parts")


def install_parts(install: Install) -> None:
    install(
        "parts-evaluator", EVALUATOR, entry_points={"posenas.evaluator": {"parts": "parts_evaluator:Parts"}}
    )


def test_a_limit_on_a_part_and_a_front_over_parts(posenas: Posenas, install: Install, tmp_path: Path) -> None:
    install_parts(install)
    goals = ("--maximize", "arm.near", "--maximize", "near", "--limit", "arm.error<=1000")
    goals += ("--limit", "tail.near>=0.5")
    answer = posenas("compose", *SMALL_SEARCH, *PARTS, *goals, "--run", "run")
    assert answer.status == 0, answer.err
    told = " ".join((answer.out + answer.err).split())
    assert "none of 3 candidates keeps all limits on metrics: parts.arm.error<=1000 (3 keep it);" in told
    assert "parts.tail.near>=0.5 (3 without a figure)" in told
    run = tmp_path / "run"
    recipe = (run / "recipe.toml").read_text()
    assert 'limits = [\n    "parts.arm.error<=1000",\n    "parts.tail.near>=0.5",\n]' in recipe
    assert 'maximize = [\n    "parts.arm.near",\n    "parts.near",\n]' in recipe
    page = (run / "report" / "report.html").read_text()
    assert "The final network has no figure for parts.tail.near&gt;=0.5 on val." in page
    assert "the limits on metrics are kept by 0" in page
    assert '<p class="notice">None of 3 candidates keeps all limits on metrics' in page
    assert re.findall(r'<th scope="row">(parts[^<]*)</th>', page.partition("</table>")[0]) == [
        "parts.near", "parts.arm.near", "parts.tail.near", "parts.arm.error",
    ]  # fmt: skip
    trials = (run / "trials.json").read_bytes()
    candidates = json.loads(trials)[:-1]
    points = [(each["metrics"]["parts.arm.near"], each["metrics"]["parts.near"]) for each in candidates]
    best = [
        each
        for each, point in zip(candidates, points, strict=True)
        if not any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)
    ]
    assert json.loads((run / "front.json").read_text()) == best
    (run / "trials.json").unlink()
    assert posenas("resume", "run").status == 0
    assert (run / "trials.json").read_bytes() == trials


@pytest.mark.slow
def test_a_limit_on_a_metric_changes_no_draw_and_no_score(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    """With a limit that all keep, a search ends as one without it."""
    install_parts(install)
    for run, limits in (("free", ()), ("kept", ("--limit", "arm.near>=0"))):
        budget = ("--limit", "gmacs<=0.02")
        answer = posenas("compose", *SMALL_SEARCH, *PARTS, *budget, *limits, "--run", run)
        assert answer.status == 0, answer.err
    found = [(tmp_path / run / "trials.json").read_bytes() for run in ("free", "kept")]
    assert found[0] == found[1]


def test_wrong_goals_are_one_line(posenas: Posenas, install: Install) -> None:
    install_parts(install)

    def said(*goal: str) -> str:
        return refusal(posenas("compose", *SMALL, *PARTS, *goal, "--dry-run"))

    assert "higher is better; write parts.arm.near>=0.5" in said("--limit", "arm.near<=0.5")
    assert "lower is better; write parts.arm.error<=3" in said("--limit", "arm.error>=3")
    assert "unknown cost or metric 'arm.naer'; did you mean 'arm.near'?" in said("--limit", "arm.naer>=0.5")
    assert "did you mean 'arm.near'?" in said("--maximize", "arm.naer")
