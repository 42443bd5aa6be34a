"""The report's section on scores by the distance from the key frame."""

from __future__ import annotations

from collections.abc import Sequence

from nas_ofa_elastic.distance import distance_sections
from posenas import Metric, Objective, Results, Trial

METRIC = Metric("oks.AP")


def trial(number: int, scores: Sequence[float | None], *, stage: str = "candidate", **noted: str) -> Trial:
    by_frame = [{"people": 9 - distance, "score": each} for distance, each in enumerate(scores)]
    by_frame[-1] |= noted
    return Trial({"width": number}, stage, "val", {"oks.AP": 0.5}, {}, notes={"by_frame": by_frame})


def results(*trials: Trial) -> Results:
    objective = Objective("oks.AP", maximize=True, is_cost=False)
    return Results((METRIC,), (objective,), trials, True, trials[-1])


def test_a_row_a_frame_has_the_answer_and_the_candidates() -> None:
    shorter, longer = trial(1, [0.5, 0.1]), trial(2, [0.5, 0.3, 0.2])
    (section,) = distance_sections(results(shorter, longer, trial(1, [0.6, 0.45, 0.4], stage="final")))
    rows = [row.split("</tr>")[0] for row in section.html.split("<tr>")[2:]]
    assert len(rows) == 3
    assert all(word in rows[1] for word in ("1 after it", "0.450", "<td>8</td>", "0.200", "0.100 to 0.300"))
    assert "0.200 to 0.200" in rows[2], "the shorter clips have no such frame"
    assert section.html.count("src=") == len(section.pictures) == 1


def test_what_was_not_measured_is_a_dash_with_its_reason() -> None:
    (section,) = distance_sections(results(trial(1, [0.6, None], stage="final", reason="no head <box>")))
    assert "1 after it: no head &lt;box&gt;" in section.html
    assert "–" in section.html
    assert "candidates" not in section.html


def test_networks_of_single_images_have_no_such_section() -> None:
    assert distance_sections(results(Trial({}, "final", "val", {"oks.AP": 0.5}, {}))) == []
