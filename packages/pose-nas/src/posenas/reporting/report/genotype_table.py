"""The table of the shown genotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from posenas.contract.components import Relaxed, SearchSpace
from posenas.contract.genotype import Genotype, Real, choice_texts, value_text

_FIGURE_SPACE = "\u2007"
"""As wide as a digit, so that numbers stand under each other."""


def genotype_table(genotype: Genotype, space: SearchSpace | None) -> Mapping[str, Any]:
    """Return the genotype as rows of cells, each a list of lines.

    Rows are by what stands before the last dot of a dimension's name, columns by what stands behind it.

    Args:
        genotype: the shown one.
        space: knows which dimensions are real; where it is None they are shown as they are.
    """
    dimensions = {} if space is None else space.dimensions()
    relaxed = isinstance(space, Relaxed)
    cells: dict[str, dict[str, Sequence[str]]] = {}
    in_percent = named = False
    for name in genotype:
        dimension = dimensions.get(name)
        shares = relaxed and _is_choice(dimension)
        in_percent |= shares
        named |= shares and isinstance(dimension, Real) and bool(dimension.alternatives)
        row, dot, column = name.rpartition(".")
        lines = value_lines(genotype, name, dimension=dimension, relaxed=relaxed)
        cells.setdefault(row if dot else name, {})[column if dot else "value"] = lines
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    return {
        "columns": columns,
        "rows": [(row, [values.get(column, [""]) for column in columns]) for row, values in cells.items()],
        "in_percent": in_percent,
        "named": named,
    }


def value_lines(genotype: Genotype, name: str, *, dimension: object, relaxed: bool) -> Sequence[str]:
    """Return the lines that show a value of a genotype.

    Args:
        genotype: has the value.
        name: of the dimension.
        dimension: the space's; where it is not known the value is shown as it is.
        relaxed: whether real numbers of the space are choices, which are shown as shares in percent.
    """
    if not isinstance(dimension, Real):
        return [value_text(genotype, name)]
    return _number_lines(genotype[name], dimension, shares=relaxed and _is_choice(dimension))


def _is_choice(dimension: object) -> bool:
    return isinstance(dimension, Real) and bool(dimension.shape) and dimension.shape[-1] > 1


def _number_lines(value: object, real: Real, *, shares: bool) -> Sequence[str]:
    """Return a line for each row along the last axis: its softmax in percent, or its numbers."""
    if shares and real.alternatives:
        return choice_texts(real, value)
    numbers = torch.tensor(real.numbers(value), dtype=torch.float64)
    rows = numbers.reshape(-1, real.shape[-1] if real.shape else 1)
    if shares:
        texts = [[f"{100 * share:.0f}" for share in row] for row in rows.softmax(1).tolist()]
    else:
        texts = [[f"{number:.3g}" for number in row] for row in rows.tolist()]
    width = max((len(text) for row in texts for text in row), default=0)
    return [f" {_FIGURE_SPACE}".join(text.rjust(width, _FIGURE_SPACE) for text in row) for row in texts]
