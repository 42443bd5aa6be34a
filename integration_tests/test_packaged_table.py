"""The networks of `posenas-bench`'s table are those of `ofa`, at the costs that it says."""

from __future__ import annotations

from posenas.composing.compose import compose
from posenas.runs.recipe import recipe_from_tables
from posenas_bench.table import read_table


def test_costs_in_the_table_are_those_of_the_networks() -> None:
    table = read_table()
    settings = table.settings
    composition = compose(recipe_from_tables({**settings["recipe"], "strategy": {"name": "random"}}))
    order = composition.space.dimensions()
    for row in (table.rows[0], table.rows[71], table.rows[-1]):
        whole = {**settings["fixed"], **row.genotype}
        costs = composition.costs_of({name: whole[name] for name in order})
        assert {name: row.costs[name] for name in costs} == costs
