"""The table that the package brings: it is whole, and tells networks apart."""

from __future__ import annotations

import pytest
from posenas_bench.ranking import rankings, spread
from posenas_bench.searches import compare, named_strategy, parse_limit
from posenas_bench.table import Table, read_table


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table()


def test_it_has_every_network_trained_twice(table: Table) -> None:
    assert len(table.rows) == 144
    trainings = [each for row in table.rows for each in row.trainings]
    assert len(trainings) == 288
    assert all(0 < each.val < 1 and 0 < each.ranking < 1 and each.seconds > 0 for each in trainings)
    assert all(first.val != second.val for first, second in (row.trainings for row in table.rows))


def test_networks_differ_by_more_than_trainings_of_one(table: Table) -> None:
    between, within = spread(table)
    assert between > 2 * within


def test_larger_networks_cost_more(table: Table) -> None:
    for name, values in table.dimensions.items():
        for row in table.rows:
            if row.genotype[name] != values[0]:
                cheaper = table.row({**row.genotype, name: values[0]})
                assert row.costs["gmacs"] > cheaper.costs["gmacs"]


def test_each_figure_has_a_rank_correlation(table: Table) -> None:
    found = {each.name: each for each in rankings(table)}
    assert {"synflow", "naswot", "parameters", "gmacs", "shared weights", "another training"} <= set(found)
    assert found["gmacs"].tau > 0.3


def test_more_candidates_come_nearer_to_its_best(table: Table) -> None:
    limits = [parse_limit("gmacs<=0.012")]
    few, many = (
        compare(
            named_strategy(f"random weights=scratch candidates={number}", options=()),
            table,
            words=str(number),
            seeds=10,
            limits=limits,
        )
        for number in (2, 40)
    )
    assert many.mean_regret < few.mean_regret
