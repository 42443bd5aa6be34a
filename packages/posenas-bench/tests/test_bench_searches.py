from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_up_tables import BEST, made_up_table
from posenas import Limit, PosenasError, Problem, Relaxed, Trial
from posenas_bench.cli import STANDARD, main, posenas_bench
from posenas_bench.plot import regret_chart
from posenas_bench.searches import best_val, compare, named_strategy, parse_limit
from posenas_bench.table import write_table


@dataclass(frozen=True)
class Learner:
    """A strategy that learns real values, of which a table has none."""

    def requires(self) -> Sequence[type]:
        return (Relaxed,)

    def search(self, problem: Problem) -> Iterator[Trial]:
        raise AssertionError(problem)


SMALL = "weights=scratch candidates=10"


def test_regret_falls_and_is_of_the_mean_scores() -> None:
    strategy = named_strategy(f"random {SMALL}")
    table = made_up_table(noise=0.0)
    found = compare(strategy, table, words="random", seeds=3, limits=())
    assert table.row(BEST).val == best_val(table, ())
    for search in found.searches:
        assert len(search.regrets) == search.trainings == 10
        assert list(search.regrets) == sorted(search.regrets, reverse=True)
        assert search.answer == search.regrets[-1] >= 0
    assert len({tuple(search.regrets) for search in found.searches}) == 3


def test_scoring_everything_without_noise_has_no_regret() -> None:
    strategy = named_strategy("random weights=scratch candidates=40")
    found = compare(strategy, made_up_table(noise=0.0), words="random", seeds=2, limits=())
    assert found.mean_regret == found.deviation == 0.0


def test_shared_weights_cost_no_trainings() -> None:
    strategy = named_strategy("evolution weights=shared candidates=12 population=4")
    (search,) = compare(strategy, made_up_table(), words="evolution", seeds=1, limits=()).searches
    assert search.trainings == 0
    assert len(search.regrets) == 12


def test_a_limit_bounds_the_best() -> None:
    table, limits = made_up_table(noise=0.0), (Limit("gmacs", most=0.005),)
    assert best_val(table, limits) < best_val(table, ())
    strategy = named_strategy(f"evolution {SMALL} population=4")
    found = compare(strategy, table, words="evolution", seeds=2, limits=limits)
    assert all(search.answer >= 0 for search in found.searches)


def test_options_behind_the_name_overrule_the_others() -> None:
    strategy = named_strategy("random candidates=3", options=["strategy.candidates=9", "strategy.epochs=2"])
    assert (strategy.candidates, strategy.epochs) == (3, 2)  # type: ignore[attr-defined]


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(PosenasError, match="nosuch"):
        named_strategy("nosuch")
    with pytest.raises(PosenasError, match="'candidates' is no option"):
        named_strategy("random", options=["candidates"])
    with pytest.raises(PosenasError, match="cake"):
        named_strategy("random cake=1")


@pytest.mark.parametrize("text", ["gmacs<=1e", "gmacs<=1..2", "gmacs<=nan", "gmacs<=-1", "gmacs"])
def test_limits_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(PosenasError, match="write COST<=NUMBER"):
        parse_limit(text)


def test_an_open_quotation_is_refused() -> None:
    with pytest.raises(PosenasError, match="no closing quotation; close the quotation"):
        named_strategy('random "x')


def test_a_plot_that_cannot_be_written_is_refused_before_any_search(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "recipe.toml", tmp_path / "missing" / "regret.png"):
        refused = CliRunner().invoke(posenas_bench, ["run", "--plot", str(place)]).exception
        assert isinstance(refused, PosenasError)
        assert str(refused).startswith(f"--plot {place}: not a name that ends in .png")


def test_ctrl_c_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write_table(made_up_table(), tmp_path / "table.json")
    monkeypatch.setattr("posenas_bench.searches.compare", interrupted)
    monkeypatch.setattr("sys.argv", ["posenas-bench", "run", "--table", str(tmp_path / "table.json")])
    with pytest.raises(SystemExit, match=r"^posenas-bench: stopped; nothing was written$"):
        main()


def test_limits_are_read() -> None:
    assert parse_limit("gmacs<=0.01") == Limit("gmacs", most=0.01)
    assert parse_limit("parameters >= 1e4") == Limit("parameters", least=1e4)
    with pytest.raises(PosenasError, match="limit 'gmacs=1': write COST<=NUMBER"):
        parse_limit("gmacs=1")


def test_a_strategy_that_needs_more_than_a_table_is_refused() -> None:
    with pytest.raises(PosenasError, match="needs Relaxed of a space, which a table is not"):
        compare(Learner(), made_up_table(), words="learner", seeds=1, limits=())


def test_the_chart_is_a_picture() -> None:
    strategy = named_strategy(f"random {SMALL}")
    found = [
        compare(strategy, made_up_table(), words=f"of {seeds}", seeds=seeds, limits=()) for seeds in (1, 3)
    ]
    assert regret_chart(found).startswith(b"\x89PNG")


def test_the_command_runs_named_strategies_and_draws(tmp_path: Path) -> None:
    write_table(made_up_table(), tmp_path / "table.json")
    write = ["--table", str(tmp_path / "table.json"), "--plot", str(tmp_path / "plot.png")]
    strategies = ["--strategy", f"random {SMALL}", "--strategy", "predictor first=5", "--seeds", "2"]
    options = ["-o", "strategy.weights=scratch", "-o", "strategy.candidates=10"]
    told = CliRunner().invoke(posenas_bench, ["run", *strategies, *options, *write], catch_exceptions=False)
    assert told.exit_code == 0
    assert "random weights=scratch candidates=10" in told.output
    assert "predictor" in told.output
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", STANDARD)
def test_the_standard_searches_are_known(words: str) -> None:
    strategy = named_strategy(words)
    assert strategy.candidates == 32  # type: ignore[attr-defined]
