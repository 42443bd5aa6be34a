from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_tables import BEST, DIMENSIONS, made_up_table
from posenas import PosenasError
from posenas_bench.table import combinations, read_table, write_table


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = made_up_table()
    write_table(table, tmp_path / "table.json")
    assert read_table(tmp_path / "table.json") == table
    assert len((tmp_path / "table.json").read_text().splitlines()) > len(table.rows)


def test_a_row_is_found_by_its_genotype_in_any_order() -> None:
    row = made_up_table().row(dict(reversed(BEST.items())))
    assert row.genotype == BEST
    assert row.val == pytest.approx(sum(each.val for each in row.trainings) / 2)


def test_combinations_are_all_different() -> None:
    assert len({str(each) for each in combinations(DIMENSIONS)}) == 5 * 4 * 2


def test_a_table_with_a_hole_is_refused() -> None:
    table = made_up_table()
    with pytest.raises(PosenasError, match=r"lacks 2 of its genotypes, such as .*'depth': 1"):
        replace(table, rows=table.rows[2:])


def test_a_table_with_unlike_rows_is_refused() -> None:
    first, *others = made_up_table().rows
    with pytest.raises(PosenasError, match="differ in their number of trainings"):
        replace(made_up_table(), rows=[replace(first, trainings=first.trainings[:1]), *others])


def test_a_genotype_of_another_space_is_refused() -> None:
    with pytest.raises(PosenasError, match=r"the table has no genotype \{'depth': 9}"):
        made_up_table().row({"depth": 9})


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match="there is no table"):
        read_table(tmp_path / "table.json")
    (tmp_path / "table.json").write_text('{"rows": [{"genotype": {}}]}')
    with pytest.raises(PosenasError, match="is no table"):
        read_table(tmp_path / "table.json")
