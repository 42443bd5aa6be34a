"""The report of an evolution: its data against slow computations from the trials, and its page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from nas_evo.descent import Descent, descent_of, fitness_of, with_descent
from nas_evo.report.charts import fitness_picture, losses_picture
from nas_evo.report.family import Family, GeneChange, changed_genes, read_family
from nas_evo.report.layout import Place, lay_out
from nas_evo.report.tables import generation_table, winners_line
from nas_evo.report.tree import family_picture
from posenas import Metric, Results, Trial, genotype_id
from posenas.charts import whole_ticks
from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.trial import trial_from_dict
from posenas.learning.inference import EvaluationSettings
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.report import write_report
from posenas.reporting.report.caveats import caveats
from posenas.reporting.report.checklist import checklist
from posenas.reporting.results import make_results
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run

RECIPE = recipe_from_tables({})
PICTURES = {"family.png", "fitness.png", "losses.png"}
GENES = [f"stage{stage}.{gene}" for stage in (1, 2, 3) for gene in ("depth", "width")]


def evolve(*, generations: int, children: int, failing: float = 0.0, last: int | None = None) -> list[Trial]:
    """Candidates of an evolution with four parents and elitism; the last generation may be short."""
    rng = Random(generations * 1000 + children)
    trials = [network(rng, dict.fromkeys(GENES, 64), generation=0, parent=None)]
    for generation in range(1, generations + 1):
        fit = [trial for trial in trials if fitness_of(trial) is not None]
        parents = sorted(fit, key=lambda trial: fitness_of(trial) or 0.0)[:4]
        unfinished = last is not None and generation == generations
        for index in range(last or 0 if unfinished else children):
            parent = parents[index % len(parents)]
            genes = {**parent.genotype, rng.choice(GENES): rng.randrange(65, 10**6)}
            child = network(rng, genes, generation=generation, parent=parent.id)
            trials.append(broken(child) if rng.random() < failing else child)
    return trials


def network(rng: Random, genotype: Mapping[str, Any], *, generation: int, parent: str | None) -> Trial:
    size = rng.randrange(2_000_000, 5_000_000)
    loss = (1 + rng.random()) * 0.9**generation
    trial = Trial(
        genotype=genotype,
        stage="candidate",
        split="ranking",
        metrics={"oks.AP": rng.random()},
        costs={"gmacs": size / 1e7, "parameters": size - 9, "parameters_with_statistics": size},
        weights=f"{genotype_id(genotype)}.safetensors",
        loss=loss,
        inherited=None if parent is None else rng.random(),
    )
    return with_descent(trial, Descent(generation, parent, loss * (5e6 / size) ** -0.07))


def broken(trial: Trial) -> Trial:
    descent = descent_of(trial)
    assert descent is not None
    failed = replace(trial, metrics={}, loss=None, weights=None, failure="no memory")
    return with_descent(failed, replace(descent, fitness=None))


def finish(trials: list[Trial]) -> list[Trial]:
    fit = [trial for trial in trials if fitness_of(trial) is not None]
    winner = min(fit, key=lambda trial: fitness_of(trial) or 0.0)
    metrics, weights = {"oks.AP": 0.7654}, "final.safetensors"
    return [*trials, replace(winner, stage="final", split="val", metrics=metrics, weights=weights)]


def results_of(trials: list[Trial]) -> Results:
    finished = trials[-1].stage == "final"
    return make_results(RECIPE, (Metric("oks.AP"),), tuple(trials), finished=finished)


def family_of(trials: list[Trial]) -> Family:
    family = read_family(results_of(trials))
    assert family is not None
    return family


RUNS = {
    "three by four": finish(evolve(generations=3, children=4)),
    "twelve by 64": finish(evolve(generations=12, children=64, failing=0.05)),
    "unfinished": evolve(generations=5, children=16, failing=0.3, last=7),
    "ancestor alone": evolve(generations=0, children=0),
    "all failed": [broken(trial) for trial in evolve(generations=1, children=3)],
}


@pytest.fixture(params=RUNS)
def trials(request: pytest.FixtureRequest) -> list[Trial]:
    return RUNS[request.param]


def records_of(trials: list[Trial]) -> dict[str, dict[str, Any]]:
    """Candidates as their file has them, by id."""
    return {trial.id: trial.as_dict() for trial in trials if trial.stage == "candidate"}


def segments_of(trials: list[Trial]) -> Iterator[tuple[Place, Place]]:
    for line in set(map(tuple, lay_out(family_of(trials)).lines.values())):
        yield from pairwise(line)


def test_every_network_stands_in_its_generation_and_every_line_leads_to_its_parent(
    trials: list[Trial],
) -> None:
    layout, records = lay_out(family_of(trials)), records_of(trials)
    assert {name: y for name, (_, y) in layout.places.items()} == {
        name: record["descent"]["generation"] for name, record in records.items()
    }
    parents = {name: record["descent"]["parent"] for name, record in records.items()}
    assert set(layout.lines) == {name for name, parent in parents.items() if parent is not None}
    for name, line in layout.lines.items():
        first, last = layout.places[parents[name]], layout.places[name]
        assert (line[0], line[-1]) == (first, last)
        assert [y for _, y in line] == list(range(first[1], last[1] + 1))


def test_no_two_lines_cross_and_none_passes_through_a_network(trials: list[Trial]) -> None:
    segments = set(segments_of(trials))
    crossings = [
        (one, other)
        for one in segments
        for other in segments
        if one[0][1] == other[0][1] and (one[0][0] - other[0][0]) * (one[1][0] - other[1][0]) < 0
    ]
    assert crossings == []
    layout = lay_out(family_of(trials))
    networks = set(layout.places.values())
    assert len(networks) == len(layout.places)
    assert not any(place in networks for line in layout.lines.values() for place in line[1:-1])


def test_each_generation_is_evenly_spread(trials: list[Trial]) -> None:
    layout = lay_out(family_of(trials))
    places = {*layout.places.values(), *(place for line in layout.lines.values() for place in line)}
    for generation, slots in layout.slots.items():
        found = sorted(x for x, y in places if y == generation)
        assert found == pytest.approx([(2 * rank + 1) / (2 * slots) for rank in range(slots)])


def test_the_checked_runs_have_lines_over_several_generations() -> None:
    lengths = {len(line) for line in lay_out(family_of(RUNS["twelve by 64"])).lines.values()}
    assert len(lengths) > 1


def line_by_hand(trials: list[Trial]) -> list[str]:
    records = records_of(trials)
    fit = [
        (record["descent"]["fitness"], name)
        for name, record in records.items()
        if record["descent"]["fitness"] is not None
    ]
    if not fit:
        return []
    line = [min(fit)[1]]
    while records[line[0]]["descent"]["parent"] is not None:
        line.insert(0, records[line[0]]["descent"]["parent"])
    return line


def test_the_line_runs_from_the_ancestor_to_the_winner(trials: list[Trial]) -> None:
    assert [network.id for network in family_of(trials).line] == line_by_hand(trials)


def test_the_winner_is_what_the_search_chose_and_not_the_fittest() -> None:
    candidates = evolve(generations=2, children=4)
    third = sorted(candidates, key=lambda trial: fitness_of(trial) or 0.0)[2]
    family = family_of([*candidates, replace(third, stage="final", split="val")])
    assert family.finished
    assert family.winner is not None
    assert (family.winner.id, family.winner.trial.stage) == (third.id, "candidate")
    assert not family_of(candidates).finished


def test_winners_line_tells_what_the_mutation_changed(trials: list[Trial]) -> None:
    records, line = records_of(trials), line_by_hand(trials)
    steps = winners_line(family_of(trials))
    assert [step.size for step in steps] == [
        records[name]["costs"]["parameters_with_statistics"] for name in line
    ]
    for step, name in zip(steps, line, strict=True):
        parent, child = records[name]["descent"]["parent"], records[name]["genotype"]
        before = child if parent is None else records[parent]["genotype"]
        expected = [
            (gene, str(before[gene]), str(child[gene])) for gene in GENES if before[gene] != child[gene]
        ]
        assert [tuple(change) for change in step.changes] == expected
        assert len(expected) == (parent is not None)


def test_changed_genes_of_any_kind() -> None:
    parent = {"kernel": 3, "blocks": [1, 2], "attention": "se", "flag": 1, "gone": None, "same": [1]}
    child = {"kernel": 3, "blocks": [1, 3], "attention": "none", "flag": True, "same": [1], "new": 0.5}
    assert changed_genes(parent, child) == [
        GeneChange("blocks", "[1,2]", "[1,3]"),
        GeneChange("attention", "se", "none"),
        GeneChange("flag", "1", "true"),
        GeneChange("gone", "null", ""),
        GeneChange("new", "", "0.5"),
    ]


def test_generation_table_by_hand(trials: list[Trial]) -> None:
    records = list(records_of(trials).values())
    table = generation_table(family_of(trials))
    assert [row.number for row in table] == sorted({record["descent"]["generation"] for record in records})
    for row in table:
        own = [record for record in records if record["descent"]["generation"] == row.number]
        earlier = [record for record in records if record["descent"]["generation"] <= row.number]
        figures = sorted(one["descent"]["fitness"] for one in own if one["failure"] is None)
        shares = [one["inherited"] for one in own if one["inherited"] is not None]
        assert (row.networks, row.failed) == (len(own), len(own) - len(figures))
        assert row.best == (figures[0] if figures else None)
        known = [one["descent"]["fitness"] for one in earlier if one["failure"] is None]
        assert row.best_so_far == (sorted(known)[0] if known else None)
        number = len(figures)
        middle = (figures[(number - 1) // 2] + figures[number // 2]) / 2 if figures else None
        assert row.median == pytest.approx(middle)
        assert row.inherited == pytest.approx(sum(shares) / len(shares) if shares else None)


def test_a_parent_that_is_not_known_or_not_earlier_ends_the_line() -> None:
    trials = evolve(generations=1, children=2)
    one, other = trials[1:]
    lost = with_descent(one, Descent(1, "0123456789", 0.1))
    family = family_of([lost])
    assert [network.id for network in family.line] == [one.id]
    assert lay_out(family).lines == {}
    circle = [
        with_descent(one, Descent(1, other.id, 0.1)),
        with_descent(other, Descent(1, one.id, 0.2)),
    ]
    assert [network.id for network in family_of(circle).line] == [one.id]


def test_a_picture_that_has_nothing_to_show_is_none() -> None:
    failed = family_of(RUNS["all failed"])
    assert (fitness_picture(failed), losses_picture(failed)) == (None, None)
    assert family_picture(failed).startswith(b"\x89PNG")
    costless = [replace(trial, costs={"gmacs": 1.0}) for trial in RUNS["three by four"]]
    assert losses_picture(family_of(costless)) is None


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 1), (0, 12), (2, 40), (0, 1000)])
def test_generation_ticks_are_whole_and_few(first: int, last: int) -> None:
    ticks = list(whole_ticks([last, first]))
    assert ticks[0] == first
    assert ticks[-1] <= last < ticks[-1] + (ticks[1] - ticks[0] if len(ticks) > 1 else 1)
    assert len(ticks) <= 17
    assert last > 15 or ticks == list(range(first, last + 1))


def statements(trials: list[Trial]) -> dict[str, str]:
    settings = EvaluationSettings()
    return dict(
        caveats(
            results_of(trials), RECIPE, settings=settings, installed=installed_costs(), evidence=Evidence()
        )
    )


def test_evolved_candidates_inherit_weights_and_share_none() -> None:
    said = statements(RUNS["unfinished"])  # several failed, so several have no weights at all
    assert "Weights" not in said
    assert "trained briefly" in said["Inheritance"]
    assert "biased downward" in said["Inheritance"]
    asked = [point.asked for point in checklist(results_of(RUNS["unfinished"]), RECIPE, evidence=Evidence())]
    assert not any("Shared-weight" in one for one in asked)
    shared = [replace(trial, inherited=None, weights="one.safetensors") for trial in RUNS["unfinished"]]
    assert "Inheritance" not in statements(shared)
    assert "Weights" in statements(shared)


def make_run(path: Path, trials: list[Trial], *, without: tuple[str, ...] = ()) -> Path:
    recipe = recipe_from_tables(
        {"dataset": {"name": "coco", "root": "nowhere"}, "strategy": {"name": "neuroevolution"}}
    )
    create_run(path, recipe)
    records = [trial.as_dict() for trial in trials]
    kept = [{name: value for name, value in record.items() if name not in without} for record in records]
    (path / "trials.json").write_text(json.dumps(kept, sort_keys=True))
    if trials[-1].stage == "final":
        (path / "best").mkdir()
        (path / "best" / "trial.json").write_text(json.dumps(kept[-1]))
    return path


def text_of(page: Path) -> str:
    body = page.read_text().partition("<body>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def files_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "report").iterdir()}


def test_page_of_a_finished_evolution(tmp_path: Path) -> None:
    trials = RUNS["three by four"]
    run = make_run(tmp_path / "run", trials)
    page = write_report(run)
    text, files, records = text_of(page), files_of(run), records_of(trials)
    assert set(files) == {"report.html", "pareto.png", *PICTURES}
    embedded = re.findall(r'src="data:image/png;base64,([^"]*)"', page.read_text())
    assert [base64.b64decode(picture) for picture in embedded] == [
        files[name] for name in ("family.png", "fitness.png", "losses.png")
    ]
    assert "Candidates 13 ranked by fitness on held-out training images" in text
    line = line_by_hand(trials)
    assert len(line) > 2
    for parent, name in pairwise(line):
        before, record = records[parent]["genotype"], records[name]
        after, descent = record["genotype"], record["descent"]
        (gene,) = (gene for gene in GENES if before[gene] != after[gene])
        parameters = f"{record['costs']['parameters_with_statistics']:,}"
        assert (
            f"{descent['generation']} {name} {gene}: {before[gene]} → {after[gene]} "
            f"{descent['fitness']:#.4g} {record['loss']:#.4g} {parameters} {record['inherited']:.3f}"
        ) in text
    own = sorted(fitness_of(trial) or 0.0 for trial in trials[5:9])
    share = sum(trial.inherited or 0.0 for trial in trials[5:9]) / 4
    assert f"2 4 0 {own[0]:#.4g} {(own[1] + own[2]) / 2:#.4g} {share:.3f}" in text
    assert f"0 {line[0]} {fitness_of(trials[0]):#.4g}" in text
    assert "not comparable with the dots: the weights are others, and so are the people." in text


def test_page_of_an_evolution_names_no_command_that_refuses_it(tmp_path: Path) -> None:
    text = text_of(write_report(make_run(tmp_path / "run", RUNS["three by four"])))
    assert "posenas compare" not in text
    assert text.count("which random ones cannot") == 1


def test_page_of_a_control_without_inheritance_promises_no_comparison(tmp_path: Path) -> None:
    trials = [replace(trial, inherited=None) for trial in RUNS["three by four"]]
    text = text_of(write_report(make_run(tmp_path / "run", trials)))
    assert "posenas compare" not in text
    assert "inherited weights" not in text


def test_page_tells_where_the_final_score_is_of_the_candidates_weights(tmp_path: Path) -> None:
    *trials, final = RUNS["three by four"]
    kept = replace(final, weights=f"{final.id}.safetensors")
    text = text_of(write_report(make_run(tmp_path / "run", [*trials, kept])))
    assert "not comparable with the dots: the people are others." in text


def test_page_of_an_unfinished_evolution(tmp_path: Path) -> None:
    trials = RUNS["unfinished"]
    run = make_run(tmp_path / "run", trials)
    text = text_of(write_report(run))
    assert set(files_of(run)) > PICTURES
    assert "From the ancestor to the fittest so far" in text
    assert f"The best candidate is {line_by_hand(trials)[-1]} :" in text
    assert f"{len(results_of(trials).ranked)} ranked by fitness on" in text
    assert "no memory" in text
    failed = sum(fitness_of(trial) is None for trial in trials[-7:])
    assert f"5 7 {failed} " in text


def test_page_of_an_evolution_where_all_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", RUNS["all failed"])
    text = text_of(write_report(run))
    assert set(files_of(run)) == {"report.html", "family.png"}
    assert "1 3 3 – – " in text
    assert "From the ancestor" not in text


@pytest.mark.parametrize("without", [(), ("loss", "inherited")])
def test_other_searches_have_no_family(tmp_path: Path, without: tuple[str, ...]) -> None:
    """The second as an older version wrote it."""
    trials = [replace(trial, notes={}, ranking={}) for trial in RUNS["three by four"]]
    run = make_run(tmp_path / "run", trials, without=without)
    text = text_of(write_report(run))
    assert set(files_of(run)) == {"report.html", "pareto.png"}
    assert "Evolution" not in text
    assert "ranked by oks.AP on" in text


def test_a_trial_comes_back_from_its_file_with_its_descent() -> None:
    for trial in RUNS["unfinished"]:
        found = trial_from_dict(json.loads(json.dumps(trial.as_dict())))
        assert found == trial
        assert descent_of(found) == descent_of(trial)
    old = {**RUNS["unfinished"][0].as_dict(), "descent": None, "ablations": {}}
    assert descent_of(trial_from_dict(old)) is None


def test_same_evolution_again_is_the_same_bytes(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, RUNS["unfinished"]) for name in ("one", "two")]
    for run in runs:
        write_report(run)
    assert files_of(runs[0]) == files_of(runs[1])
