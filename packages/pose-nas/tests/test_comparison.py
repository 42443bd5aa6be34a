"""Random networks of equal cost, rank correlation, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from posenas.cli import posenas as root_command
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.settings import SETTINGS_TABLES
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, genotype_id, sample_uniform
from posenas.contract.goals import MetricLimit
from posenas.contract.scores import Metric
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.comparison.compare import winner_of
from posenas.reporting.comparison.equal_cost import draw_equal_cost
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.comparison.rank_correlation import kendall_tau, tau_interval
from posenas.reporting.comparison.record import Comparison
from posenas.reporting.comparison.repeats import Repeats, read_repeats, write_repeats
from posenas.reporting.comparison.verdict import judge
from posenas.reporting.report.caveats import caveats
from posenas.reporting.report.checklist import checklist
from posenas.reporting.results import make_results
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import Run


class Widths:
    def dimensions(self) -> Mapping[str, Choice]:
        return {f"w{index}": Choice((1, 2, 4, 8)) for index in range(6)}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)


def total(genotype: Genotype, name: str) -> float:
    assert name == "macs"
    return float(sum(genotype.values()))


@pytest.mark.parametrize(
    "wanted", [{f"w{i}": 4 for i in range(6)}, {f"w{i}": 8 if i else 4 for i in range(6)}]
)
def test_genotypes_of_equal_cost_are_new_and_cost_as_much(wanted: Genotype) -> None:
    """Also at the dear end of the space, where hardly any draw costs as much."""
    drawn = draw_equal_cost(
        Widths(),
        wanted,
        5,
        name="macs",
        tolerance=0.1,
        cost=total,
        rng=Random(0),  # type: ignore[arg-type]
    )
    assert len({genotype_id(genotype) for genotype in drawn}) == len(drawn) == 5
    assert wanted not in drawn
    assert all(abs(total(one, "macs") / total(wanted, "macs") - 1) <= 0.1 for one in drawn)


def test_where_nothing_costs_as_much_the_draws_end() -> None:
    largest = {f"w{index}": 8 for index in range(6)}
    with pytest.raises(PosenasError, match=r"no other genotype with macs within 5% of 48 was found"):
        draw_equal_cost(
            Widths(),
            largest,
            5,
            name="macs",
            tolerance=0.05,
            cost=total,
            rng=Random(0),  # type: ignore[arg-type]
        )


def test_kendall_equals_scipy_with_and_without_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for values in (1000, 4):
        for _ in range(20):
            x, y = rng.integers(0, values, (2, 12)).astype(float)
            assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert np.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_the_interval_covers_the_tau_of_the_whole_and_shrinks() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for number in (12, 200):
        x = rng.normal(size=number)
        y = x + rng.normal(size=number)
        low, high = tau_interval(x, y, resamplings=400)
        assert low < kendall_tau(x, y) < high
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def trial(name: str, score: float, stage: str = "candidate") -> Trial:
    split = "val" if stage in ("final", "random, trained") else "ranking"
    return Trial({"name": name}, stage, split, {"oks.AP": score}, {"gmacs": 1.0}, weights="shared")


RECIPE = recipe_from_tables({})


def results(*trials: Trial) -> Results:
    return make_results(RECIPE, (Metric("oks.AP"),), trials, finished=trials[-1].stage == "final")


RUN = (trial("a", 0.2), trial("b", 0.5), trial("c", 0.4), trial("d", 0.3), trial("b", 0.7, "final"))


def test_the_verdict_counts_and_the_page_says_so() -> None:
    comparison = Comparison(
        "gmacs",
        0.05,
        1,
        random=tuple(
            trial(name, score, "random") for name, score in zip("efg", (0.1, 0.6, 0.4), strict=True)
        ),
        trained=(trial("e", 0.6, "random, trained"), trial("f", 0.65, "random, trained")),
        alone=tuple(trial(n, s, "alone") for n, s in zip("abcd", (0.3, 0.6, 0.5, 0.55), strict=True)),
    )
    verdict = judge(comparison, results(*RUN))
    assert verdict is not None
    assert verdict.candidates is not None
    assert verdict.trained is not None
    assert verdict.correlation is not None
    assert (verdict.candidates.winner, verdict.candidates.median, verdict.candidates.beaten) == (0.5, 0.4, 2)
    assert (verdict.candidates.best, verdict.candidates.worst) == (0.6, 0.1)
    assert (verdict.trained.winner, verdict.trained.median, verdict.trained.beaten) == (0.7, 0.625, 2)
    assert verdict.correlation.tau == pytest.approx(2 / 3)
    sentences = list(verdict.sentences())
    assert "better than 2 of 3 random networks of equal cost (gmacs within 5%)" in sentences[0]
    points = {
        point.asked: point.fulfilled for point in checklist(results(*RUN), RECIPE, evidence=Evidence(verdict))
    }
    before = {point.asked: point.fulfilled for point in checklist(results(*RUN), RECIPE, evidence=Evidence())}
    changed = {asked for asked in points if points[asked] != before[asked]}
    assert len(changed) == 3
    assert all(points[asked] and before[asked] is False for asked in changed)


def test_a_random_network_that_misses_a_limit_on_a_metric_is_worse() -> None:
    """A limit of 0.55, lower is better: the winner's 0.5 keeps it, so the random 0.6 does not beat it."""
    random = tuple(trial(name, score, "random") for name, score in zip("ef", (0.6, 0.54), strict=True))
    comparison = Comparison("gmacs", 0.05, 1, random, (), ())
    limited = replace(results(*RUN), metric_limits=(MetricLimit("oks.AP", 0.55, higher_is_better=False),))
    beaten = [judge(comparison, found) for found in (results(*RUN), limited)]
    assert [each.candidates.beaten for each in beaten if each and each.candidates] == [0, 1]
    settings, installed = SETTINGS_TABLES["evaluation"](), installed_costs()
    evidence = Evidence(beaten[1])
    said = dict(caveats(limited, RECIPE, settings=settings, evidence=evidence, installed=installed))["Limits"]
    assert "Against random networks, one that misses a limit counts as worse than one that does not." in said


def test_without_distinct_scores_there_is_no_correlation() -> None:
    comparison = Comparison("gmacs", 0.05, 1, (), (), tuple(trial(name, 0.0, "alone") for name in "abcd"))
    verdict = judge(comparison, results(*RUN))
    assert verdict is not None
    assert (verdict.correlation, verdict.candidates, list(verdict.sentences())) == (None, None, [])


def test_seeds_are_kept_and_their_spread_replaces_the_caveat(tmp_path: Path) -> None:
    repeats = Repeats((4, 5, 6), "oks.AP", {seed: trial("b", seed / 10, "final") for seed in (4, 5, 6)})
    write_repeats(tmp_path, repeats)
    assert read_repeats(tmp_path) == repeats
    assert "oks.AP 0.500 ± 0.100" in repeats.sentence()
    settings, installed = SETTINGS_TABLES["evaluation"](), installed_costs()
    said, unknown = (
        dict(caveats(results(*RUN), RECIPE, settings=settings, evidence=evidence, installed=installed))
        for evidence in (Evidence(repeats=repeats), Evidence())
    )
    assert "0.500 ± 0.100" in said["Spread"]
    assert "is not known" in unknown["Spread"]
    one = Repeats((4, 5, 6), "oks.AP", {4: trial("b", 0.4, "final")})
    assert "no spread can be told yet" in one.sentence()
    (tmp_path / "seeds.json").write_text("[]")
    with pytest.raises(PosenasError, match="cannot be read as a repeated search"):
        read_repeats(tmp_path)
    assert read_repeats(tmp_path / "elsewhere") is None


def test_a_smaller_comparison_keeps_what_a_larger_one_found() -> None:
    def made(number: int, *, tolerance: float = 0.05, epochs: int = 2, alone: int = 0) -> Comparison:
        names = "efghij"
        return Comparison(
            "gmacs",
            tolerance,
            epochs,
            random=tuple(trial(name, 0.1, "random") for name in names[:number]),
            trained=(trial("e", 0.6, "random, trained"),),
            alone=tuple(trial(name, 0.3, "alone") for name in "abcd"[:alone]),
        )

    assert made(2).joined(made(5, alone=3)) == made(5, alone=3)
    assert made(5).joined(made(2)) == made(5)
    assert made(2).joined(made(5, tolerance=0.1)) == made(2)
    assert made(2, epochs=9).joined(made(2, alone=3)) == made(2, alone=3)  # keeps the epochs with the trials
    assert made(2, epochs=9, alone=2).joined(made(2, alone=3)) == made(2, epochs=9, alone=2)
    assert made(2).joined(None) == made(2)


def test_equal_scores_are_called_equal() -> None:
    comparison = Comparison("gmacs", 0.05, 1, (trial("e", 0.5, "random"), trial("f", 0.4, "random")), (), ())
    verdict = judge(comparison, results(*RUN))
    assert verdict is not None
    assert "better than 1 and equal to 1 of 2 random networks" in next(verdict.sentences())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"loss": 0.5, "inherited": 0.9}, "inherited weights from their parents"),
        ({"loss": 0.5}, "were trained one by one"),
    ],
)
def test_candidates_that_random_genotypes_cannot_be_like_are_refused(
    changes: dict[str, Any], reason: str
) -> None:
    run = Run(Path("run"))
    assert winner_of(run, results(*RUN)) == RUN[1]
    changed = [replace(trial, weights=trial.id, **changes) for trial in RUN[:-1]]
    with pytest.raises(PosenasError, match=reason):
        winner_of(run, results(*changed, RUN[-1]))
    points = list(checklist(results(*changed, RUN[-1]), RECIPE, evidence=Evidence()))
    assert not any("posenas compare" in point.why for point in points)


def test_a_tolerance_that_is_no_number_is_refused(tmp_path: Path) -> None:
    refused = CliRunner().invoke(root_command, ["compare", str(tmp_path), "--tolerance", "nan"]).exception
    assert isinstance(refused, PosenasError)
    assert str(refused) == "--tolerance nan: not a number; give one"
