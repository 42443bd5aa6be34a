from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from made_up_tables import BEST, made_up_table
from posenas import Limit, PosenasError
from posenas_bench.cli import STANDARD, posenas_bench
from posenas_bench.plot import regret_chart
from posenas_bench.searches import best_val, compare, load_strategy
from posenas_bench.table import write_table

SMALL = "weights=scratch candidates=10"


def test_regret_falls_and_is_of_the_mean_scores() -> None:
    strategy, _ = load_strategy(f"random {SMALL}")
    table = made_up_table(noise=0.0)
    found = compare(strategy, table, words="random", seeds=3, limits=())
    assert table.row(BEST).val == best_val(table, ())
    for search in found.searches:
        assert len(search.regrets) == search.trainings == 10
        assert list(search.regrets) == sorted(search.regrets, reverse=True)
        assert search.answer == search.regrets[-1] >= 0
    assert len({tuple(search.regrets) for search in found.searches}) == 3


def test_scoring_everything_without_noise_has_no_regret() -> None:
    strategy, _ = load_strategy("random weights=scratch candidates=40")
    found = compare(strategy, made_up_table(noise=0.0), words="random", seeds=2, limits=())
    assert found.mean_regret == found.deviation == 0.0


def test_shared_weights_cost_no_trainings() -> None:
    strategy, _ = load_strategy("evolution weights=shared candidates=12 population=4")
    (search,) = compare(strategy, made_up_table(), words="evolution", seeds=1, limits=()).searches
    assert search.trainings == 0
    assert len(search.regrets) == 12


def test_a_limit_bounds_the_best() -> None:
    table, limits = made_up_table(noise=0.0), (Limit("gmacs", most=0.005),)
    assert best_val(table, limits) < best_val(table, ())
    strategy, parsed = load_strategy(f"evolution {SMALL} population=4", limits=["gmacs<=0.005"])
    assert tuple(parsed) == limits
    found = compare(strategy, table, words="evolution", seeds=2, limits=parsed)
    assert all(search.answer >= 0 for search in found.searches)


def test_options_behind_the_name_overrule_the_others() -> None:
    strategy, _ = load_strategy("random candidates=3", options=["strategy.candidates=9", "strategy.epochs=2"])
    assert (strategy.candidates, strategy.epochs) == (3, 2)  # type: ignore[attr-defined]


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(PosenasError, match="nosuch"):
        load_strategy("nosuch")
    with pytest.raises(PosenasError, match="'candidates' is no option"):
        load_strategy("random", options=["candidates"])
    with pytest.raises(PosenasError, match="cake"):
        load_strategy("random cake=1")


def test_the_chart_is_a_picture() -> None:
    strategy, _ = load_strategy(f"random {SMALL}")
    found = [
        compare(strategy, made_up_table(), words=f"of {seeds}", seeds=seeds, limits=()) for seeds in (1, 3)
    ]
    assert regret_chart(found).startswith(b"\x89PNG")


def test_the_command_runs_named_strategies_and_draws(tmp_path: Path) -> None:
    write_table(made_up_table(), tmp_path / "table.json")
    told = CliRunner().invoke(
        posenas_bench,
        ["run", "--strategy", f"random {SMALL}", "--strategy", "predictor", "-o", "strategy.candidates=10"]
        + ["-o", "strategy.first=6", "-o", "strategy.weights=scratch", "--seeds", "2"]
        + ["--table", str(tmp_path / "table.json"), "--plot", str(tmp_path / "plot.png")],
        catch_exceptions=False,
    )
    assert told.exit_code == 0
    assert "random weights=scratch candidates=10" in told.output
    assert "predictor" in told.output
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", STANDARD)
def test_the_standard_searches_are_known(words: str) -> None:
    strategy, _ = load_strategy(words)
    assert strategy.candidates == 32  # type: ignore[attr-defined]
