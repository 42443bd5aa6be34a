"""The table: every genotype of a small space, trained alone several times and scored."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from posenas import Genotype, PosenasError, genotype_id

_FILE = "table.json"
_AGAIN = "make the table with benchmarks/tabular.py of the repository"


@dataclass(frozen=True)
class Training:
    """One training of a genotype alone, from fresh weights.

    Attributes:
        ranking: its score on the ranking people, which a search sees.
        loss: its least loss on them after any epoch.
        val: its score on `val`, which no search sees.
        seconds: what one core took for it.
    """

    ranking: float
    loss: float
    val: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """One genotype of the table.

    Attributes:
        trainings: one for each seed, in the order of the seeds.
        costs: of its pose network, by name; `latency_ms` is that of the machine that made the table.
        proxies: figures that promise to tell good genotypes without a training, by name.
        shared: its score on the ranking people with its part of one super-network's weights.
    """

    genotype: Genotype
    trainings: Sequence[Training]
    costs: Mapping[str, float]
    proxies: Mapping[str, float]
    shared: float

    @property
    def val(self) -> float:
        """The mean score on `val`, by which the table judges the genotype."""
        return statistics.fmean(training.val for training in self.trainings)


@dataclass(frozen=True)
class Table:
    """All genotypes of a space, with what their trainings gave.

    Attributes:
        metric: the qualified name of the score, such as `oks.AP`.
        dimensions: the values of each dimension, from cheap to dear.
        rows: one for each combination of the values.
        settings: how the rows were made, in words and figures.
    """

    metric: str
    dimensions: Mapping[str, Sequence[Any]]
    rows: Sequence[Row]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [each for each in combinations(self.dimensions) if genotype_id(each) not in self._by_id]
        if missing:
            raise PosenasError(
                f"the table lacks {len(missing)} of its genotypes, such as {missing[0]}; {_AGAIN}"
            )
        if len({len(row.trainings) for row in self.rows}) != 1 or not self.rows[0].trainings:
            raise PosenasError(f"the table's rows differ in their number of trainings; {_AGAIN}")

    @cached_property
    def _by_id(self) -> Mapping[str, Row]:
        return {genotype_id(row.genotype): row for row in self.rows}

    def row(self, genotype: Genotype) -> Row:
        """Return the row of a genotype.

        Raises:
            PosenasError: where the table has none.
        """
        found = self._by_id.get(genotype_id(genotype))
        if found is None:
            raise PosenasError(f"the table has no genotype {dict(genotype)}; it has {dict(self.dimensions)}")
        return found


def combinations(dimensions: Mapping[str, Sequence[Any]]) -> list[Genotype]:
    """Return every combination of the dimensions' values; the last dimension changes fastest."""
    return [dict(zip(dimensions, values, strict=True)) for values in product(*dimensions.values())]


def read_table(path: Path | None = None) -> Table:
    """Return the table of a file, or the package's own.

    Raises:
        PosenasError: where there is no such file, it is no table, or it is not complete.
    """
    source = files("posenas_bench") / _FILE if path is None else path
    if not source.is_file():
        raise PosenasError(f"{source}: there is no table; {_AGAIN}, or give one by --table")
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
        rows = [_row(each) for each in record["rows"]]
        told = {name: record[name] for name in ("metric", "dimensions", "settings")}
    except (ValueError, KeyError, TypeError) as error:
        raise PosenasError(f"{source}: is no table ({error!r}); {_AGAIN}") from error
    return Table(rows=rows, **told)


def write_table(table: Table, path: Path) -> None:
    """Write a table as JSON, with one line for each row."""
    head = {"metric": table.metric, "dimensions": table.dimensions, "settings": table.settings}
    rows = ",\n".join(json.dumps(asdict(row)) for row in table.rows)
    path.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{rows}\n]}}\n', encoding="utf-8")


def _row(record: Mapping[str, Any]) -> Row:
    trainings = [Training(**each) for each in record["trainings"]]
    return Row(**{**record, "trainings": trainings})
