"""A table made up for tests: 40 genotypes whose scores rise to a known best one and are noisy."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from posenas import Genotype
from posenas_bench.table import Row, Table, Training, combinations

DIMENSIONS: dict[str, Sequence[Any]] = {
    "depth": [1, 2, 3, 4, 5],
    "width": [8, 16, 24, 32],
    "wide": [False, True],
}
BEST = {"depth": 4, "width": 24, "wide": True}


def made_up_table(*, noise: float = 0.01) -> Table:
    rows = [_row(genotype, Random(str(genotype)), noise) for genotype in combinations(DIMENSIONS)]
    return Table("oks.AP", DIMENSIONS, rows, {"recipe": "made up"})


def _row(genotype: Genotype, rng: Random, noise: float) -> Row:
    far = abs(genotype["depth"] - 4) + abs(genotype["width"] - 24) / 8 + (not genotype["wide"])
    scores = [0.6 - 0.03 * far + rng.gauss(0.0, noise) for _ in range(2)]
    size = genotype["depth"] * genotype["width"]
    costs = {"parameters": 1000 * size, "parameters_with_statistics": 1010 * size, "gmacs": size / 1e4}
    return Row(
        genotype,
        [Training(ranking=score, loss=1 - score, val=score - 0.1, seconds=10.0 + size) for score in scores],
        costs=costs,
        proxies={"synflow": -far, "naswot": rng.random()},
        shared=0.3 - 0.01 * far,
    )
